//! The memory promise: against a sink that stops for good, resident memory stays bounded and flat, and the source
//! stops reading; when the sink returns, everything arrives.
//!
//! "Stops for good" in the two ways that there are: connections that hang without an answer, and 503 for ever. The
//! pipeline has the default settings, with one exception: `requests_per_second` is raised, so that the history comes as
//! fast as the simulator gives it.

use std::time::Duration;

use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::server::Server;
use nordpass_simulator::{Endpoint, SimulationOptions};

use crate::port::listen;
use crate::program::{Memory, Program, command, free_port, pipeline, tail, with_api};
use crate::support::{World, history};

/// The most resident memory, in KiB.
const MOST: u64 = 64 << 10;
/// What a release has of that for its own pages. A debug build has twice as many: there the rest is the bound of its heap.
const PROGRAM: u64 = 12 << 10;
/// How much it may move while the sink stands still, in KiB.
const FLAT: u64 = 4 << 10;
/// Memory is looked at so often.
const SAMPLE: Duration = Duration::from_millis(100);
/// Without a row for so long, the sink's return has come to nothing: far more than the longest wait between two tries, as the
/// machine may be busy.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs it. The figures in a line.
pub async fn run(events: usize, standstill: Duration, seed: u64) -> String {
    let options = SimulationOptions { events: history(seed, events), ..SimulationOptions::default() };
    let world = World::new(options).await;
    let port = free_port();
    let text = pipeline(&world)
        .replace("[sinks.sentinel.batch]\ntimeout = \"200ms\"\n", "")
        .replace("poll_interval = \"1s\"\nlag = \"1s\"\n", "");
    let file = with_api(&world, &text, port);
    let mut sink = Some(listen(world.simulation.gate(world.simulation.ingestion.clone()), None, 0).await);
    let address = sink.as_ref().map(Server::url).expect("it listens");
    let mut start = command(&world, &file, &[]);
    start.env("DATA_COLLECTION_ENDPOINT", &address);
    let program = Program::start(start, &world, "memory", Some(port));
    let mut watch = Watch { world: &world, program: &program, peak: Memory::default() };

    let mut figures = Vec::new();
    let hang = Effect::ResetBefore;
    let unavailable = Fault::status(Endpoint::Ingestion, &[], 503).effect;
    for (number, (what, effect, delay)) in
        [("no answer", hang, Duration::from_secs(3600)), ("503", unavailable, Duration::ZERO)].into_iter().enumerate()
    {
        watch.until_rows(events * (1 + 4 * number) / 10).await;
        let when = When { endpoint: Some(Endpoint::Ingestion), ..When::default() };
        world.simulation.faults.add(Fault { when, effect, delay });
        figures.push(format!("{what}: {}", watch.standstill(standstill, what == "503").await));
        world.simulation.faults.clear();
        // A sink that returns has been started anew: its old connections are gone.
        let port = sink.take().map(|server| server.address().port()).expect("it listened");
        sink = Some(listen(world.simulation.gate(world.simulation.ingestion.clone()), None, port).await);
    }
    watch.until_rows(events).await;
    let mut verdict = world.simulation.verdict();
    for _ in 0..PATIENCE.as_secs() {
        // Copies count as rows, too: then the last events are still to come.
        if verdict.events_delivered == events as u64 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        verdict = world.simulation.verdict();
    }
    assert_eq!((verdict.events_lost, verdict.events_delivered), (0, events as u64), "{verdict:?}");
    let peak = watch.peak;
    let (what, used, bound) = if cfg!(debug_assertions) {
        ("heap", peak.anonymous, MOST - PROGRAM)
    } else {
        ("resident memory", peak.peak, MOST)
    };
    assert!(used <= bound, "{what} went up to {used} KiB; the bound is {bound} KiB\n{peak:?}");
    format!(
        "{events} events, all arrived, {} copies; peak {:.1} MiB resident ({:.1} of it heap, {:.1} program); {}",
        verdict.events_duplicated,
        mib(peak.peak),
        mib(peak.anonymous),
        mib(peak.file),
        figures.join("; ")
    )
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Looks at the program's memory while it waits.
struct Watch<'a> {
    world: &'a World,
    program: &'a Program,
    /// The sample with the most, and the kernel's own peak.
    peak: Memory,
}

impl Watch<'_> {
    fn sample(&mut self) -> Memory {
        let memory = self.program.memory();
        assert!(memory.resident > 0, "the program has ended\n{}", tail(&self.program.log()));
        if memory.resident > self.peak.resident {
            self.peak = Memory { peak: self.peak.peak, ..memory };
        }
        self.peak.peak = self.peak.peak.max(memory.peak);
        memory
    }

    fn rows(&self) -> usize {
        let rows: u64 = self.world.simulation.ingestion.rows().values().sum();
        usize::try_from(rows).expect("few rows")
    }

    /// Waits until so many rows have arrived.
    async fn until_rows(&mut self, wanted: usize) {
        let (mut last, mut since) = (0, tokio::time::Instant::now());
        loop {
            self.sample();
            let rows = self.rows();
            if rows >= wanted {
                return;
            }
            if rows > last {
                (last, since) = (rows, tokio::time::Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "nothing comes any more at row {rows}\n{}", tail(&self.program.log()));
            tokio::time::sleep(SAMPLE).await;
        }
    }

    /// The sink stands still: in the second half, memory is flat and the source asks for nothing new.
    async fn standstill(&mut self, time: Duration, answers: bool) -> String {
        // A request that hangs is given up after `request_timeout`; until then nobody can tell it from a slow one.
        if answers {
            self.program.waits_for("sentinel", "503").await;
        }
        let shown = || self.world.simulation.nordpass.shown().total();
        let asked = || self.world.simulation.log().at(Endpoint::Nordpass).len();
        self.sample_for(time / 2).await;
        let (rows, shown_before, asked_before) = (self.rows(), shown(), asked());
        let (least, most) = self.sample_for(time / 2).await;
        let (further, polls) = (shown() - shown_before, asked() - asked_before);
        assert_eq!(self.rows(), rows, "the sink does stand still");
        assert_eq!(further, 0, "the source stopped reading: what it can't deliver it doesn't fetch");
        assert!(most - least <= FLAT, "resident memory moves between {least} and {most} KiB");
        let ready = self.program.ready().await.expect("an answer");
        let components = ready["components"].as_array().cloned().unwrap_or_default();
        let sink = components.into_iter().find(|part| part["name"] == "sentinel").unwrap_or_default();
        assert!(!answers || sink["state"] == "waiting", "{ready:#}");
        format!(
            "flat at {:.1} to {:.1} MiB, {polls} requests in {} s for nothing new, /ready says {sink}",
            mib(least),
            mib(most),
            time.as_secs() / 2
        )
    }

    async fn sample_for(&mut self, time: Duration) -> (u64, u64) {
        let until = tokio::time::Instant::now() + time;
        let (mut least, mut most) = (u64::MAX, 0);
        while tokio::time::Instant::now() < until {
            let resident = self.sample().resident;
            (least, most) = (least.min(resident), most.max(resident));
            tokio::time::sleep(SAMPLE).await;
        }
        (least, most)
    }
}

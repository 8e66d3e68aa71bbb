//! SIGKILL at random moments: while the program starts, reads, delivers and commits. Afterwards it is left alone until
//! everything has arrived.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nordpass_env::{MemoryDisk, SystemClock, SystemDisk};
use nordpass_simulator::faults::{Effect, Fault, Plan, RetryAfter, When};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::{Received, judge, received_in_files};
use nordpass_simulator::server::{Background, Server};
use nordpass_simulator::{Dice, Endpoint, SimulationOptions, ingestion, nordpass};
use tokio::time::Instant;

use crate::copies::{self, Copies};
use crate::known::Known;
use crate::lives::Lives;
use crate::port::listen;
use crate::program::{Program, command, tail};
use crate::sink::Sink;
use crate::support::{World, history, output, said};

/// The archive's container.
const CONTAINER: &str = "archive";
/// Events per second beside the history.
const TRICKLE: f64 = 30.0;
/// How late an event shows at most, in seconds.
const LATE: usize = 3;
/// The longest that a life waits for rows before it is killed anyway.
const LONGEST_LIFE: Duration = Duration::from_secs(5);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    pub seed: u64,
    pub kills: usize,
    /// The history's.
    pub events: usize,
    pub sink: Sink,
    pub tls: bool,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct AckOutcome {
    pub kills: usize,
    pub lives: usize,
    pub events: u64,
    pub rows: u64,
    pub copies: Copies,
}

impl AckOutcome {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.lives += other.lives;
        self.events += other.events;
        self.rows += other.rows;
        self.copies.add(&other.copies);
    }
}

impl fmt::Display for AckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, lives, events, rows, copies } = self;
        write!(f, "{kills} kills, {lives} lives, {events} events, {rows} rows, lost 0, {copies}")
    }
}

/// How a life ended.
struct Kill {
    after: Duration,
    requests: u64,
    committed: usize,
}

/// Runs it, and judges it.
pub async fn run(chaos: Chaos) -> Result<AckOutcome, String> {
    let mut dice = Dice::new(chaos.seed);
    let options = SimulationOptions {
        events: history(chaos.seed, chaos.events),
        nordpass: nordpass::Settings {
            order: *dice.pick(&[nordpass::Order::Descending, nordpass::Order::UnstableWithinSecond]),
            ..nordpass::Settings::default()
        },
        ingestion: ingestion::Settings::default(),
        faults: faults(chaos.seed, chaos.sink),
        ..SimulationOptions::default()
    };
    let world = if chaos.tls { World::with_tls(options).await } else { World::new(options).await };
    let (pipeline, _blobs) = with_blobs(&world, &chaos.sink.pipeline(&world)).await;
    let live = Options { late: 0.05, late_by: LATE, ..Options::default() };
    let generator = Generator::new(chaos.seed ^ 0x11fe, live);
    let trickle =
        Background::spawn(world.simulation.clone().trickle(generator, TRICKLE, std::sync::Arc::new(SystemClock)));

    let (mut lives, mut known, mut kills) = (Lives::of(chaos.sink), Known::default(), Vec::<Kill>::new());
    for life in 1..=chaos.kills {
        let committed = known.note(&world, life).await?;
        kills.last_mut().into_iter().for_each(|kill| kill.committed = committed);
        let mut start = command(&world, &pipeline, &[]);
        start.env(chaos.sink.variable(), lives.begin(&world).await);
        let (requests, began) = (world.simulation.log().count(), Instant::now());
        let program = Program::start(start, &world, &format!("life-{life}"), None);
        wait(&mut dice, &chaos, &world).await;
        program.kill();
        let after = began.elapsed();
        let requests = world.simulation.log().count() - requests;
        kills.push(Kill { after, requests, committed: 0 });
    }

    drop(trickle);
    // Until the last event has shown, and is older than the lag.
    tokio::time::sleep(Duration::from_secs(LATE as u64 + 2)).await;
    let committed = known.note(&world, lives.count() + 1).await?;
    kills.last_mut().into_iter().for_each(|kill| kill.committed = committed);
    let mut last = command(&world, &pipeline, &["--once", "--timeout", "1200s"]);
    last.env(chaos.sink.variable(), lives.begin(&world).await);
    let end = output(last).await;
    if !end.status.success() {
        return Err(format!("the last life didn't come to its end: {}", tail(&said(&end))));
    }
    verdict(&chaos, &world, &lives, &known, &kills).await
}

/// The pipeline with an archive in a storage account beside its sinks.
async fn with_blobs(world: &World, pipeline: &Path) -> (PathBuf, Server) {
    world.simulation.blobs.create_container(CONTAINER);
    let gate = world.simulation.gate(world.simulation.blobs.clone());
    let server = listen(gate, world.authority.as_ref(), 0).await;
    let tls = if world.authority.is_some() { "tls = { ca_file = \"ca.pem\" }\n" } else { "" };
    let sink = format!(
        "\n[sinks.blobs]\ntype = \"azure_blob\"\ninputs = [\"nordpass\"]\naccount = \"{}\"\ncontainer = \"{CONTAINER}\"\n\
         path = \"{{date}}/{{organization}}.ndjson.gz\"\nbatch = {{ timeout = \"1s\", max_bytes = 200000 }}\n\
         credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\n{tls}",
        server.url()
    );
    let text = std::fs::read_to_string(pipeline).expect("the pipeline that was just written");
    (world.pipeline("blobs.toml", &(text + &sink)), server)
}

/// What the blobs hold.
async fn in_blobs(world: &World) -> Result<Received, String> {
    let disk = MemoryDisk::new();
    for name in world.simulation.blobs.names(CONTAINER) {
        disk.put(&name, world.simulation.blobs.content(CONTAINER, &name).unwrap_or_default());
    }
    received_in_files(&disk, &disk.paths()).await
}

/// Lives until a random moment: a short time, or some further rows.
async fn wait(dice: &mut Dice, chaos: &Chaos, world: &World) {
    if dice.chance(0.5) {
        tokio::time::sleep(Duration::from_millis(dice.below(400) as u64)).await;
        return;
    }
    let rows = || chaos.sink.received(world).rows.values().sum::<u64>();
    let wanted = rows() + 1 + dice.below(2 * chaos.events / chaos.kills.max(1)) as u64;
    let latest = Instant::now() + LONGEST_LIFE;
    while rows() < wanted && Instant::now() < latest {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What goes wrong besides, at both ends.
fn faults(seed: u64, sink: Sink) -> Plan {
    let mut faults = Vec::new();
    for endpoint in [Endpoint::Nordpass, sink.endpoint(), Endpoint::Entra, Endpoint::Blob] {
        let mut fault = |probability: f64, effect: Effect, delay: u64| {
            let when = When { endpoint: Some(endpoint), probability: Some(probability), ..When::default() };
            faults.push(Fault { when, effect, delay: Duration::from_millis(delay) });
        };
        let status = |status: u16, retry_after| Effect::Status {
            status: http::StatusCode::from_u16(status).expect("a status"),
            body: String::new(),
            headers: std::collections::BTreeMap::new(),
            retry_after,
        };
        fault(0.01, Effect::ResetBefore, 0);
        fault(0.02, Effect::ResetAfter, 0);
        fault(0.01, status(503, None), 0);
        fault(0.01, status(429, Some(RetryAfter::Seconds(1))), 0);
        fault(0.10, Effect::None, 300);
    }
    Plan { seed, faults }
}

async fn verdict(
    chaos: &Chaos,
    world: &World,
    lives: &Lives,
    known: &Known,
    kills: &[Kill],
) -> Result<AckOutcome, String> {
    // Not only what the simulator knows to have shown: by now everything must be there.
    let everything = world.simulation.nordpass.world();
    let there = judge(&everything, &everything, &everything, &chaos.sink.received(world));
    if (there.events_lost, there.events_unknown, there.rows_without_probe) != (0, 0, 0) {
        return Err(format!("{}: {there:?}", chaos.sink.name()));
    }
    let copies = copies::explain(lives, known)?;
    // As many ids as events, and each id one event: then each further copy says by its id that it is one.
    let ids = lives.probes()?.len() as u64;
    if ids != everything.total() || copies.total() != there.events_duplicated {
        return Err(format!("{ids} ids for {} events; {copies}: {there:?}", everything.total()));
    }
    let files = received_in_files(&SystemDisk, &world.files("archive")).await?;
    let files = judge(&everything, &everything, &everything, &files);
    if (files.events_lost, files.events_duplicated, files.events_unknown, files.rows_without_probe) != (0, 0, 0, 0) {
        return Err(format!("files: {} lost, {} doubled: {files:?}", files.events_lost, files.events_duplicated));
    }
    let blobs = judge(&everything, &everything, &everything, &in_blobs(world).await?);
    if (blobs.events_lost, blobs.events_duplicated, blobs.events_unknown, blobs.rows_without_probe) != (0, 0, 0, 0) {
        return Err(format!("blobs: {} lost, {} doubled: {blobs:?}", blobs.events_lost, blobs.events_duplicated));
    }
    let letters = world.files("state/dead-letters");
    if !letters.is_empty() {
        return Err(format!("there are dead letters: {letters:?}"));
    }
    for (number, kill) in kills.iter().enumerate() {
        println!(
            "    kill {:>3} after {:>4} ms: {:>4} requests, {:>6} rows accepted, {:>6} committed, {:>5} sent again later",
            number + 1,
            kill.after.as_millis(),
            kill.requests,
            lives.rows_of(number + 1),
            kill.committed,
            copies.per_kill.get(&(number + 1)).copied().unwrap_or(0)
        );
    }
    Ok(AckOutcome {
        kills: chaos.kills,
        lives: lives.count(),
        events: everything.total(),
        rows: there.rows.values().sum(),
        copies,
    })
}

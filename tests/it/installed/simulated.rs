//! How the fixtures were made that take months: at simulated time, on a disk whose power is cut.
//!
//! Not a test: `tests/fixtures/installed/README.md` has the commands.

use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::{Clock as _, MemoryDisk, TestClock};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::nordpass::{self, Order, Total};
use nordpass_simulator::{SimulatedEvent, Simulation, SimulationOptions};
use tokio::time::sleep;

use super::fixture::event;
use super::make::{ARCHIVE, ASIM, DAY, NORDPASS_SOURCE, Saved, odd};
use super::{Life, start};
use crate::support::TOKEN;

/// The states that take months, at simulated time: of the library that this is built with.
#[ignore = "writes fixtures with the program that this is built with: tests/fixtures/installed/README.md"]
#[tokio::test(start_paused = true)]
async fn make() {
    busy(Total::Right, Duration::from_hours(24 * 92), "disk-months").await;
    busy(Total::Missing, Duration::from_hours(10), "disk-unproven").await;
    cut_short("disk-history").await;
}

/// A world at simulated time.
struct Simulated {
    simulation: Simulation,
    disk: MemoryDisk,
    clock: TestClock,
    text: String,
    events: Vec<SimulatedEvent>,
}

impl Simulated {
    fn new(parts: &[&str], total: Total) -> Self {
        // 2027-01-15 08:00 UTC.
        let begin = Timestamp::from_second(1_800_000_000).expect("a time");
        let nordpass =
            nordpass::Settings { order: Order::UnstableWithinSecond, total, ..nordpass::Settings::default() };
        let simulation = Simulation::new(SimulationOptions { nordpass, ..SimulationOptions::default() }, begin);
        simulation.entra.tokens.accept(TOKEN);
        let rule = &simulation.ingestion.settings.dcr.immutable_id;
        let parts = parts.concat().replace("SOURCE", "nordpass").replace("RULE", rule);
        let source = NORDPASS_SOURCE.replace("poll_interval = \"1s\"", "poll_interval = \"1m\"");
        let text = format!("data_dir = \"data\"\n{source}{parts}");
        let clock = TestClock::starting_at(begin);
        Self { simulation, disk: MemoryDisk::new(), clock, text, events: Vec::new() }
    }

    fn happen(&mut self, events: Vec<SimulatedEvent>) {
        self.events.extend(events.clone());
        self.simulation.nordpass.extend(events);
    }

    fn start(&self, seed: u64) -> Life {
        start(&self.simulation, &self.disk, &self.clock, self.text.clone(), seed)
    }

    /// A power cut, and the fixture of what it leaves.
    async fn cut(self, life: Life, name: &str) {
        self.disk.go_down_at(0);
        life.task.abort();
        let _ = life.task.await;
        self.disk.crash(7);
        let files = self.disk.paths().into_iter().map(|path| (path.clone(), self.disk.content(path).expect("a file")));
        let saved = Saved { simulation: &self.simulation, events: &self.events, now: self.clock.now() };
        saved.write(name, &self.text, files.collect());
    }
}

/// Odd events, a busy second and what Azure didn't take; after a gap and audited days where `away` is long.
async fn busy(total: Total, away: Duration, name: &str) {
    let mut world = Simulated::new(&[ASIM, ARCHIVE], total);
    let begin = world.clock.now_seconds();
    // Twins are only sent where they are proven.
    let options = Options { twins: 0.0, ..Options::default() };
    world.happen(Generator::new(37, options).history(begin - 6 * DAY, begin - 60, 40));
    let life = world.start(1);
    sleep(Duration::from_hours(26)).await;
    life.signal.cancel();
    assert!(life.task.await.expect("no panic").failures.is_empty());
    // What happens in days that the API no longer has would be lost.
    sleep(away).await;
    let now = world.clock.now_seconds();
    world.happen((0..20).map(|number| event(now - number * 3 * 3_600, &format!("away-{number}"))).collect());
    let life = world.start(2);
    sleep(Duration::from_hours(50)).await;
    let now = world.clock.now_seconds();
    world.happen(odd(now - 3_600));
    sleep(Duration::from_hours(2)).await;
    // More events of one second and one user than a page has, in another order in each answer.
    let now = world.clock.now_seconds();
    world.happen((0..150).map(|number| event(now - 5, &format!("busy-{number}"))).collect());
    sleep(Duration::from_mins(2)).await;
    world.simulation.ingestion.set_forbidden(true);
    let now = world.clock.now_seconds();
    world.happen((0..10).map(|number| event(now - number, &format!("unsent-{number}"))).collect());
    sleep(Duration::from_mins(2)).await;
    world.cut(life, name).await;
}

async fn cut_short(name: &str) {
    let mut world = Simulated::new(&[ARCHIVE], Total::Right);
    world.text = world.text.replace("requests_per_second = 1000", "requests_per_second = 1\npage_size = 1");
    let begin = world.clock.now_seconds();
    world.happen(Generator::new(38, Options::default()).history(begin - 6 * DAY, begin - 60, 160));
    let life = world.start(1);
    let found = async || {
        let paths = world.disk.paths().into_iter().filter(|path| path.starts_with("archive")).collect::<Vec<_>>();
        received_in_files(&world.disk, &paths).await.expect("files").probes.total()
    };
    while found().await < 70 {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(found().await < 150, "the history was read to its end");
    world.cut(life, name).await;
}

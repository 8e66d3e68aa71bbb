//! The real program takes changed pipeline files without a stop.

use std::path::PathBuf;

use nordpass_env::SystemDisk;
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;

use crate::support::{Process, World, found, free_port, history, http_client, now, until};

/// As many requests each component has at once, and so connections; the source's live polls have one more.
const CONCURRENCY: u64 = 4;

/// A running set, and its pipeline file.
struct Running {
    world: World,
    path: PathBuf,
    text: String,
    port: u16,
    /// How many events there are.
    events: u64,
    /// How many reloads were applied, and refused or wrong.
    outcomes: [u64; 2],
    process: Option<Process>,
}

impl Running {
    /// Starts the program with the file as `change` makes it.
    async fn start(arguments: &[&str], events: usize, change: impl FnOnce(String) -> String) -> Self {
        let world = World::new(SimulationOptions { events: history(91, events), ..SimulationOptions::default() }).await;
        let port = free_port();
        let text = std::fs::read_to_string(world.both()).expect("a file");
        let text = format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n");
        let path = world.pipeline("pipeline.toml", &change(text.clone()));
        let file = [path.to_str().expect("a path")];
        let process = Process::start(world.command(&[&["run"], arguments, &file].concat()));
        let running = Self { world, path, text, port, events: events as u64, outcomes: [0, 0], process: Some(process) };
        found(async || running.get("/ready").await).await.expect("it listens");
        running
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = http_client().get(format!("http://127.0.0.1:{}{path}", self.port)).send().await.ok()?;
        answer.text().await.ok()
    }

    /// Puts another file in its place, as editors do.
    fn edit(&self, text: &str) {
        let new = self.world.pipeline("pipeline.toml.new", text);
        std::fs::rename(new, &self.path).expect("renames");
    }

    fn hang_up(&self) {
        self.process.as_ref().expect("it runs").signal("HUP");
    }

    /// Waits until one more reload was applied, or refused.
    async fn reloaded(&mut self, applied: bool) {
        self.outcomes[usize::from(!applied)] += 1;
        let expected = self.outcomes;
        let counted = async || {
            let metrics = self.get("/metrics").await?;
            let count = |outcome: &str| {
                let name = format!("sentinel_config_reloads_total{{outcome=\"{outcome}\"}} ");
                metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or(0)
            };
            (([count("applied"), count("refused") + count("wrong")]) == expected).then_some(())
        };
        found(counted).await.unwrap_or_else(|| panic!("waited for {expected:?} reloads"));
    }

    /// More events happen.
    fn happen(&mut self, count: usize) {
        self.events += count as u64;
        let events = Generator::new(self.events, Options::default()).history(now() - 30, now() - 2, count);
        self.world.simulation.nordpass.extend(events);
    }

    /// Everything arrives, and the program ends when it is told. Each event is in the files once, and what arrived at Sentinel twice
    /// is counted.
    async fn end(mut self) -> u64 {
        let simulation = &self.world.simulation;
        until("all to arrive", || simulation.verdict().events_delivered == self.events).await;
        let process = self.process.take().expect("it runs");
        assert!(process.terminate().await.success());
        let files = received_in_files(&SystemDisk, &self.world.files("archive")).await.expect("files");
        let files = simulation.verdict_on(&files);
        assert_eq!((files.events_delivered, files.events_duplicated), (self.events, 0), "{files:?}");
        let verdict = simulation.verdict();
        assert_eq!((verdict.events_lost, verdict.events_unknown), (0, 0), "{verdict:?}");
        verdict.events_duplicated
    }
}

/// Edits the file again and again while events flow. What wasn't changed keeps its connections.
async fn edits(count: usize) {
    let mut running = Running::start(&["--watch"], 2_000, |text| text).await;
    until("the first events to arrive", || running.world.simulation.verdict().events_delivered > 100).await;
    for number in 0..count {
        running.happen(200);
        let timeout = format!("timeout = \"{}ms\"", 100 + 10 * (number % 10 + 1));
        running.edit(&running.text.replace("timeout = \"200ms\"", &timeout));
        running.reloaded(true).await;
    }
    // Begun anew, the source would open at least one for each edit. On a busy machine a pool opens a few more than it needs.
    let kept = running.world.servers.nordpass.connections();
    let most = 2 * CONCURRENCY;
    assert!(
        count as u64 > most && (1..=most).contains(&kept),
        "the source's connections were kept, and {kept} were opened"
    );
    let most = 1 + count as u64;
    let opened = running.world.servers.ingestion.connections();
    assert!((1..=CONCURRENCY * most).contains(&opened), "{opened} connections for {most} lives of the sink");
    assert_eq!(running.end().await, 0, "everything drained in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_edited_under_load_loses_and_doubles_nothing() {
    edits(12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes three minutes"]
async fn a_hundred_edits_under_load_lose_and_double_nothing() {
    edits(100).await;
}

/// Vector #24125: a sink whose destination takes nothing never drains, and the reload that was to repair it never came.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_delivers_nothing_is_repaired_by_a_reload() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let broken = move |text: String| text.replace("${DATA_COLLECTION_ENDPOINT}", &nowhere);
    let mut running = Running::start(&[], 500, broken).await;
    let waits = async || running.get("/ready").await.filter(|ready| ready.contains("no connection to"));
    found(waits).await.expect("the sink waits");
    running.edit(&running.text);
    running.hang_up();
    running.reloaded(true).await;
    running.end().await;
}

/// Fluent Bit #9354: a second reload was refused for ever because the first one was "in progress".
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_another_one_drains_is_the_one_that_counts() {
    let [nowhere, elsewhere] = [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let to = |text: &str, place: &str| text.replace("${DATA_COLLECTION_ENDPOINT}", place);
    let running = Running::start(&[], 500, |text| to(&text, &nowhere)).await;
    let waits = async || running.get("/ready").await.filter(|ready| ready.contains("no connection to"));
    found(waits).await.expect("the sink waits");
    running.edit(&to(&running.text, &elsewhere));
    running.hang_up();
    let draining = async || running.get("/metrics").await.filter(|metrics| metrics.contains("reloads_total"));
    found(draining).await.expect("it answers while it drains");
    running.edit(&running.text);
    running.hang_up();
    until("all to arrive", || running.world.simulation.verdict().events_delivered == 500).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_is_shown_until_it_is_right() {
    let mut running = Running::start(&[], 300, |text| text).await;
    until("the first events to arrive", || running.world.simulation.verdict().events_delivered == 300).await;
    let wrong = running.text.replace("lag = \"1s\"", "lagg = \"1s\"");
    let moved = running.text.replace("data_dir = \"state\"", "data_dir = \"other\"");
    for (text, reason) in [(wrong, "did you mean `lag`"), (moved, "`data_dir` can't change while the program runs")] {
        running.edit(&text);
        running.hang_up();
        running.reloaded(false).await;
        running.happen(50);
        let everywhere = [("/ready", reason), ("/", reason), ("/metrics", "last_reload_successful 0")];
        for (path, shown) in everywhere {
            // The page escapes what it shows.
            let text = running.get(path).await.expect("it answers").replace("&#39;", "'").replace("&#x27;", "'");
            assert!(text.contains(shown), "{path}: {text}");
        }
    }
    running.edit(&running.text);
    running.hang_up();
    running.reloaded(true).await;
    let metrics = running.get("/metrics").await.expect("it answers");
    assert!(metrics.contains("last_reload_successful 1"), "{metrics}");
    assert_eq!(running.end().await, 0);
}

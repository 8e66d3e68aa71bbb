//! The program beside a hostile peer or file, and what is measured of it.

use std::net::TcpListener;
use std::time::Duration;

use nordpass_simulator::SimulationOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{Process, World, found, skipped};

/// A little below the longest answer that is read.
pub const LONG: usize = 31 << 20;
/// The most resident memory, in KiB. Without the bounds, these attacks take 700 MiB and more.
const MOST: u64 = 160 << 10;
/// What a debug build has besides: larger futures, and answers that pile up while it is slow.
const DEBUG: u64 = if cfg!(debug_assertions) { 64 << 10 } else { 0 };

/// The world of an attack.
pub struct Rig {
    /// The simulators, which stand for every peer that isn't hostile, and the folder.
    pub world: World,
    api: u16,
    variables: Vec<(String, String)>,
    /// Whether the process has its whole time to drain, which is 15 s where something is still waited for.
    pub drains: bool,
}

impl Rig {
    /// A world without a process.
    pub async fn new() -> Self {
        let world = World::new(SimulationOptions::default()).await;
        let api = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        Self { world, api, variables: Vec::new(), drains: false }
    }

    /// Sets a variable of the process.
    pub fn set(&mut self, name: &str, value: String) {
        self.variables.push((name.to_owned(), value));
    }

    /// Runs a pipeline file with these tables until `reached` holds in its rounds 1 and 2, asks for the health between the two,
    /// and ends it with SIGTERM. Fails where one of these doesn't succeed, or where memory has no bound.
    pub async fn survives(&self, name: &str, tables: &str, reached: impl AsyncFn(&Self, usize) -> bool) {
        let text = format!("data_dir = \"data\"\n[api]\nlisten = \"127.0.0.1:{}\"\n{tables}", self.api);
        let file = self.world.pipeline("hostile.toml", &text);
        let mut command = self.world.command(&["run", file.to_str().expect("a path")]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut run = Run { name, process: Process::start(command), peak: None };
        if let Some(code) = self.wait(&mut run, &reached, 1).await {
            // What it reads when it starts may be no reason to start.
            assert!(matches!(code, 1 | 2), "{name}: it ended with {code}");
            return report(&run, None);
        }
        let asked = Instant::now();
        assert!(self.get("/health").await.ends_with("alive\n"), "{name}: it lives");
        let health = asked.elapsed();
        self.wait(&mut run, &reached, 2).await;
        let ended = Instant::now();
        let code = end(&mut run.process, self.drains).await;
        // A source that can't read its own file has failed: 1.
        assert!(matches!(code, Some(0 | 1)), "{name}: SIGTERM is obeyed, and nothing panics: {code:?}");
        report(&run, Some((health, ended.elapsed())));
    }

    /// Waits until it's reached, or the process has ended: its exit code.
    async fn wait(&self, run: &mut Run<'_>, reached: &impl AsyncFn(&Self, usize) -> bool, round: usize) -> Option<i32> {
        let done = found(async || {
            run.look();
            let ended = run.process.0.try_wait().expect("its own child");
            if ended.is_some() { Some(ended) } else { reached(self, round).await.then_some(None) }
        });
        let ended = done.await.unwrap_or_else(|| panic!("{}: never reached round {round}", run.name));
        run.look();
        ended.map(|status| status.code().expect("no signal"))
    }

    /// Asks the running process; empty until it listens.
    pub async fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.api)).await {
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            if stream.write_all(request.as_bytes()).await.is_ok() {
                let _ = stream.read_to_string(&mut answer).await;
            }
        }
        answer
    }
}

/// A running process.
struct Run<'a> {
    name: &'a str,
    process: Process,
    /// The most resident memory that was seen, in KiB.
    peak: Option<u64>,
}

impl Run<'_> {
    fn look(&mut self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        self.peak = self.peak.max(peak);
    }
}

/// Prints a line of the table. The times are those until `/health` was answered and until the process had ended.
#[expect(clippy::print_stdout, reason = "the figures are for people")]
fn report(run: &Run<'_>, times: Option<(Duration, Duration)>) {
    let Run { name, peak, .. } = run;
    let Some(peak) = peak else {
        return skipped("it had ended before its memory was looked at, or there is no /proc here");
    };
    let times = times.map(|(health, end)| format!("{} ms | {} ms", health.as_millis(), end.as_millis()));
    println!("| {name} | {} MiB | {} |", peak >> 10, times.as_deref().unwrap_or("refused at the start |"));
    assert!(*peak < MOST + DEBUG, "{name}: {peak} KiB at most");
}

/// Sends SIGTERM once, or until the process ends: the second one ends its draining.
async fn end(process: &mut Process, drains: bool) -> Option<i32> {
    process.signal("TERM");
    let code = found(async || {
        if !drains {
            process.signal("TERM");
        }
        process.0.try_wait().expect("its own child")
    });
    code.await.expect("it ends").code()
}

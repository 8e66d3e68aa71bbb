//! Two real processes that share organizations on Azurite.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use nordpass_env::SystemClock;
use nordpass_simulator::server::{Server, ServerOptions};
use nordpass_simulator::{Endpoint, Reply, Service, SimulationOptions, nordpass};

use super::server::{Azurite, token};
use crate::support::{Process, World, history, until};

/// In a plain run. `ORGANIZATIONS` sets another number, and then the time is taken and shown; `SENTINEL_PROGRAM` names another
/// build, as that of `--profile dist`.
const ORGANIZATIONS: usize = 24;

/// The APIs of all organizations at one address. Whoever has the token of one may ask.
struct Crowd {
    inner: Arc<dyn Service>,
    token: String,
    asked: Arc<Mutex<Asked>>,
}

/// Who asked for which organization last, and when; and how many questions there were.
#[derive(Default)]
struct Asked {
    last: BTreeMap<String, (String, Instant)>,
    questions: u64,
}

#[expect(clippy::disallowed_methods, reason = "when somebody asked is measured, and decides nothing")]
impl Service for Crowd {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.inner.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        {
            let mut asked = self.asked.lock().expect("no panic");
            asked.questions += 1;
            asked.last.insert(header("authorization"), (header("x-source"), Instant::now()));
        }
        let mut request = request.clone();
        request.headers_mut().insert("authorization", self.token.parse().expect("a header"));
        self.inner.handle(&request, now)
    }
}

struct Shared {
    world: World,
    azurite: Azurite,
    api: Server,
    asked: Arc<Mutex<Asked>>,
    count: usize,
}

impl Shared {
    async fn new(count: usize) -> Self {
        let world = World::new(SimulationOptions { events: history(3, 2), ..SimulationOptions::default() }).await;
        let asked = Arc::<Mutex<Asked>>::default();
        let token = nordpass::Settings::default().token;
        let crowd = Crowd { inner: world.simulation.nordpass.clone(), token, asked: asked.clone() };
        let gate = world.simulation.gate(Arc::new(crowd));
        let api = Server::start(gate, Arc::new(SystemClock), ServerOptions::default()).await.expect("listens");
        let secrets = world.folder.path().join("secrets");
        std::fs::create_dir(&secrets).expect("a folder");
        let mut list = String::new();
        for number in 0..count {
            std::fs::write(secrets.join(format!("o{number}")), format!("token-{number}")).expect("writes");
            let _ = writeln!(list, "[o{number}]\nid = \"c-{number}\"\ntoken = \"o{number}\"");
        }
        world.pipeline("organizations.toml", &list);
        Self { world, azurite: Azurite::start(), api, asked, count }
    }

    fn start(&self, index: usize) -> Process {
        let text = format!(
            r#"
data_dir = "data-{index}"
[checkpoint]
kind = "azure_blob"
endpoint = "{endpoint}"
[checkpoint.credential]
kind = "token"
token = "${{STORAGE_TOKEN}}"
[checkpoint.tls]
ca_file = "{ca_file}"
[organizations]
file = "organizations.toml"
secrets_dir = "secrets"
allowed_endpoints = ["{api}{path}"]
shard = "{index}/2"
[sources.nordpass]
type = "nordpass"
source_header = "{index}"
[sinks.nothing]
type = "blackhole"
inputs = ["nordpass"]
"#,
            endpoint = self.azurite.endpoint,
            ca_file = self.azurite.ca_file().display(),
            api = self.api.url(),
            path = self.world.simulation.nordpass.settings.path,
        );
        let file = self.world.pipeline(&format!("{index}.toml"), &text);
        let mut command = self.world.command(&["run", file.to_str().expect("a path")]);
        let log = std::fs::File::create(self.world.folder.path().join(format!("{index}.log"))).expect("a log");
        command.env("STORAGE_TOKEN", token()).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().expect("the program starts"))
    }

    /// How many organizations each process has asked for since then, counting who asked last.
    fn shares(&self, since: Instant) -> BTreeMap<String, usize> {
        let asked = self.asked.lock().expect("no panic");
        let mut shares = BTreeMap::new();
        for (who, _) in asked.last.values().filter(|(_, at)| *at > since) {
            *shares.entry(who.clone()).or_default() += 1;
        }
        shares
    }

    fn questions(&self) -> u64 {
        self.asked.lock().expect("no panic").questions
    }
}

/// The processor time of a process so far, in seconds, and its resident memory in MiB.
fn usage(process: &Process) -> (f64, u64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.0.id())).unwrap_or_default();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    ((ticks(11) + ticks(12)) / 100.0, kib / 1_024)
}

/// Each process reads its share. One is killed, and the other one reads all; it comes back, and has its share again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Azurite: cargo xtask test azurite"]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the number of organizations is no setting of the program"
)]
async fn azurite_replicas_share_organizations_and_take_over() {
    let measured = std::env::var("ORGANIZATIONS").ok().and_then(|number| number.parse::<usize>().ok());
    let shared = Shared::new(measured.unwrap_or(ORGANIZATIONS)).await;
    let began = Instant::now();
    let (first, mut second) = (shared.start(0), shared.start(1));
    until("both to read all organizations", || {
        let shares = shared.shares(began);
        shares.len() == 2 && shares.values().sum::<usize>() == shared.count
    })
    .await;
    let shares = shared.shares(began);
    assert!(shares.values().all(|share| *share > shared.count / 4), "{shares:?}");
    if measured.is_some() {
        eprintln!("all are read after {} s: {shares:?}", began.elapsed().as_secs());
        tokio::time::sleep(Duration::from_secs(90)).await;
        let (questions, requests) = (shared.questions(), shared.azurite.requests());
        let (before, start) = ([usage(&first), usage(&second)], Instant::now());
        tokio::time::sleep(Duration::from_secs(120)).await;
        let seconds = start.elapsed().as_secs_f64();
        for (number, (process, before)) in [&first, &second].into_iter().zip(before).enumerate() {
            let (processor, memory) = usage(process);
            let share = (processor - before.0) / seconds * 100.0;
            eprintln!("replica {number}: {share:.1} % of a core, {memory} MiB");
        }
        eprintln!("{:.1} requests a second to NordPass", (shared.questions() - questions) as f64 / seconds);
        for (kind, count) in shared.azurite.requests() {
            let count = count - requests.get(&kind).copied().unwrap_or(0);
            eprintln!("{:.1} requests a second to storage: {kind}", count as f64 / seconds);
        }
    }
    let killed = Instant::now();
    let _ = second.0.kill();
    let _ = second.0.wait();
    for _ in 0..if measured.is_some() { 24 } else { 0 } {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let shares = shared.shares(killed);
        eprintln!("after {} s: {shares:?}", killed.elapsed().as_secs());
        if shares.values().sum::<usize>() == shared.count {
            break;
        }
    }
    until("the first one to read all organizations", || {
        shared.shares(killed) == [("0".to_owned(), shared.count)].into()
    })
    .await;
    if measured.is_some() {
        eprintln!("after one was killed, the other one has read each of them within {} s", killed.elapsed().as_secs());
    }
    let back = shared.start(1);
    let again = Instant::now();
    until("the second one to have its share again", || {
        let shares = shared.shares(again);
        shares.values().sum::<usize>() == shared.count && shares.get("1").is_some_and(|share| *share > shared.count / 4)
    })
    .await;
    let log = |index: usize| {
        let path = shared.world.folder.path().join(format!("{index}.log"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let problems: BTreeSet<String> = [log(0), log(1)]
        .iter()
        .flat_map(|log| log.lines())
        .filter(|line| line.contains("ERROR"))
        .map(str::to_owned)
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
    assert!(back.terminate().await.success() && first.terminate().await.success());
}

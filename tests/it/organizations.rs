//! Many organizations from one file: each is read with its own token, and keeps its own state.

use std::path::Path;
use std::process::Output;

use nordpass_env::SystemDisk;
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;

use crate::support::{Process, World, found, free_port, history, http_client, now, output, said, until};

const EVENTS: usize = 300;
/// As many requests each source has at once, and so connections; its live polls have one more.
const CONCURRENCY: u64 = 4;

/// A NordPass of its own for each organization: another endpoint, another token, other events.
async fn nordpass(seed: u64) -> World {
    let mut options = SimulationOptions { events: history(seed, EVENTS), ..SimulationOptions::default() };
    options.nordpass.token = format!("token-{seed}");
    World::new(options).await
}

fn endpoint(world: &World) -> String {
    format!("{}{}", world.servers.nordpass.url(), world.simulation.nordpass.settings.path)
}

/// Writes a secret as its owner would.
fn secret(world: &World, name: &str, text: &str) {
    let folder = world.folder.path().join("secrets");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), format!("{text}\n")).expect("writes");
}

/// One set for all of them, in the folder of the first. Its source is called `source`, where it is no template with these
/// lines.
fn set(world: &World, source: &str, own: &str, organizations: &[&World]) -> String {
    let endpoints: Vec<String> = organizations.iter().map(|world| endpoint(world)).collect();
    let table = format!(
        "[organizations]\nfile = \"organizations.toml\"\nsecrets_dir = \"secrets\"\nallowed_endpoints = {endpoints:?}\n"
    );
    let text = format!(
        "data_dir = \"state\"\n{}\n[sources.{source}]\ntype = \"nordpass\"\n{own}\npoll_interval = \"1s\"\nlag = \"1s\"\n\
         requests_per_second = 1000\n\n[sinks.archive]\ntype = \"file\"\ninputs = [\"{source}\"]\n\
         path = \"archive/{}.ndjson\"\n",
        if own.is_empty() { table.as_str() } else { "" },
        if own.is_empty() { "{organization.name}-{organization.labels.tenant}" } else { "events" },
    );
    world.pipeline("pipeline.toml", &text).display().to_string()
}

fn entry(name: &str, world: &World) -> String {
    let endpoint = endpoint(world);
    format!(
        "[{name}]\nid = \"c-{name}\"\nendpoint = \"{endpoint}\"\ntoken = \"{name}\"\nlabels = {{ tenant = \"t1\" }}\n\n"
    )
}

/// How many lines an archive has.
fn lines(world: &World, name: &str) -> usize {
    let text = std::fs::read_to_string(world.folder.path().join("archive").join(name)).unwrap_or_default();
    text.lines().count()
}

async fn once(world: &World, path: &str) -> Output {
    output(world.command(&["run", path, "--once", "--timeout", "600s"])).await
}

/// One has a wrong secret: the others are delivered, and its events follow once the secret is right.
#[tokio::test(flavor = "multi_thread")]
async fn one_organization_with_a_wrong_secret_waits_alone() {
    let (acme, beta, gamma) = (nordpass(1).await, nordpass(2).await, nordpass(3).await);
    let path = set(&acme, "nordpass", "", &[&acme, &beta, &gamma]);
    acme.pipeline("organizations.toml", &[entry("acme", &acme), entry("beta", &beta), entry("gamma", &gamma)].concat());
    for (name, token) in [("acme", "token-1"), ("beta", "token-2"), ("gamma", "wrong")] {
        secret(&acme, name, token);
    }
    let running = Process::start(acme.command(&["run", &path]));
    until("the two organizations whose tokens are right", || {
        lines(&acme, "acme-t1.ndjson") == EVENTS && lines(&acme, "beta-t1.ndjson") == EVENTS
    })
    .await;
    assert_eq!(lines(&acme, "gamma-t1.ndjson"), 0);
    // It is read again for each request: no restart.
    secret(&acme, "gamma", "token-3");
    until("the third one", || lines(&acme, "gamma-t1.ndjson") == EVENTS).await;
    assert!(running.terminate().await.success());
}

/// Two tokens that are swapped look like this: the events are another organization's.
#[tokio::test(flavor = "multi_thread")]
async fn another_organization_stops_its_source_before_anything_is_sent() {
    let (acme, beta) = (nordpass(1).await, nordpass(2).await);
    let path = set(&acme, "nordpass", "", &[&acme, &beta]);
    acme.pipeline("organizations.toml", &[entry("acme", &acme), entry("beta", &beta)].concat());
    secret(&acme, "acme", "token-1");
    secret(&acme, "beta", "token-2");
    let end = once(&acme, &path).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!((lines(&acme, "acme-t1.ndjson"), lines(&acme, "beta-t1.ndjson")), (EVENTS, EVENTS));
    let foreign = Generator::new(77, Options::default()).history(now() - 60, now() - 10, 5);
    acme.simulation.nordpass.extend(foreign);
    let end = once(&acme, &path).await;
    let words = said(&end);
    assert_eq!(end.status.code(), Some(1), "{words}");
    assert!(words.contains("another organization than before") && words.contains("swapped"), "{words}");
    assert_eq!((lines(&acme, "acme-t1.ndjson"), lines(&acme, "beta-t1.ndjson")), (EVENTS, EVENTS), "nothing was sent");
}

/// From a block to data: the state is the same, so nothing is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn import_keeps_the_state() {
    let world = nordpass(4).await;
    let own = "endpoint = \"${NORDPASS_ENDPOINT_URL}\"\ntoken = \"${NORDPASS_TOKEN}\"";
    let path = set(&world, "acme", own, &[]);
    let end = once(&world, &path).await;
    assert!(end.status.success() && lines(&world, "events.ndjson") == EVENTS, "{}", said(&end));

    let end = output(world.command(&["organizations", "import", &path])).await;
    assert!(end.status.success() && !said(&end).contains("token-4"), "{}", said(&end));
    world.pipeline("organizations.toml", std::str::from_utf8(&end.stdout).expect("text"));
    secret(&world, "acme", "token-4");
    let path = set(&world, "nordpass", "", &[&world]);
    let end = output(world.command(&["organizations", "check", "--connect", &path])).await;
    assert!(end.status.success(), "{}", said(&end));
    let end = output(world.command(&["organizations", "list", "--json", &path])).await;
    let listed: serde_json::Value = serde_json::from_slice(&end.stdout).expect("one line of JSON");
    assert_eq!((&listed["name"], &listed["state"]), (&"acme".into(), &"acme".into()));
    let end = once(&world, &path).await;
    assert!(end.status.success(), "{}", said(&end));
    assert!(!Path::new(&world.folder.path().join("archive/acme-_none.ndjson")).exists(), "nothing is sent twice");
    assert_eq!(lines(&world, "events.ndjson"), EVENTS);
}

/// A wrong entry is told by line and key, and keeps only its own organization out.
#[tokio::test(flavor = "multi_thread")]
async fn check_fails_for_an_entry_that_run_leaves_out() {
    let world = nordpass(5).await;
    let path = set(&world, "nordpass", "", &[&world]);
    let wrong = "[beta]\nid = \"c-2\"\ntoken = \"nowhere\"\n";
    world.pipeline("organizations.toml", &format!("{}{wrong}", entry("acme", &world)));
    secret(&world, "acme", "token-5");
    let end = output(world.command(&["organizations", "check", &path])).await;
    let words = said(&end);
    assert_eq!(end.status.code(), Some(1), "{words}");
    assert!(words.contains("organizations.toml:9:9 (beta.token)") && words.contains("1 more aren't read"), "{words}");
    let end = once(&world, &path).await;
    assert!(end.status.success() && lines(&world, "acme-t1.ndjson") == EVENTS, "{}", said(&end));
}

/// Three organizations of a running set, of which the third one comes and goes.
struct Live {
    worlds: [World; 3],
    port: u16,
    /// How many events each has.
    events: [usize; 3],
}

const NAMES: [&str; 3] = ["acme", "beta", "gamma"];

impl Live {
    async fn start(arguments: &[&str], listed: usize) -> (Self, Process) {
        let worlds = [nordpass(1).await, nordpass(2).await, nordpass(3).await];
        let (port, [acme, beta, gamma]) = (free_port(), &worlds);
        let path = set(acme, "nordpass", "", &[acme, beta, gamma]);
        let text = std::fs::read_to_string(&path).expect("a file");
        acme.pipeline("pipeline.toml", &format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n"));
        for (number, name) in NAMES.iter().enumerate() {
            secret(acme, name, &format!("token-{}", number + 1));
        }
        let live = Self { port, events: [EVENTS; 3], worlds };
        live.list(&live.entries(listed));
        let process = Process::start(live.worlds[0].command(&[&["run"], arguments, &[path.as_str()]].concat()));
        (live, process)
    }

    /// The entries of the first ones.
    fn entries(&self, count: usize) -> String {
        NAMES.iter().zip(&self.worlds).take(count).map(|(name, world)| entry(name, world)).collect()
    }

    /// Puts another list in its place, as editors do.
    fn list(&self, text: &str) {
        let new = self.worlds[0].pipeline("organizations.toml.new", text);
        std::fs::rename(new, self.worlds[0].folder.path().join("organizations.toml")).expect("renames");
    }

    async fn get(&self, path: &str) -> Option<String> {
        let answer = http_client().get(format!("http://127.0.0.1:{}{path}", self.port)).send().await.ok()?;
        answer.text().await.ok()
    }

    /// Waits until this many reloads were applied, to their end.
    async fn reloaded(&self, count: u64) {
        let line = format!("sentinel_config_reloads_total{{outcome=\"applied\"}} {count}\n");
        found(async || self.get("/metrics").await.filter(|metrics| metrics.contains(&line))).await.expect("a reload");
    }

    /// More events of one of them happen.
    fn happen(&mut self, number: usize, count: usize) {
        let mut generator = Generator::new(1_000 + self.events[number] as u64, Options::default());
        generator.organization = Generator::new(number as u64 + 1, Options::default()).organization;
        self.worlds[number].simulation.nordpass.extend(generator.history(now() - 30, now() - 2, count));
        self.events[number] += count;
    }

    async fn arrived(&self, number: usize) {
        let (name, events) = (NAMES[number], self.events[number]);
        until(&format!("{events} events of {name}"), || lines(&self.worlds[0], &format!("{name}-t1.ndjson")) >= events)
            .await;
    }

    fn connections(&self) -> [u64; 3] {
        [0, 1, 2].map(|number| self.worlds[number].servers.nordpass.connections())
    }

    /// Each event of each of them is in its files once.
    async fn is_whole(&self) {
        for (number, name) in NAMES.iter().enumerate() {
            let file = self.worlds[0].folder.path().join(format!("archive/{name}-t1.ndjson"));
            let received = received_in_files(&SystemDisk, &[file]).await.expect("a file");
            let verdict = self.worlds[number].simulation.verdict_on(&received);
            let counts = (verdict.events_delivered, verdict.events_duplicated, verdict.events_lost);
            assert_eq!(counts, (self.events[number] as u64, 0, 0), "{name}: {verdict:?}");
        }
    }
}

/// The list is edited while events flow: one is added, one is removed and comes back, and a wrong entry changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_running_set_is_edited() {
    let (mut live, process) = Live::start(&["--watch"], 2).await;
    live.arrived(0).await;
    live.arrived(1).await;
    assert_eq!(live.connections()[2], 0);

    live.list(&live.entries(3));
    live.reloaded(1).await;
    live.arrived(2).await;

    // One is wrong, and stays as it was; it is named by line and key.
    live.list(&live.entries(3).replace("token = \"beta\"", "token = \"nowhere\""));
    live.reloaded(2).await;
    let ready = live.get("/ready").await.expect("it answers");
    assert!(ready.contains("organizations.toml:10: `token` names no file"), "{ready}");
    for number in 0..3 {
        live.happen(number, 100);
        live.arrived(number).await;
    }

    // One is removed. What happens meanwhile is read when it comes back, and nothing a second time.
    live.list(&live.entries(2));
    live.reloaded(3).await;
    let ready = live.get("/ready").await.expect("it answers");
    assert!(!ready.contains("names no file") && !ready.contains("gamma"), "{ready}");
    let had = lines(&live.worlds[0], "gamma-t1.ndjson");
    for number in 0..3 {
        live.happen(number, 100);
    }
    live.arrived(0).await;
    live.arrived(1).await;
    assert_eq!(lines(&live.worlds[0], "gamma-t1.ndjson"), had);
    live.list(&live.entries(3));
    live.reloaded(4).await;
    live.arrived(2).await;
    let [acme, beta, _] = live.connections();
    assert!(acme.max(beta) <= CONCURRENCY + 1, "the others' connections were kept: {acme} and {beta} were opened");
    assert!(process.terminate().await.success());
    live.is_whole().await;
}

/// A name is no state: the source of the new name waits for the old one, and goes on where that was.
#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_is_renamed_goes_on_where_it_was() {
    let (mut live, process) = Live::start(&[], 3).await;
    for number in 0..3 {
        live.arrived(number).await;
    }
    let renamed = live.entries(3).replace("[gamma]", "[delta]");
    live.list(&renamed);
    process.signal("HUP");
    live.reloaded(1).await;
    live.happen(2, 100);
    until("what happened after it was renamed", || lines(&live.worlds[0], "delta-t1.ndjson") >= 100).await;
    assert!(process.terminate().await.success());
    let archive = |name: &str| lines(&live.worlds[0], &format!("{name}-t1.ndjson"));
    assert_eq!((archive("gamma"), archive("delta")), (EVENTS, 100), "nothing a second time");
}

//! Organizations with a destination of their own: each workspace gets its own organization's rows, and no other one does.

use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};

use crate::support::{ASIM_STREAMS, Process, World, found, free_port, history, http_client, now, output, said, until};

const EVENTS: usize = 300;

/// A NordPass and an Azure for each organization.
async fn organization(seed: u64) -> World {
    let mut options = SimulationOptions { events: history(seed, EVENTS), ..SimulationOptions::default() };
    options.nordpass.token = format!("token-{seed}");
    World::new(options).await
}

/// A set in the folder of the first of them.
struct Set<'w> {
    home: &'w World,
    path: String,
    port: u16,
}

impl<'w> Set<'w> {
    /// `own`: the sink's own endpoint and rule; empty where it has none.
    fn new(own: &str, worlds: &[&'w World]) -> Self {
        let (home, port) = (worlds[0], free_port());
        let nordpass = worlds.iter().map(|world| endpoint(world));
        let allowed: Vec<String> = nordpass.chain(worlds.iter().map(|world| world.servers.ingestion.url())).collect();
        let text = format!(
            r#"
data_dir = "state"
[api]
listen = "127.0.0.1:{port}"
[organizations]
file = "organizations.toml"
secrets_dir = "secrets"
allowed_endpoints = {allowed:?}
[sources.nordpass]
type = "nordpass"
poll_interval = "1s"
lag = "1s"
requests_per_second = 1000
[transforms.asim]
type = "asim"
inputs = ["nordpass"]
[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
{own}
{ASIM_STREAMS}[sinks.sentinel.batch]
timeout = "200ms"
[sinks.sentinel.credential]
kind = "token"
token = "${{AZURE_TOKEN}}"
"#
        );
        let path = home.pipeline("pipeline.toml", &text).display().to_string();
        Self { home, path, port }
    }

    fn secret(&self, name: &str, text: &str) {
        let folder = self.home.folder.path().join("secrets");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), text).expect("writes");
    }

    /// Puts another list in its place, as editors do.
    fn list(&self, entries: &[String]) {
        let new = self.home.pipeline("organizations.toml.new", &entries.concat());
        std::fs::rename(new, self.home.folder.path().join("organizations.toml")).expect("renames");
    }

    fn start(&self) -> Process {
        Process::start(self.home.command(&["run", "--watch", &self.path]))
    }

    async fn get(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = found(async || http_client().get(&url).send().await.ok()?.text().await.ok()).await;
        answer.expect("an answer")
    }

    /// Waits until this many reloads were applied, to their end.
    async fn reloaded(&self, count: u64) {
        let line = format!("sentinel_config_reloads_total{{outcome=\"applied\"}} {count}\n");
        found(async || self.get("/metrics").await.contains(&line).then_some(())).await.expect("a reload");
    }
}

fn azure_token(world: &World) -> String {
    let found = world.variables().into_iter().find(|(name, _)| *name == "AZURE_TOKEN");
    found.expect("a token").1
}

fn endpoint(world: &World) -> String {
    format!("{}{}", world.servers.nordpass.url(), world.simulation.nordpass.settings.path)
}

/// An entry whose records go to the sink's own destination.
fn entry(name: &str, world: &World) -> String {
    format!("[{name}]\nid = \"c-{name}\"\nendpoint = \"{}\"\ntoken = \"{name}\"\n", endpoint(world))
}

/// One whose records go to this world's Azure, with a token from the folder of secrets.
fn entry_with_destination(name: &str, world: &World) -> String {
    format!(
        "{}[{name}.destination]\nendpoint = \"{}\"\ndcr_immutable_id = \"{}\"\n\
         credential = {{ kind = \"token\", token = \"{name}-azure\" }}\n",
        entry(name, world),
        world.servers.ingestion.url(),
        world.simulation.ingestion.settings.dcr.immutable_id,
    )
}

/// How many of a world's own events have arrived at its own Azure.
fn arrived(world: &World) -> u64 {
    world.simulation.verdict().events_delivered
}

/// Each event of the world's organization is in its workspace once, but for those that went `elsewhere`, and nothing else is.
fn has_its_own_and_nothing_else(world: &World, events: usize, elsewhere: u64) {
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated, verdict.events_unknown);
    assert_eq!(counts, (events as u64, elsewhere, 0, 0), "{verdict:?}");
}

/// More events of one of them happen.
fn happen(world: &World, seed: u64, count: usize) {
    let mut generator = Generator::new(1_000 * count as u64 + seed, Options::default());
    generator.organization = Generator::new(seed, Options::default()).organization;
    world.simulation.nordpass.extend(generator.history(now() - 30, now() - 2, count));
}

/// One has a destination, one has another whose token is refused, one has the sink's own.
#[tokio::test(flavor = "multi_thread")]
async fn each_workspace_gets_its_own_organization_and_one_that_refuses_waits_alone() {
    let (home, acme, beta) = (organization(1).await, organization(2).await, organization(3).await);
    let own = "endpoint = \"${DATA_COLLECTION_ENDPOINT}\"\ndcr_immutable_id = \"${DCR_IMMUTABLE_ID}\"";
    let set = Set::new(own, &[&home, &acme, &beta]);
    for (name, text) in [("home", "token-1"), ("acme", "token-2"), ("beta", "token-3"), ("beta-azure", "refused")] {
        set.secret(name, text);
    }
    set.secret("acme-azure", &azure_token(&acme));
    set.list(&[entry("home", &home), entry_with_destination("acme", &acme), entry_with_destination("beta", &beta)]);
    let process = set.start();
    until("the events of the two that work", || arrived(&home) == EVENTS as u64 && arrived(&acme) == EVENTS as u64)
        .await;
    assert_eq!(arrived(&beta), 0);

    // It waits for its token, named beside the sink that stands for all; the others go on.
    found(async || set.get("/ready").await.contains("sentinel@beta").then_some(())).await.expect("it waits");
    happen(&home, 1, 100);
    happen(&acme, 2, 100);
    until("what happens meanwhile", || arrived(&home) == EVENTS as u64 + 100 && arrived(&acme) == EVENTS as u64 + 100)
        .await;
    assert_eq!(arrived(&beta), 0);

    // The token is read again: no restart.
    set.secret("beta-azure", &azure_token(&beta));
    until("the events of the third one", || arrived(&beta) == EVENTS as u64).await;

    // One loses its destination at a reload: what happens from then on goes to the sink's own.
    set.list(&[entry("home", &home), entry_with_destination("acme", &acme), entry("beta", &beta)]);
    set.reloaded(1).await;
    let before = home.simulation.verdict().events_unknown;
    happen(&beta, 3, 50);
    until("them elsewhere", || home.simulation.verdict().events_unknown == before + 50).await;
    assert_eq!(before, 0, "until then it had its own and nothing else");

    // A wrong destination keeps the organization as it was: its records go where they went.
    let wrong = entry_with_destination("acme", &acme).replace("dcr-", "dcx-");
    set.list(&[entry("home", &home), wrong, entry("beta", &beta)]);
    set.reloaded(2).await;
    let ready = set.get("/ready").await;
    assert!(ready.contains("this isn't the immutable id of a data collection rule"), "{ready}");
    happen(&acme, 2, 70);
    until("its own events", || arrived(&acme) == EVENTS as u64 + 170).await;
    assert!(process.terminate().await.success());
    has_its_own_and_nothing_else(&acme, EVENTS + 170, 0);
    has_its_own_and_nothing_else(&beta, EVENTS, 50);
}

/// The sink has no destination of its own: an organization without one isn't read.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_for_all_each_organization_needs_its_own() {
    let (home, acme) = (organization(1).await, organization(2).await);
    let set = Set::new("", &[&home, &acme]);
    set.secret("home", "token-1");
    set.secret("acme", "token-2");
    set.secret("acme-azure", &azure_token(&acme));
    set.list(&[entry("home", &home), entry_with_destination("acme", &acme)]);
    let checked = output(home.command(&["organizations", "check", "--connect", &set.path])).await;
    let words = said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{words}");
    assert!(words.contains("an organization has no `destination`, and `sentinel` has none for all"), "{words}");
    assert!(words.contains("organization acme:") && words.contains("Azure accepts rows for 3 streams"), "{words}");
    let process = set.start();
    until("the events of the one that has", || arrived(&acme) == EVENTS as u64).await;
    assert!(process.terminate().await.success());
    has_its_own_and_nothing_else(&acme, EVENTS, 0);
    assert_eq!(home.simulation.verdict().rows.values().sum::<u64>(), 0);
}

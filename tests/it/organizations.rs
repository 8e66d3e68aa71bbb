//! Many organizations from one file: each is read with its own token, and keeps its own state.

use std::path::Path;
use std::process::Output;

use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};

use crate::support::{Process, World, history, now, output, said, until};

const EVENTS: usize = 300;

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

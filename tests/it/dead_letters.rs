//! `dead-letters` from end to end: refused, listed, shown, sent again, once.

use std::sync::Arc;

use nordpass_env::SystemClock;
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::server::{Server, ServerOptions};
use serde_json::Value;

use crate::support::{Process, World, history, output, said, until, until_amid_events};

const EVENTS: usize = 300;

/// A world that has refused one of its events; the pipeline's path, and the event's probe.
async fn refused(events: usize) -> (World, String, String) {
    let events = history(21, events);
    let probe = events[events.len() / 2].probe().expect("a probe").to_string();
    let world = World::new(SimulationOptions { events, ..SimulationOptions::default() }).await;
    world.simulation.ingestion.set_poison(Some(&probe));
    let pipeline = world.both().display().to_string();
    let process = Process::start(world.command(&["run", &pipeline]));
    let letters = world.folder.path().join("state/dead-letters/sentinel.ndjson");
    until_amid_events(&world, "the dead letter", || letters_in(std::fs::read(&letters).ok())).await;
    until("all but the refused one to arrive", || all_but_one(&world)).await;
    assert!(process.terminate().await.success());
    (world, pipeline, probe)
}

/// Whether a whole letter is there.
fn letters_in(file: Option<Vec<u8>>) -> bool {
    file.is_some_and(|text| text.ends_with(b"\n"))
}

fn all_but_one(world: &World) -> bool {
    world.simulation.verdict().events_delivered == world.simulation.nordpass.world().total() - 1
}

async fn dead_letters(world: &World, arguments: &[&str], code: i32) -> String {
    let end = output(world.command(&[&["dead-letters"], arguments].concat())).await;
    assert_eq!(end.status.code(), Some(code), "{arguments:?}: {}", said(&end));
    String::from_utf8(end.stdout).expect("UTF-8")
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_listed_shown_and_sent_again_once() {
    let (world, pipeline, probe) = refused(EVENTS).await;
    let requests = || world.simulation.ingestion.totals().requests;

    let table = dead_letters(&world, &["list", &pipeline], 0).await;
    assert!(table.contains("sentinel") && table.contains("400") && table.contains("InvalidRequestBody"), "{table}");
    let listed = json(&dead_letters(&world, &["list", &pipeline, "--json"], 0).await);
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["component"], &listed[0]["status"]), (&"sentinel".into(), &400.into()));
    assert!(listed[0].get("record").is_none() && !table.contains(&probe), "no payload is listed");
    let id = listed[0]["id"].as_str().expect("an id");

    let shown = json(&dead_letters(&world, &["show", &pipeline, &id[..8], "--json"], 0).await);
    assert_eq!(shown[0]["record"]["AdditionalFields"]["probe"], probe.as_str());
    assert_eq!(shown[0]["record"]["EventOriginalUid"], id);
    assert!(dead_letters(&world, &["show", &pipeline, id], 0).await.contains(&probe));

    // Azure hasn't changed its mind.
    let told = json(&dead_letters(&world, &["resend", &pipeline, &id[..6], "--json"], 1).await);
    assert_eq!((&told[0]["result"], &told[0]["status"]), (&"refused".into(), &400.into()));
    assert!(dead_letters(&world, &["list", &pipeline], 0).await.contains("refused again"));

    world.simulation.ingestion.set_poison(None);
    let told = dead_letters(&world, &["resend", &pipeline, "--all"], 0).await;
    assert!(told.contains("accepted"), "{told}");
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (world.simulation.nordpass.world().total(), 0, 0), "{verdict:?}");

    // Once is once: by --all, by name, and by the pipeline itself.
    let before = requests();
    dead_letters(&world, &["resend", &pipeline, "--all"], 0).await;
    assert!(dead_letters(&world, &["resend", &pipeline, id], 0).await.contains("resent before"));
    assert_eq!(requests(), before);
    let end = output(world.command(&["run", &pipeline, "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(world.simulation.verdict().events_duplicated, 0);

    assert_eq!(dead_letters(&world, &["list", &pipeline], 0).await, "no dead letters\n");
    let all = json(&dead_letters(&world, &["list", &pipeline, "--all", "--json"], 0).await);
    assert_eq!(all[0]["resend"]["state"], "resent");

    // Who insists gets a second copy.
    dead_letters(&world, &["resend", &pipeline, id, "--force"], 0).await;
    assert_eq!(world.simulation.verdict().events_duplicated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_sent_while_the_pipeline_runs_and_an_outage_is_waited_for_only_so_long() {
    let (world, pipeline, _) = refused(EVENTS).await;
    let _running = Process::start(world.command(&["run", &pipeline]));
    let polls = world.simulation.log().count();
    until("the pipeline to poll", || world.simulation.log().count() > polls).await;
    world.simulation.ingestion.set_poison(None);
    world.simulation.ingestion.set_forbidden(true);
    let told = json(&dead_letters(&world, &["resend", &pipeline, "--all", "--timeout", "100ms", "--json"], 1).await);
    assert_eq!(told[0]["result"], "not accepted");
    assert!(told[0]["reason"].as_str().expect("words").contains("Monitoring Metrics Publisher"), "{told:?}");
    world.simulation.ingestion.set_forbidden(false);
    let told = json(&dead_letters(&world, &["resend", &pipeline, "--all", "--json"], 0).await);
    assert_eq!(told[0]["result"], "accepted");
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_lost, verdict.events_duplicated), (0, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_could_not_read_stays_and_mistakes_are_explained() {
    let world = World::new(SimulationOptions::default()).await;
    let text = "data_dir = \"state\"\n[sources.recorded]\ntype = \"file\"\npaths = [\"odd.ndjson\"]\n\
                [sinks.nowhere]\ntype = \"blackhole\"\ninputs = [\"recorded\"]\n";
    let pipeline = world.pipeline("odd.toml", text).display().to_string();
    let lines = format!("{}\n[1, 2]\n", history(21, 1)[0].json());
    std::fs::write(world.folder.path().join("odd.ndjson"), lines).expect("writes");
    assert_eq!(dead_letters(&world, &["list", &pipeline], 0).await, "no dead letters\n");
    assert_eq!(dead_letters(&world, &["list", &pipeline, "--json"], 0).await, "");
    let end = output(world.command(&["run", &pipeline, "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let listed = json(&dead_letters(&world, &["list", &pipeline, "--json"], 0).await);
    let id = listed[0]["id"].as_str().expect("an id");
    assert!(dead_letters(&world, &["resend", &pipeline, id], 1).await.contains("isn't a JSON object"));
    assert!(dead_letters(&world, &["resend", &pipeline, "--all"], 0).await.contains("can't be resent"));

    for (arguments, hint) in [
        (&["show", &pipeline, "abcdef"][..], "dead-letters list"),
        (&["show", &pipeline, &id[..5]], "at least the first 6"),
        (&["show", &pipeline], "give at least"),
        (&["resend", &pipeline], "--all"),
        (&["resend", &pipeline, id, "--all"], "--all"),
        (&["resend", id], "pipeline files first"),
    ] {
        let end = output(world.command(&[&["dead-letters"], arguments].concat())).await;
        assert_eq!(end.status.code(), Some(2), "{arguments:?}: {}", said(&end));
        let words = String::from_utf8_lossy(&end.stderr).into_owned();
        assert!(words.contains("hint:") && words.contains(hint), "{arguments:?}: {words}");
    }
}

/// A container app loses its disk with its replica: the letters are in the storage account, and every machine with the
/// credential sends them.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_shared_checkpoint_letters_outlive_the_disk_of_their_process() {
    let events = history(21, EVENTS);
    let probe = events[EVENTS / 2].probe().expect("a probe").to_string();
    let world = World::new(SimulationOptions { events, ..SimulationOptions::default() }).await;
    let clock = Arc::new(SystemClock);
    let account = Server::start(world.simulation.gate(world.simulation.blobs.clone()), clock, ServerOptions::default())
        .await
        .expect("listens");
    world.simulation.ingestion.set_poison(Some(&probe));
    let both = std::fs::read_to_string(world.both()).expect("a file");
    let pipeline = |who: &str| {
        let checkpoint = format!(
            "data_dir = \"{who}\"\n[checkpoint]\nkind = \"azure_blob\"\nendpoint = \"{}\"\nprefix = \"one\"\nlease = \"20s\"\n\
             [checkpoint.credential]\nkind = \"token\"\ntoken = \"${{AZURE_TOKEN}}\"\n",
            account.url()
        );
        let text = both.replace("data_dir = \"state\"", &checkpoint);
        world.pipeline(&format!("{who}.toml"), &text).display().to_string()
    };
    let (first, second) = (pipeline("first"), pipeline("second"));
    let process = Process::start(world.command(&["run", &first]));
    let blob = || world.simulation.blobs.content("nordpass-sentinel", "one/dead-letters/sentinel.ndjson");
    until_amid_events(&world, "the dead letter", || letters_in(blob())).await;
    until("all but the refused one to arrive", || all_but_one(&world)).await;
    process.kill();
    std::fs::remove_dir_all(world.folder.path().join("first")).expect("its disk is gone");

    let listed = json(&dead_letters(&world, &["list", &second, "--json"], 0).await);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let id = listed[0]["id"].as_str().expect("an id");
    let shown = json(&dead_letters(&world, &["show", &second, id, "--json"], 0).await);
    assert_eq!(shown[0]["record"]["AdditionalFields"]["probe"], probe.as_str());

    // A second process takes over and meets the record again or not: the letter stays one.
    let end = output(world.command(&["run", &second, "--once", "--timeout", "600s"])).await;
    let settled = end.status.success() || said(&end).contains("until Azure takes it");
    assert!(settled, "{}", said(&end));
    assert_eq!(json(&dead_letters(&world, &["list", &second, "--json"], 0).await).len(), 1);

    world.simulation.ingestion.set_poison(None);
    dead_letters(&world, &["resend", &second, "--all"], 0).await;
    assert_eq!(world.simulation.verdict().events_lost, 0);
    assert_eq!(dead_letters(&world, &["list", &second], 0).await, "no dead letters\n");
    assert!(!world.folder.path().join("second/dead-letters").exists(), "nothing of it is on a disk");
    // Without its role, it says which.
    world.simulation.blobs.set_forbidden(true);
    let end = output(world.command(&["dead-letters", "list", &second])).await;
    assert!(end.status.code() == Some(1) && said(&end).contains("Storage Blob Data Contributor"), "{}", said(&end));
}

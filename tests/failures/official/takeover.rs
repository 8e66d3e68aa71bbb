//! Taking over from the official connector: nothing lost, nothing doubled without a mark, and each odd cursor told.

use std::collections::BTreeMap;

use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::ingestion::IMMUTABLE_ID;
use nordpass_simulator::{Endpoint, SimulatedEvent, Simulation};
use serde_json::{Value, json};

use super::connector::{CONTAINER, CURSOR, Official, TABLE, TOKEN};
use crate::rig::{DAY, HOUR, INGESTION, MINUTE, Rig, START, event, keeping, pass};

/// Into the official table, the state beside the official connector's.
fn drop_in() -> String {
    format!(
        r#"
data_dir = "data"

[checkpoint]
kind = "azure_blob"
endpoint = "{blob}"
[checkpoint.credential]
kind = "token"
token = "{TOKEN}"
[checkpoint.takeover]

[sources.nordpass]
type = "nordpass"
endpoint = "{nordpass}"
token = "simulated-nordpass-token"

[transforms.event_log]
type = "event_log"
inputs = ["nordpass"]

[sinks.sentinel]
type = "sentinel"
inputs = ["event_log"]
endpoint = "https://{INGESTION}"
dcr_immutable_id = "{IMMUTABLE_ID}"
[sinks.sentinel.streams]
event_log = "Custom-{TABLE}"
[sinks.sentinel.credential]
kind = "token"
token = "{TOKEN}"
"#,
        blob = Simulation::BLOB_URL,
        nordpass = Simulation::NORDPASS_URL,
    )
}

fn rig(events: Vec<SimulatedEvent>) -> Rig {
    let mut rig = Rig::new(keeping(events));
    rig.simulation.entra.tokens.accept(TOKEN);
    rig.text = drop_in();
    rig
}

/// Who delivered an event, and how this program's row is marked.
#[derive(Debug, Default)]
struct Arrived {
    theirs: u64,
    ours: u64,
    mark: Option<String>,
}

/// The rows of the table, by probe. Only this program's have an event id.
fn arrived(rig: &Rig) -> BTreeMap<String, Arrived> {
    let mut arrived: BTreeMap<String, Arrived> = BTreeMap::new();
    for row in rig.simulation.ingestion.table(TABLE).kept {
        let row: Value = serde_json::from_str(&row).expect("JSON");
        let metadata = match &row["metadata"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON"),
            value => value.clone(),
        };
        let entry = arrived.entry(metadata["probe"].as_str().expect("a probe").to_owned()).or_default();
        if row["event_id"].is_null() {
            entry.theirs += 1;
        } else {
            entry.ours += 1;
            entry.mark = metadata["connector"]["delivered_before"].as_str().map(str::to_owned);
        }
    }
    arrived
}

fn count(arrived: &BTreeMap<String, Arrived>, which: impl Fn(&Arrived) -> bool) -> usize {
    arrived.values().filter(|arrived| which(arrived)).count()
}

/// The official connector runs every minute, and its last run fails after a page is uploaded: that page's events are after
/// its cursor. Events keep happening, some in the second of the cursor, some that NordPass shows minutes late, which the
/// official connector never sees. Then this program takes over.
#[tokio::test(start_paused = true)]
async fn taking_over_loses_nothing_and_doubles_nothing_without_a_mark() {
    let late = Options { late: 0.3, late_by: 400, twins: 0.0, ..Options::default() };
    // What the official connector has lost long before the switch, nobody can tell from its cursor.
    let prompt = Options { twins: 0.0, ..Options::default() };
    let mut doubled = (0, 0);
    for seed in 1..=4_u64 {
        let switch = 40 * MINUTE;
        let mut events = Generator::new(seed, prompt.clone()).history(START - DAY, START - MINUTE, 300);
        events.extend(Generator::new(seed + 10, prompt.clone()).live(START, START + switch - 9 * MINUTE, 0.2));
        events.extend(Generator::new(seed + 20, late.clone()).live(
            START + switch - 9 * MINUTE,
            START + switch + HOUR,
            0.4,
        ));
        let all = events.len() as u64;
        let mut rig = rig(events);
        let official = Official::new(&rig);
        for _ in 0..switch / MINUTE {
            assert_eq!(official.run(&rig).await, Ok(()));
            pass(MINUTE - rig.now() % MINUTE).await;
        }
        let cursor = official.cursor().expect("a cursor");
        // The last run uploads its first page and fails at the second.
        let extra: Vec<_> =
            (0..130).map(|n| event(cursor + n % 3, &format!("at the cursor {seed} {n}"), &json!({}))).collect();
        rig.simulation.nordpass.extend(extra);
        let when = When { endpoint: Some(Endpoint::Ingestion), nth: vec![2], ..When::default() };
        rig.simulation.faults.add(Fault::new(when, Effect::ResetBefore));
        assert!(official.run(&rig).await.is_err());
        rig.simulation.faults.clear();
        assert_eq!(official.cursor(), Some(cursor));
        pass(2 * MINUTE).await;

        let life = rig.start();
        pass(30 * MINUTE).await;
        // A restart in the middle: what is marked is kept in the state.
        rig.stop(life).await;
        let life = rig.start();
        pass(2 * HOUR).await;
        rig.stop(life).await;

        let arrived = arrived(&rig);
        assert_eq!(arrived.len() as u64, all + 130, "nothing is lost");
        let unmarked = count(&arrived, |event| event.theirs > 0 && event.ours > 0 && event.mark.is_none());
        assert_eq!(unmarked, 0, "nothing is doubled without a mark");
        assert_eq!(count(&arrived, |event| event.ours > 1), 0, "nothing of ours is doubled");
        let theirs_lost = count(&arrived, |event| event.theirs == 0 && event.mark.as_deref() == Some("likely"));
        assert!(theirs_lost > 0, "late events before the cursor, which only this program has found");
        let marked = |mark: &str| count(&arrived, |event| event.theirs > 0 && event.mark.as_deref() == Some(mark));
        doubled = (doubled.0 + marked("likely"), doubled.1 + marked("possible"));
        // The mark ends: it isn't on everything for ever.
        assert!(count(&arrived, |event| event.theirs == 0 && event.mark.is_none()) > 50);
        assert_eq!(official.cursor(), Some(cursor), "its blob is left alone");
    }
    assert!(doubled.0 > 100 && doubled.1 > 100, "there was something to mark: {doubled:?}");
}

/// Events that NordPass shows hours late are lost to the official connector. With a longer overlap they are found.
#[tokio::test(start_paused = true)]
async fn a_longer_overlap_finds_what_the_official_connector_lost_before() {
    let hours_late = |at: i64| event(START + at, &format!("at {at}"), &json!({})).visible_at(START + at + 3 * HOUR);
    for (overlap, found) in [("", 0), ("overlap = \"6h\"", 3)] {
        let mut rig = rig([10, 600, 1_200].map(hours_late).to_vec());
        rig.text = rig.text.replace("[checkpoint.takeover]", &format!("[checkpoint.takeover]\n{overlap}"));
        let official = Official::new(&rig);
        for _ in 0..6 {
            pass(30 * MINUTE).await;
            assert_eq!(official.run(&rig).await, Ok(()));
        }
        pass(HOUR).await;
        let life = rig.start();
        pass(HOUR).await;
        rig.stop(life).await;
        let arrived = arrived(&rig);
        assert_eq!(count(&arrived, |event| event.ours == 1), found, "{overlap}: {arrived:?}");
        assert_eq!(count(&arrived, |event| event.theirs > 0), 0, "the official connector never saw them");
    }
}

/// The way back: the official connector goes on from its own cursor, which nobody has touched.
#[tokio::test(start_paused = true)]
async fn the_way_back_is_open() {
    let prompt = Options { twins: 0.0, ..Options::default() };
    let events = Generator::new(5, prompt).live(START, START + 3 * HOUR, 0.05);
    let all = events.len();
    let mut rig = rig(events);
    let official = Official::new(&rig);
    pass(HOUR).await;
    assert_eq!(official.run(&rig).await, Ok(()));
    let life = rig.start();
    pass(HOUR).await;
    rig.stop(life).await;
    pass(HOUR + 10 * MINUTE).await;
    assert_eq!(official.run(&rig).await, Ok(()));
    let arrived = arrived(&rig);
    assert_eq!(arrived.len(), all, "nothing is lost");
    assert_eq!(count(&arrived, |event| event.theirs == 0), 0, "it has read again what this program had");
}

/// In the ASIM tables the mark is an entry of `AdditionalFields`.
#[tokio::test(start_paused = true)]
async fn rows_of_asim_are_marked_too() {
    let events = [-700, -500, 0, 1, 400].map(|at| event(START + at, &format!("at {at}"), &json!({})));
    let mut rig = Rig::new(keeping(events.to_vec()));
    rig.simulation.entra.tokens.accept(TOKEN);
    let checkpoint =
        drop_in().split("[sources.nordpass]").next().expect("a beginning").replace("data_dir = \"data\"", "");
    rig.text = format!("{}{checkpoint}", rig.text);
    put_cursor(&rig, &START.to_be_bytes());
    pass(60).await;
    let life = rig.start();
    pass(20 * MINUTE).await;
    rig.stop(life).await;
    let mark = |at: i64| rig.row(&format!("at {at}"))["AdditionalFields"]["DeliveredBefore"].clone();
    assert_eq!(
        [mark(-500), mark(0), mark(1), mark(400)],
        [json!("likely"), json!("likely"), json!("possible"), Value::Null]
    );
    assert_eq!(rig.rows().len(), 4, "what is before the overlap isn't read");
}

fn put_cursor(rig: &Rig, bytes: &[u8]) {
    let time = jiff::Timestamp::from_second(rig.now()).expect("a time");
    rig.simulation.blobs.put(CONTAINER, CURSOR, bytes, time);
}

/// Each cursor that can't be relied on has its own end: a first run with marks, a gap, an error; never a silent guess.
#[tokio::test(start_paused = true)]
async fn each_odd_cursor_has_its_own_end() {
    let events = || {
        let at = [-80 * DAY, -30 * DAY, -3 * DAY, -2 * HOUR, -5 * MINUTE];
        at.map(|at| event(START + at, &format!("{at}"), &json!({}))).to_vec()
    };
    let everything = [-80 * DAY, -30 * DAY, -3 * DAY, -2 * HOUR, -5 * MINUTE];
    // What is written, and how many of the newest events arrive.
    for (bytes, expected) in [
        (None, 3),
        (Some(Vec::new()), 3),
        (Some((START - 100 * DAY).to_be_bytes().to_vec()), 5),
        (Some((START - 40 * DAY).to_be_bytes().to_vec()), 4),
        (Some((START - HOUR).to_be_bytes().to_vec()), 1),
        (Some((START + 5 * HOUR).to_be_bytes().to_vec()), 1),
        (Some(b"not a cursor".to_vec()), 0),
        (Some(0_i64.to_be_bytes().to_vec()), 0),
    ] {
        let mut rig = rig(events());
        if let Some(bytes) = &bytes {
            put_cursor(&rig, bytes);
        }
        let report = rig.once().await;
        let arrived = arrived(&rig);
        let names: Vec<_> = everything[everything.len() - expected..].iter().map(ToString::to_string).collect();
        assert_eq!(arrived.len(), expected, "{bytes:?}: {arrived:?}");
        assert!(names.iter().all(|name| arrived.contains_key(name)), "{bytes:?}: {arrived:?}");
        assert!(arrived.values().all(|event| event.mark.is_some()), "{bytes:?}: {arrived:?}");
        assert_eq!(report.failures.is_empty(), expected > 0, "{bytes:?}: {report:?}");
    }
}

/// D4: an error while the cursor is read counts as "no cursor", so that seven days arrive again. Here it is waited for.
#[tokio::test(start_paused = true)]
async fn d04_a_cursor_that_cannot_be_read_is_waited_for() {
    let mut rig = rig(vec![event(START - 3 * DAY, "old", &json!({})), event(START - 5 * MINUTE, "new", &json!({}))]);
    put_cursor(&rig, &(START - HOUR).to_be_bytes());
    let body = String::new();
    let effect = Effect::Status { status: StatusCode::FORBIDDEN, body, headers: BTreeMap::new(), retry_after: None };
    let when = When { endpoint: Some(Endpoint::Blob), path: Some(CURSOR.to_owned()), ..When::default() };
    rig.simulation.faults.add(Fault::new(when, effect));
    let life = rig.start();
    pass(HOUR).await;
    assert!(
        life.words("nordpass").contains("can't read the official connector's cursor"),
        "{}",
        life.words("nordpass")
    );
    assert!(rig.requests(Endpoint::Nordpass).is_empty(), "nothing is asked before that is known");
    rig.simulation.faults.clear();
    pass(5 * MINUTE).await;
    rig.stop(life).await;
    assert_eq!(arrived(&rig).keys().collect::<Vec<_>>(), ["new"]);
}

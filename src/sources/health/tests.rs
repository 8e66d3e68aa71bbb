use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::component::Input;
use crate::event::Chunk;
use crate::http::SystemNetwork;
use crate::state::MemoryStore;
use crate::telemetry::{ComponentReporter, TokenState};
use nordpass_env::catalogue::{ColumnType, HEALTH_TABLE, columns};
use nordpass_env::{MemoryDisk, SeededRandom, TestClock};

const MINUTE: Duration = Duration::from_secs(60);

struct Rig {
    telemetry: Telemetry,
    inputs: Vec<Input>,
    task: tokio::task::JoinHandle<Result<(), ComponentError>>,
    signal: CancellationToken,
}

/// The source with so many readers, each with room for one chunk.
fn rig(readers: usize, once: bool) -> Rig {
    let telemetry = Telemetry::new();
    let clock = Arc::new(TestClock::starting_at(Timestamp::from_second(1_800_000_000).expect("a time")));
    telemetry.set_clock(clock.clone());
    let component = telemetry.component(ComponentKind::Source, "health");
    component.set_type(TYPE.name);
    telemetry.component(ComponentKind::Source, "nordpass").set_type("nordpass");
    telemetry.component(ComponentKind::Transform, "asim");
    telemetry.component(ComponentKind::Sink, "sentinel");
    let signal = CancellationToken::new();
    let shutdown = signal.clone();
    let env = Env {
        clock,
        random: Arc::new(SeededRandom::new(1)),
        disk: Arc::new(MemoryDisk::new()),
        network: Arc::new(SystemNetwork::default()),
    };
    let dead_letters = Arc::new(crate::dead_letters::DeadLetterFolder::new(env.disk.clone(), "/data".as_ref()));
    let context = Context {
        name: "health".into(),
        env,
        telemetry: component.clone(),
        data_dir: "/data".into(),
        store: Arc::new(MemoryStore::default()),
        dead_letters,
        shutdown,
        once,
    };
    let (senders, inputs): (Vec<_>, Vec<_>) = (0..readers).map(|_| Input::with_capacity(1)).unzip();
    let output = Output::new(senders, component);
    let settings = Settings { interval: MINUTE, instance: None };
    let task = tokio::spawn(settings.build(&telemetry).run(context, output));
    Rig { telemetry, inputs, task, signal }
}

fn rows(chunk: &Chunk) -> HashMap<String, Value> {
    let parse = |record| serde_json::from_str::<Value>(chunk.body(record)).expect("JSON");
    let rows = chunk.records.iter().map(parse);
    rows.map(|row| (row["Component"].as_str().expect("a name").to_owned(), row)).collect()
}

impl Rig {
    fn sink(&self) -> ComponentReporter {
        self.telemetry.component(ComponentKind::Sink, "sentinel")
    }

    /// Takes a reader's next chunk and acknowledges it.
    async fn next(&mut self, reader: usize) -> HashMap<String, Value> {
        let (_, chunk) = self.inputs[reader].receive().await.expect("a round");
        let rows = rows(&chunk);
        chunk.ack.done();
        rows
    }
}

#[tokio::test(start_paused = true)]
async fn each_component_has_one_row_an_interval() {
    let mut rig = rig(1, false);
    let began = tokio::time::Instant::now();
    let mut times = Vec::new();
    for round in 0..10u64 {
        let rows = rig.next(0).await;
        assert_eq!(began.elapsed(), MINUTE * u32::try_from(round).expect("few"));
        let mut names: Vec<_> = rows.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["health", "nordpass", "sentinel"], "sources and sinks");
        times.push(rows["nordpass"]["TimeGenerated"].as_str().expect("a time").to_owned());
    }
    times.dedup();
    assert_eq!((times.len(), times[1].as_str()), (10, "2027-01-15T08:01:00.000Z"));
    rig.signal.cancel();
    rig.next(0).await;
    assert_eq!(rig.task.await.expect("no panic"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn rows_have_the_tables_columns_and_nothing_empty() {
    let mut rig = rig(1, false);
    let source = rig.telemetry.component(ComponentKind::Source, "nordpass");
    source.status().working();
    source.token(TokenState::Valid);
    source.set(&metrics::CURSOR_SECONDS, 1_799_999_990.0);
    source.add(&metrics::RECEIVED, 7);
    source.add(&metrics::PAGES, 1);
    source.add(&metrics::GAPS, 1);
    source.gap(1_790_000_000..1_790_003_600);
    let sink = rig.sink();
    sink.add(&metrics::SENT, 5);
    sink.add(&metrics::BYTES_JSON, 500);
    sink.add(&metrics::BYTES_WIRE, 50);
    sink.add_labelled(&metrics::ERRORS, "forbidden", 3);
    let since = Timestamp::from_second(1_799_999_000).expect("a time");
    sink.status().trying_again("403: give the identity its role", Duration::from_secs(40), since);
    let rows = rig.next(0).await;
    let types: HashMap<&str, ColumnType> = columns(HEALTH_TABLE).iter().copied().collect();
    let mut seen = std::collections::HashSet::new();
    for (name, value) in rows.values().flat_map(|row| row.as_object().expect("an object")) {
        seen.insert(name.clone());
        let good = match types.get(name.as_str()).expect("a column of the table") {
            ColumnType::String => value.as_str().is_some_and(|text| !text.is_empty()),
            ColumnType::Long | ColumnType::Int => value.is_u64(),
            ColumnType::Real => value.is_number(),
            ColumnType::Datetime => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            ColumnType::Dynamic | ColumnType::Boolean => false,
        };
        assert!(good, "{name}: {value}");
    }
    assert_eq!(seen.len(), types.len(), "every column is used: {seen:?}");
    let (source, sink) = (&rows["nordpass"], &rows["sentinel"]);
    assert_eq!((&source["LagSeconds"], &source["Events"], &source["Gaps"]), (&10.0.into(), &7.into(), &1.into()));
    assert_eq!(
        (&source["GapFrom"], &source["GapTo"]),
        (&"2026-09-21T14:13:20.000Z".into(), &"2026-09-21T15:13:20.000Z".into())
    );
    assert_eq!((&source["State"], &source["TokenState"]), (&"working".into(), &"valid".into()));
    assert_eq!(source["Cursor"], "2027-01-15T07:59:50.000Z");
    assert!(source.get("Rows").is_none() && source.get("Reason").is_none() && sink.get("Cursor").is_none());
    assert_eq!((&sink["State"], &sink["Reason"]), (&"waiting".into(), &"403: give the identity its role".into()));
    assert_eq!(sink["WaitingSince"], "2027-01-15T07:43:20.000Z");
    assert_eq!(sink["NextTry"], "2027-01-15T07:44:00.000Z");
    assert_eq!((&sink["Rows"], &sink["Bytes"], &sink["BytesWire"]), (&5.into(), &500.into(), &50.into()));
    assert_eq!((&sink["Errors"], &sink["LastErrorKind"]), (&3.into(), &"forbidden".into()));
    rig.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_reader_blocks_no_other_and_then_gets_the_latest() {
    let mut rig = rig(2, false);
    let (_, held) = rig.inputs[0].receive().await.expect("a round");
    for _ in 0..10 {
        rig.next(1).await;
    }
    assert!(rig.inputs[0].try_receive().is_none(), "one round under way, not more");
    rig.sink().status().waiting("no connection", Timestamp::UNIX_EPOCH);
    tokio::time::sleep(Duration::from_secs(90)).await;
    held.ack.done();
    let began = tokio::time::Instant::now();
    let latest = rig.next(0).await;
    assert!(began.elapsed().is_zero(), "what was missed is made good at once");
    assert_eq!(latest["sentinel"]["Reason"], "no connection");
    // A round that is dropped isn't repeated, and doesn't stop the next one.
    drop(rig.inputs[0].receive().await.expect("the next round"));
    rig.next(0).await;
    rig.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_stuck_does_not_hold_up_the_end() {
    let mut rig = rig(1, false);
    let (_, _held) = rig.inputs[0].receive().await.expect("a round");
    tokio::time::sleep(MINUTE * 3).await;
    rig.signal.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(1), rig.task).await;
    assert_eq!(ended.expect("at once").expect("no panic"), Ok(()));
    assert!(rig.inputs[0].receive().await.is_none(), "a round is under way, so there are no last words");
}

#[tokio::test(start_paused = true)]
async fn once_is_one_round_when_the_other_sources_have_ended() {
    let mut rig = rig(2, true);
    tokio::time::sleep(MINUTE * 10).await;
    assert!(rig.inputs[0].try_receive().is_none());
    rig.telemetry.component(ComponentKind::Source, "nordpass").status().stopped(None);
    for reader in 0..2 {
        assert_eq!(rig.next(reader).await["nordpass"]["State"], "finished");
        assert!(rig.inputs[reader].receive().await.is_none());
    }
    assert_eq!(rig.task.await.expect("no panic"), Ok(()));
}

//! D12 to D18: the official connector's requests, and how it reads the answers.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::judge::decoder;
use nordpass_simulator::{Endpoint, Reply, SimulatedEvent, SimulationOptions};
use serde_json::json;

use crate::rig::{DAY, HOUR, MINUTE, Rig, START, event, history, keeping, pass, question, recorded};

/// A bare status from NordPass.
fn status(status: u16, body: &str) -> Fault {
    let effect = Effect::Status {
        status: StatusCode::from_u16(status).expect("a status"),
        body: body.to_owned(),
        headers: BTreeMap::new(),
        retry_after: None,
    };
    Fault::new(When { endpoint: Some(Endpoint::Nordpass), ..When::default() }, effect)
}

/// D12: no call is tried again, and nothing is waited for: each failure ends the run, and the next one begins a minute
/// later at the full rate. Here an outage is waited out with growing pauses, and nothing is lost or doubled.
#[tokio::test(start_paused = true)]
async fn d12_an_outage_is_waited_out_with_growing_pauses() {
    for code in [429, 500, 503] {
        let mut rig = Rig::new(SimulationOptions { events: history(300), ..SimulationOptions::default() });
        rig.simulation.faults.add(status(code, ""));
        let life = rig.start();
        pass(HOUR).await;
        let times: Vec<i64> =
            rig.requests(Endpoint::Nordpass).iter().map(|request| request.at.as_millisecond()).collect();
        let pauses: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses[0] <= 1_200, "the first is short: {pauses:?}");
        assert!(pauses[10..].iter().all(|pause| (14_000..31_000).contains(pause)), "then they are long: {pauses:?}");
        rig.simulation.faults.clear();
        pass(5 * MINUTE).await;
        rig.stop(life).await;
        rig.assert_exactly_once().await;
    }
}

/// D13: a request may take ten seconds, its answer included, so a page that takes longer fails each time. Here a page that
/// is too slow again and again is asked for in smaller ones.
#[tokio::test(start_paused = true)]
async fn d13_a_page_that_is_too_slow_is_asked_for_in_smaller_ones() {
    let mut rig = Rig::new(SimulationOptions { events: history(600), ..SimulationOptions::default() });
    rig.twist_nordpass(|request, now, nordpass| {
        let mut reply = nordpass.handle(request, now);
        let events = question(request.body())["per_page"].as_u64().unwrap_or(0);
        reply.delay += Duration::from_secs(events);
        reply
    });
    let life = rig.start();
    pass(2 * HOUR).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
    let sizes: Vec<u64> = rig.questions().iter().filter_map(|(_, asked)| asked["per_page"].as_u64()).collect();
    assert!(sizes.contains(&100) && sizes.contains(&25), "it began with 100 and went down to what is fast enough");
}

/// D14: the body of an error is thrown away, and all that is told is its number, so that nobody can tell a bad token from a
/// bad question. Here each kind has words of its own that say what to do, and none of them repeats the body.
#[tokio::test(start_paused = true)]
async fn d14_each_refusal_has_words_that_say_what_to_do() {
    for (code, expected) in [
        (400, "NordPass refuses the query (400)"),
        (401, "Create a new one in the Admin Panel"),
        (403, "Create a new one in the Admin Panel"),
        (404, "check its URL"),
        (429, "NordPass is throttling requests (429)"),
        (503, "NordPass answers 503"),
    ] {
        let mut rig = Rig::new(SimulationOptions { events: history(10), ..SimulationOptions::default() });
        rig.simulation.faults.add(status(code, r#"{"message":"someone@example.com may not"}"#));
        let life = rig.start();
        pass(5 * MINUTE).await;
        let words = life.words("nordpass");
        assert!(words.contains(expected), "{code}: {words}");
        assert!(!words.contains('@') && words.contains(&code.to_string()), "{words}");
        rig.simulation.faults.clear();
        pass(2 * MINUTE).await;
        assert_eq!(life.words("nordpass"), "", "it works again");
        rig.stop(life).await;
        rig.assert_exactly_once().await;
    }
}

/// D15: an answer is read to its end, however long it is, until memory is used up. Here an answer over 32 MiB is refused,
/// and the same events are asked for in smaller pages. The real program before a body without an end is in
/// `tests/it/endless.rs`.
#[tokio::test(start_paused = true)]
async fn d15_an_answer_that_is_too_large_is_asked_for_in_smaller_ones() {
    let mut rig = Rig::new(SimulationOptions { events: history(300), ..SimulationOptions::default() });
    let huge = Bytes::from(vec![b' '; (32 << 20) + 1]);
    let number = Arc::new(AtomicU32::new(0));
    let count = number.clone();
    rig.twist_nordpass(move |request, now, nordpass| {
        let asked = question(request.body())["per_page"].as_u64().unwrap_or(0);
        // Whoever doesn't ask for less gets away in the end, so that the test does end.
        if asked > 30 && count.fetch_add(1, Ordering::Relaxed) < MOST_HUGE {
            return Reply::json(StatusCode::OK, huge.clone());
        }
        nordpass.handle(request, now)
    });
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    let number = number.load(Ordering::Relaxed);
    assert!((1..MOST_HUGE).contains(&number), "{number} answers were huge");
}

/// Two for each slice of a week: with pages of 100 and of 50.
const MOST_HUGE: u32 = 30;

/// D16: a page becomes one upload, not counted and not compressed: a hundred events with long lists of items are over
/// Azure's limit, and are refused for ever. Here batches are closed by their bytes and compressed; none is refused.
#[tokio::test(start_paused = true)]
async fn d16_long_lists_of_items_are_batched_by_bytes_and_compressed() {
    let items =
        |number: u32| (0..900).map(|item| format!("{number:08x}-0000-4000-8000-{item:012x}")).collect::<Vec<_>>();
    let events = (0..200u32).map(|number| {
        event(START - DAY + i64::from(number), &format!("import-{number}"), &json!({"items": items(number)}))
    });
    let mut rig = Rig::new(keeping(events.collect()));
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    let requests = rig.requests(Endpoint::Ingestion);
    for request in &requests {
        assert_eq!(request.status, Some(StatusCode::NO_CONTENT), "{} bytes", request.body_length);
        assert!(request.body_length <= 1 << 20);
    }
    let totals = rig.simulation.ingestion.totals();
    assert!(totals.bytes_json > 5 << 20, "{} bytes of JSON", totals.bytes_json);
    assert!(totals.bytes_received * 4 < totals.bytes_json, "compressed: {} bytes", totals.bytes_received);
    assert!(requests.len() < 12, "{} requests", requests.len());
    let row = rig.row("import-7");
    assert_eq!(row["AdditionalFields"]["items"].as_array().map(Vec::len), Some(900), "nothing was cut");
}

/// D17: one event with another JSON type than expected fails its whole page, each run, for ever. Here each event is decoded
/// for itself: odd ones become rows all the same, and what isn't an event at all becomes a dead letter.
#[tokio::test(start_paused = true)]
async fn d17_an_odd_event_fails_nobody_else() {
    let mut events = history(200);
    for name in ["odd-types", "odd-timestamps", "not-events", "metadata-shapes", "unicode"] {
        events.extend(recorded(name));
    }
    // Those that say another time than the last week's are nobody's to ask for.
    events.retain(|event| (START - 7 * DAY..START).contains(&event.timestamp));
    let with_probe = events.iter().filter(|event| event.probe().is_some()).count() as u64;
    let objects = events.iter().filter(|event| event.json().starts_with('{')).count();
    let no_events = events.len() - objects;
    let mut rig = Rig::new(keeping(events));
    let life = rig.start();
    pass(10 * MINUTE).await;
    rig.stop(life).await;
    let verdict = rig.asim();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated, verdict.events_unknown);
    assert_eq!(counts, (with_probe, 0, 0, 0), "{verdict:?}");
    assert_eq!(
        verdict.rows_without_probe + with_probe,
        objects as u64,
        "those that nobody can recognise arrived as well"
    );
    assert_eq!(rig.dead_letters("nordpass").len(), no_events);
    assert!(rig.dead_letters("sentinel").is_empty(), "Azure took every row");
}

/// D18: fields that the connector doesn't know are dropped, and numbers go through a 64-bit float, so that large ones
/// change. Here both stay as they came, in the row and in the raw file.
#[tokio::test(start_paused = true)]
async fn d18_unknown_fields_and_large_numbers_stay_as_they_came() {
    let event = event(START - DAY, "future", &json!({"serial": 9_007_199_254_740_993_u64, "ratio": 0.1}));
    let json = event.json().replace(
        r#""initiator":"""#,
        r#""initiator":"","tenant_tier":{"name":"gold","seats":12345678901234567890123}"#,
    );
    assert_ne!(json, event.json());
    let mut rig = Rig::new(keeping(vec![SimulatedEvent::from_json(&json, START - DAY)]));
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    let row = &rig.simulation.ingestion.table("ASimAuditEventLogs").kept[0];
    for part in [r#""serial":9007199254740993"#, r#""ratio":0.1"#, r#""name":"gold""#, "12345678901234567890123"] {
        assert!(row.contains(part), "{part} in {row}");
    }
    let archived =
        |path: &PathBuf| path.starts_with("archive") && path.extension().is_some_and(|ending| ending == "gz");
    let path = rig.disk.paths().into_iter().find(archived).expect("a file");
    let (mut text, file) = (String::new(), rig.disk.content(&path).unwrap_or_default());
    decoder(&path, &file).and_then(|mut reader| reader.read_to_string(&mut text)).expect("gzip");
    assert_eq!(text.trim_end(), json, "the raw file has the event as it came");
}

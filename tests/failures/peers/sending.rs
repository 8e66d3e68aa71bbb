//! Failures on the way to Azure.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::StatusCode;
use jiff::Timestamp;
use nordpass_env::mix;
use nordpass_simulator::faults::{Effect, Fault, RetryAfter, When};
use nordpass_simulator::{Endpoint, Reply, SimulatedEvent, SimulationOptions};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rig::{DAY, ENTRA, HOUR, MINUTE, Rig, START, assert_exactly_once, event, history, keeping, pass, until};

/// Text that gzip can't make much shorter.
fn noise(length: usize, seed: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |at: usize| char::from(LETTERS[usize::try_from(mix(seed ^ mix(at as u64)) % 64).unwrap_or(0)]);
    (0..length).map(letter).collect()
}

/// Failure 1 of the peers: a batch over Azure's 1 MB is answered with 413, and then dropped whole or sent again for
/// ever. Here it is halved until Azure takes it; a record that is too large alone becomes a dead letter, and the rest
/// goes on.
#[tokio::test(start_paused = true)]
async fn peers_01_a_413_on_many_rows_halves_until_accepted() {
    let mut events = history(1_500);
    events.push(event(START - 2 * HOUR, "oversize", &json!({"note": noise(50_000, 1)})));
    let mut options = keeping(events);
    options.ingestion.max_body = 20_000;
    let mut rig = Rig::new(options);
    let life = rig.start();
    until("all but the oversize record to arrive", HOUR, || rig.asim().events_delivered == 1_500).await;
    until("the dead letter", MINUTE, || !rig.dead_letters("sentinel").is_empty()).await;
    let refused = rig.requests(Endpoint::Ingestion).into_iter();
    let refused = refused.filter(|request| request.status == Some(StatusCode::PAYLOAD_TOO_LARGE)).count();
    assert!(refused > 3, "several batches were too large: {refused}");

    let letters = rig.dead_letters("sentinel");
    assert_eq!(letters.len(), 1, "only the oversize record");
    assert_eq!(letters[0]["record"]["AdditionalFields"]["probe"], "oversize");
    assert_eq!((&letters[0]["status"], &letters[0]["code"]), (&413.into(), &"ContentLengthLimitExceeded".into()));

    rig.simulation.nordpass.extend(vec![event(rig.now(), "afterwards", &json!({}))]);
    until("the pipeline to go on", 5 * MINUTE, || rig.asim().events_delivered == 1_501).await;
    assert_eq!(rig.asim().events_duplicated, 0);
    rig.stop(life).await;
    assert_exactly_once(&rig.files("archive").await, 1_502, "the files");
}

/// Rows: how long each is, and whether gzip can do anything about it. Of some worlds nothing compresses.
fn rows() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::sample::select(vec![0.0, 0.5, 0.95])
        .prop_flat_map(|share| proptest::collection::vec((0usize..60_000, prop::bool::weighted(share)), 1..160))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Failure 2 of the peers: a batch is measured before compression, or by an estimate, so that it is far smaller than
    /// it could be, or larger than Azure takes. Here no request is over 1 MiB on the wire, whatever the rows and the
    /// batch's size are, and nothing is refused for its size.
    #[test]
    fn peers_02_no_request_is_over_1_mib_whether_or_not_the_rows_compress(
        rows in rows(),
        max_bytes in prop::sample::select(vec![1_000_000, 8_000_000, 50_000_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let events = rows.iter().zip(0u32..).map(|(&(length, compressible), number)| {
                let text = if compressible { "x".repeat(length) } else { noise(length, number.into()) };
                event(START - DAY + i64::from(number), &format!("row-{number}"), &json!({"note": text}))
            });
            let options = SimulationOptions { events: events.collect(), ..SimulationOptions::default() };
            let batch = format!("[sinks.sentinel.batch]\nmax_bytes = {max_bytes}\n[sinks.sentinel.streams]");
            let mut rig = Rig::new(options).with("[sinks.sentinel.streams]", &batch);
            let report = rig.once().await;
            assert!(report.failures.is_empty(), "{report:?}");
            for request in rig.requests(Endpoint::Ingestion) {
                assert!(request.body_length <= 1 << 20, "{} bytes on the wire", request.body_length);
                assert_eq!(request.status, Some(StatusCode::NO_CONTENT));
            }
            rig.assert_exactly_once().await;
        });
    }
}

/// Failure 3 of the peers: `Retry-After` is ignored, or followed without a bound. Here seconds and dates are followed,
/// up to five minutes; what is past or isn't readable counts as not said. At both ends.
#[tokio::test(start_paused = true)]
async fn peers_03_retry_after_of_every_shape_is_a_bounded_wait() {
    let shapes = [
        (RetryAfter::Seconds(7), 7_000..8_000),
        (RetryAfter::Date(Duration::from_secs(30)), 28_000..31_000),
        (RetryAfter::Past, 0..1_100),
        (RetryAfter::Seconds(999_999), 300_000..301_000),
        (RetryAfter::Huge, 0..301_000),
        (RetryAfter::Junk, 0..1_100),
    ];
    for (shape, expected) in shapes {
        for endpoint in [Endpoint::Nordpass, Endpoint::Ingestion] {
            let mut rig = Rig::new(SimulationOptions::default());
            let life = rig.start();
            pass(5 * MINUTE).await;
            let effect = Effect::Status {
                status: StatusCode::TOO_MANY_REQUESTS,
                body: String::new(),
                headers: [].into(),
                retry_after: Some(shape.clone()),
            };
            let when = When { endpoint: Some(endpoint), nth: vec![1], ..When::default() };
            rig.simulation.faults.add(Fault::new(when, effect));
            rig.simulation.nordpass.extend(vec![event(rig.now(), "one", &json!({}))]);
            until("the event to arrive", 10 * MINUTE, || rig.asim().events_delivered == 1).await;
            let requests = rig.requests(endpoint);
            let throttled = requests.iter().position(|request| request.fault).expect("a 429");
            let times = &requests[throttled..throttled + 2];
            let waited = times[1].at.as_millisecond() - times[0].at.as_millisecond();
            assert!(expected.contains(&waited), "{shape:?} at {endpoint:?}: {waited} ms");
            rig.stop(life).await;
            rig.assert_exactly_once().await;
        }
    }
}

/// Failure 4 of the peers: while no token can be had, batches are dropped after a few tries. Here they wait.
#[tokio::test(start_paused = true)]
async fn peers_04_a_token_endpoint_that_is_down_loses_no_batch() {
    let mut rig = Rig::new(SimulationOptions { events: history(500), ..SimulationOptions::default() });
    rig.network.cut(ENTRA);
    let life = rig.start();
    pass(20 * MINUTE).await;
    assert_eq!(rig.asim().events_delivered, 0);
    assert!(life.is_running() && life.words("sentinel").contains("login.microsoftonline.com"));
    assert!(rig.state().await.known.is_empty(), "nothing counts as delivered");
    rig.network.restore(ENTRA);
    until("all to arrive", 2 * MINUTE, || rig.asim().events_delivered == 500).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// Failure 4 of the peers, second half: a token that is refused in the middle is used again until its hour is over. Here
/// one 401 makes one new token, and the batch is sent once more.
#[tokio::test(start_paused = true)]
async fn peers_04_a_token_refused_while_sending_is_renewed_once() {
    let mut rig = Rig::new(SimulationOptions { events: history(50), ..SimulationOptions::default() });
    let life = rig.start();
    until("the first events to arrive", HOUR, || rig.asim().events_delivered == 50).await;
    let (issued, sent) = (rig.simulation.entra.tokens.issued(), rig.requests(Endpoint::Ingestion).len());
    rig.simulation.entra.tokens.revoke_all();
    rig.simulation.nordpass.extend(vec![event(rig.now(), "one", &json!({}))]);
    until("one more to arrive", 5 * MINUTE, || rig.asim().events_delivered == 51).await;
    let answers: Vec<_> = rig.requests(Endpoint::Ingestion)[sent..].iter().map(|sent| sent.status).collect();
    assert_eq!(answers, [Some(StatusCode::UNAUTHORIZED), Some(StatusCode::NO_CONTENT)]);
    assert_eq!(rig.simulation.entra.tokens.issued() - issued, 1, "one new token");
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// Failure 5 of the peers: a batch that is refused with 400 is dropped whole, or sent again for ever. Here the one record
/// that Azure refuses becomes a dead letter, with Azure's status, code and request id.
#[tokio::test(start_paused = true)]
async fn peers_05_a_400_is_bisected_to_the_record() {
    let mut events = history(400);
    events.push(event(START - DAY, "poison", &json!({})));
    let mut rig = Rig::new(keeping(events));
    rig.simulation.ingestion.set_poison(Some("\"probe\":\"poison\""));
    assert!(rig.once().await.failures.is_empty());
    let letters = rig.dead_letters("sentinel");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["record"]["AdditionalFields"]["probe"], "poison");
    assert_eq!((&letters[0]["status"], &letters[0]["code"]), (&400.into(), &"InvalidRequestBody".into()));
    assert!(letters[0]["request_id"].as_str().is_some_and(|id| id.len() == 36), "{}", letters[0]["request_id"]);
    let verdict = rig.asim();
    assert_eq!((verdict.events_delivered, verdict.events_lost, verdict.events_duplicated), (400, 1, 0));
    assert_exactly_once(&rig.files("archive").await, 401, "the files");
}

/// Failure 5 of the peers, second half: a 403, so a missing role, is taken for the records' fault, and they are dropped or
/// dead-lettered. Here it is waited for in words that name the role, and the state stands still meanwhile.
#[tokio::test(start_paused = true)]
async fn peers_05_a_403_is_waited_for_and_the_state_stands_still() {
    let mut rig = Rig::new(SimulationOptions { events: history(400), ..SimulationOptions::default() });
    rig.simulation.ingestion.set_forbidden(true);
    let life = rig.start();
    for _ in 0..12 {
        pass(5 * MINUTE).await;
        let state = rig.state().await;
        assert!(state.known.is_empty(), "nothing counts as delivered");
        let covered = state.document.map(|document| document["covered"].clone()).unwrap_or_default();
        let history = covered.as_array().into_iter().flatten().any(|range| range[0].as_i64() < Some(START - HOUR));
        assert!(!history, "{covered}");
    }
    assert!(life.words("sentinel").contains("Monitoring Metrics Publisher"), "{}", life.words("sentinel"));
    assert!(rig.dead_letters("sentinel").is_empty());
    rig.simulation.ingestion.set_forbidden(false);
    until("all to arrive", 2 * MINUTE, || rig.asim().events_delivered == 400).await;
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// Failure 11 of the peers: a table of the auxiliary plan refuses a request whose rows are more than 30 minutes apart, so
/// that a back-fill into it never arrives. Here such a stream's batches are split by time from the first refusal on.
#[tokio::test(start_paused = true)]
async fn peers_11_a_backfill_into_auxiliary_tables_stays_within_thirty_minutes() {
    let events: Vec<SimulatedEvent> = history(600);
    let mut rig = Rig::new(SimulationOptions { events, ..SimulationOptions::default() });
    rig.twist_ingestion(|request, now, azure| {
        let mut text = String::new();
        let _ = MultiGzDecoder::new(&request.body()[..]).read_to_string(&mut text);
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let times = rows.iter().filter_map(|row| row["TimeGenerated"].as_str()?.parse::<Timestamp>().ok());
        let times: Vec<i64> = times.map(Timestamp::as_second).collect();
        let span = times.iter().max().zip(times.iter().min()).map_or(0, |(latest, first)| latest - first);
        if span > 30 * MINUTE {
            let body = r#"{"error":{"code":"RecordsTimeRangeIsMoreThan30Minutes","message":"…"}}"#;
            return Reply::json(StatusCode::BAD_REQUEST, body);
        }
        azure.handle(request, now)
    });
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
    assert!(rig.dead_letters("sentinel").is_empty());
    let refused = rig.requests(Endpoint::Ingestion);
    let refused = refused.iter().filter(|request| request.status == Some(StatusCode::BAD_REQUEST)).count();
    assert!((1..=12).contains(&refused), "learned once for each stream, not for each batch: {refused}");
}

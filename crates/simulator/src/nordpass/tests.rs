use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

fn event(number: i64, timestamp: i64) -> SimulatedEvent {
    let user = if number % 2 == 0 { "even" } else { "odd" };
    let json = json!({"type":"lock","action":"master_validated","timestamp":timestamp,"user":{"uuid":user,"email":""},
        "metadata":{"probe":number.to_string()}});
    SimulatedEvent::from_json(&json.to_string(), timestamp)
}

fn events(times: impl IntoIterator<Item = i64>) -> Vec<SimulatedEvent> {
    (0..).zip(times).map(|(number, time)| event(number, time)).collect()
}

fn request(body: &Value) -> Request<Bytes> {
    Request::post("https://api.example/activities/query")
        .header("authorization", "simulated-nordpass-token")
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .expect("a request")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn ask(api: &NordPass, body: &Value) -> (StatusCode, Value) {
    let reply = api.handle(&request(body), at(NOW));
    let body = serde_json::from_slice(reply.response.body()).expect("JSON");
    (reply.status(), body)
}

fn probes(answer: &Value) -> Vec<i64> {
    let data = answer["data"].as_array().expect("data");
    data.iter().map(|event| event["metadata"]["probe"].as_str().expect("a probe").parse().expect("a number")).collect()
}

#[test]
fn pages_hold_the_documented_fields() {
    let api = NordPass::new(Settings::default(), events(NOW - 250..NOW));
    let mut seen = Vec::new();
    for page in 1..=4 {
        let (status, answer) =
            ask(&api, &json!({"timestamp_from":NOW - 1000,"timestamp_to":NOW,"page":page,"per_page":100}));
        assert_eq!(status, 200);
        let paging = json!({"total":250,"per_page":100,"current_page":page,"total_pages":3});
        assert_eq!(answer["metadata"], paging);
        seen.extend(probes(&answer));
    }
    assert_eq!(
        seen,
        (0..250).rev().collect::<Vec<_>>(),
        "newest first; the page after the last is empty, not an error"
    );
}

#[test]
fn both_bounds_can_be_inclusive_or_exclusive() {
    let window = json!({"timestamp_from":NOW - 10,"timestamp_to":NOW - 8});
    for (from, to, expected) in [
        (Bound::Inclusive, Bound::Inclusive, vec![0, 1, 2]),
        (Bound::Inclusive, Bound::Exclusive, vec![0, 1]),
        (Bound::Exclusive, Bound::Inclusive, vec![1, 2]),
        (Bound::Exclusive, Bound::Exclusive, vec![1]),
    ] {
        let settings = Settings { from, to, order: Order::Ascending, ..Settings::default() };
        let api = NordPass::new(settings, events(NOW - 10..NOW - 5));
        assert_eq!(probes(&ask(&api, &window).1), expected, "{from:?} {to:?}");
    }
}

#[test]
fn unstable_orders_differ_between_requests() {
    let body = json!({"timestamp_from":NOW - 100,"timestamp_to":NOW});
    let times = (0..60).map(|number| NOW - 50 + number / 20);
    let seconds = |probes: &[i64]| probes.iter().map(|probe| probe / 20).collect::<Vec<_>>();

    let settings = Settings { order: Order::UnstableWithinSecond, ..Settings::default() };
    let api = NordPass::new(settings, events(times.clone()));
    let (first, second) = (probes(&ask(&api, &body).1), probes(&ask(&api, &body).1));
    assert_ne!(first, second);
    assert!(seconds(&first).is_sorted() && seconds(&second).is_sorted());

    let api = NordPass::new(Settings { order: Order::Unstable, ..Settings::default() }, events(times));
    let (first, second) = (probes(&ask(&api, &body).1), probes(&ask(&api, &body).1));
    assert_ne!(first, second);
    assert!(!seconds(&first).is_sorted());
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 60);
}

#[test]
fn tokens_sources_and_methods_are_checked() {
    let api = NordPass::new(Settings { source: Some("MSSentinel".into()), ..Settings::default() }, Vec::new());
    let status = |change: &dyn Fn(&mut Request<Bytes>)| {
        let mut request = request(&json!({}));
        request.headers_mut().insert("x-source", "MSSentinel".parse().expect("a value"));
        change(&mut request);
        api.handle(&request, at(NOW)).status().as_u16()
    };
    assert_eq!(status(&|_| ()), 200);
    let bearer = "Bearer simulated-nordpass-token";
    assert_eq!(
        status(&|request| _ = request.headers_mut().insert("authorization", bearer.parse().expect("a value"))),
        401
    );
    assert_eq!(status(&|request| _ = request.headers_mut().remove("authorization")), 401);
    assert_eq!(status(&|request| _ = request.headers_mut().remove("x-source")), 403);
    assert_eq!(status(&|request| _ = request.headers_mut().remove("content-type")), 415);
    assert_eq!(status(&|request| *request.method_mut() = Method::GET), 405);
    assert_eq!(status(&|request| *request.uri_mut() = "https://api.example/v1".parse().expect("a URI")), 404);
    assert_eq!(status(&|request| *request.body_mut() = Bytes::from("{\"page\":0}")), 400);
    api.set_token(None);
    assert_eq!(status(&|_| ()), 401);
}

#[test]
fn refused_tokens_can_be_403() {
    let api = NordPass::new(Settings { refusal: StatusCode::FORBIDDEN, ..Settings::default() }, Vec::new());
    api.set_token(Some("another"));
    assert_eq!(ask(&api, &json!({})).0, 403);
}

#[test]
fn totals_can_be_missing_or_wrong() {
    for (total, expected) in [
        (Total::Right, json!(5)),
        (Total::Missing, Value::Null),
        (Total::Wrong(-2), json!(3)),
        (Total::Wrong(-9), json!(0)),
    ] {
        let api = NordPass::new(Settings { total, ..Settings::default() }, events(NOW - 5..NOW));
        let (_, answer) = ask(&api, &json!({"timestamp_from":NOW - 9,"timestamp_to":NOW}));
        assert_eq!((&answer["metadata"]["total"], &answer["metadata"]["total_pages"]), (&expected, &json!(1)));
    }
}

#[test]
fn late_events_show_when_their_time_has_come() {
    let api = NordPass::new(Settings::default(), vec![event(0, NOW - 60).visible_at(NOW + 5)]);
    let body = json!({"timestamp_from":NOW - 100,"timestamp_to":NOW});
    assert!(probes(&ask(&api, &body).1).is_empty());
    let reply = api.handle(&request(&body), at(NOW + 5));
    let answer: Value = serde_json::from_slice(reply.response.body()).expect("JSON");
    assert_eq!(probes(&answer), [0]);
}

#[test]
fn pages_shift_while_they_are_read() {
    let api = NordPass::new(Settings { reveal_per_request: 1, ..Settings::default() }, events(NOW - 20..NOW - 10));
    api.hold_back(vec![event(100, NOW - 5)]);
    let page =
        |page| probes(&ask(&api, &json!({"timestamp_from":NOW - 50,"timestamp_to":NOW,"page":page,"per_page":5})).1);
    assert_eq!(page(1), [9, 8, 7, 6, 5]);
    assert_eq!(page(2), [5, 4, 3, 2, 1], "one event has come in front");
    assert_eq!(page(3), [0]);
}

#[test]
fn requests_are_limited() {
    let limit = RateLimit { requests: 2, per: Duration::from_secs(10), retry_after: true };
    let api = NordPass::new(Settings { rate_limit: Some(limit), ..Settings::default() }, Vec::new());
    let at_second = |second| {
        let reply = api.handle(&request(&json!({})), at(NOW + second));
        (
            reply.status().as_u16(),
            reply.response.headers().get("retry-after").map(|v| v.to_str().expect("text").to_owned()),
        )
    };
    assert_eq!([at_second(0).0, at_second(1).0], [200, 200]);
    assert_eq!(at_second(4), (429, Some("6".into())));
    assert_eq!(at_second(10).0, 200);
}

#[test]
fn users_and_retention_limit_what_is_found() {
    let api =
        NordPass::new(Settings::default(), events([NOW - 90 * 86_400 - 1, NOW - 90 * 86_400 + 1, NOW - 5, NOW - 4]));
    let of =
        |users: Value| probes(&ask(&api, &json!({"timestamp_from":NOW - 9,"timestamp_to":NOW,"user_uuids":users})).1);
    assert_eq!(of(json!(["even"])), [2]);
    assert_eq!(of(json!([])), Vec::<i64>::new());
    let old = json!({"timestamp_from":NOW - 91 * 86_400,"timestamp_to":NOW - 86_400});
    assert_eq!(probes(&ask(&api, &old).1), [1], "what is older than 90 days is gone");
}

#[test]
fn the_date_is_the_servers() {
    let api = NordPass::new(Settings { clock_ahead: -120, ..Settings::default() }, Vec::new());
    let reply = api.handle(&request(&json!({})), at(NOW));
    assert_eq!(reply.response.headers()["date"], http_date(NOW - 120));
}

#[test]
fn what_a_complete_reader_must_have() {
    let api = NordPass::new(Settings::default(), events(NOW - 300..NOW - 100));
    let body = |page| json!({"timestamp_from":NOW - 300,"timestamp_to":NOW,"page":page,"per_page":100});
    ask(&api, &body(1));
    assert_eq!((api.shown().total(), api.due().total()), (100, 0), "the window isn't read to its end");
    api.extend(vec![event(999, NOW - 200), event(998, NOW - 50).visible_at(NOW + 1)]);
    ask(&api, &body(3));
    assert_eq!((api.shown().total(), api.due().total()), (101, 199), "all that are visible but two at the edge");
    assert_eq!(api.world().total(), 202);
    assert_eq!(api.in_range(NOW - 60..NOW, at(NOW)).total(), 0);
    assert_eq!(api.in_range(NOW - 60..NOW, at(NOW + 1)).total(), 1);
}

#[test]
fn odd_events_are_shown_as_they_are() {
    let odd = ["null", "5", "\"text\"", r#"{"timestamp":"soon"}"#].map(|json| SimulatedEvent::from_json(json, NOW - 1));
    let api = NordPass::new(Settings { order: Order::Ascending, ..Settings::default() }, odd.to_vec());
    let (_, answer) = ask(&api, &json!({"timestamp_from":NOW - 9,"timestamp_to":NOW}));
    assert_eq!(answer["data"], json!([null, 5, "text", {"timestamp":"soon"}]));
    assert_eq!(api.shown_without_probe(), 4);
}

use std::io::Write as _;

use flate2::write::GzEncoder;
use http::Method;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn receivers() -> Receivers {
    Receivers::new(Settings::default(), Tokens::default())
}

struct Ask<'a> {
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl Ask<'_> {
    fn send(&self, receivers: &Receivers) -> (u16, Value, Vec<Taken>) {
        let mut request = Request::post(format!("http://localhost{}", self.path));
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(self.body.to_owned().into()).expect("a request");
        let Outcome { reply, taken, .. } = receivers.receive(&request, NOW);
        (reply.status().as_u16(), serde_json::from_slice(reply.response.body()).unwrap_or_default(), taken)
    }
}

fn texts(taken: &[Taken]) -> Vec<&str> {
    taken.iter().map(|taken| taken.text.as_str()).collect()
}

const SPLUNK: (&str, &str) = ("authorization", "Splunk 00000000-0000-4000-8000-00000000c011");

fn splunk(receivers: &Receivers, headers: &[(&str, &str)], body: &str) -> (u16, u64, Value, Vec<Taken>) {
    let (status, answer, taken) = Ask { path: "/services/collector/event", headers, body }.send(receivers);
    (status, answer["code"].as_u64().unwrap_or(u64::MAX), answer, taken)
}

#[test]
fn splunk_says_what_is_wrong_with_token_and_events() {
    let receivers = receivers();
    let event = r#"{"time":1,"event":{"a":1}}"#;
    for (headers, status, code) in [
        (&[][..], 401, 2),
        (&[("authorization", "Bearer x")][..], 401, 3),
        (&[("authorization", "Splunk x")][..], 403, 4),
        (&[SPLUNK][..], 200, 0),
    ] {
        let answer = splunk(&receivers, headers, event);
        assert_eq!((answer.0, answer.1), (status, code), "{headers:?}");
    }
    for (bad, code) in
        [("{}", 12), (r#"{"event":""}"#, 13), (r#"{"event":null}"#, 12), ("{\"event\"", 6), ("[1]", 6), ("", 5)]
    {
        let (status, got, _, taken) = splunk(&receivers, &[SPLUNK], bad);
        assert_eq!((status, got, taken.len()), (400, code, 0), "{bad}");
    }
    receivers.set_poison(Some("\"b\""));
    let batch = format!("{event}\n{}{event}", r#"{"event":{"b":2}}"#);
    let (status, code, answer, taken) = splunk(&receivers, &[SPLUNK], &batch);
    assert_eq!((status, code, &answer["invalid-event-number"]), (400, 6, &1.into()));
    assert_eq!(texts(&taken), [r#"{"a":1}"#], "those before it are there");
}

#[test]
fn splunk_acknowledges_the_requests_of_a_channel() {
    let receivers = receivers();
    let channel = ("x-splunk-request-channel", "11111111-0000-4000-8000-000000000001");
    let event = r#"{"event":"x"}"#;
    assert_eq!(splunk(&receivers, &[SPLUNK], event).2.get("ackId"), None);
    assert_eq!(splunk(&receivers, &[SPLUNK, channel], event).2["ackId"], 0);
    assert_eq!(splunk(&receivers, &[SPLUNK, channel], event).2["ackId"], 1);
    let path = "/services/collector/ack";
    let (status, answer, _) = Ask { path, headers: &[SPLUNK, channel], body: r#"{"acks":[0,1,2]}"# }.send(&receivers);
    assert_eq!((status, answer), (200, json!({ "acks": { "0": true, "1": true, "2": false } })));
    let (status, answer, _) = Ask { path, headers: &[SPLUNK], body: r#"{"acks":[0]}"# }.send(&receivers);
    assert_eq!((status, &answer["code"]), (400, &10.into()));
}

const ELASTIC: &[(&str, &str)] =
    &[("authorization", "ApiKey simulated-elastic-api-key"), ("content-type", "application/x-ndjson")];

fn bulk(ids: &[&str]) -> String {
    let item = |id: &&str| format!("{{\"create\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":\"{id}\"}}\n");
    ids.iter().map(item).collect::<Vec<_>>().concat()
}

fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().expect("items").iter();
    items.map(|item| item["create"]["status"].as_u64().expect("a status")).collect()
}

#[test]
fn elastic_answers_for_each_document() {
    let receivers = receivers();
    let ask = |body: &str| Ask { path: "/nordpass/_bulk", headers: ELASTIC, body }.send(&receivers);
    let (status, answer, taken) = ask(&bulk(&["1", "2"]));
    assert_eq!((status, &answer["errors"], statuses(&answer)), (200, &false.into(), vec![201, 201]));
    assert_eq!(taken[1], Taken { id: Some("2".to_owned()), text: r#"{"n":"2"}"#.to_owned() });
    receivers.set_poison(Some("\"4\""));
    let (_, answer, taken) = ask(&bulk(&["2", "3", "4"]));
    assert_eq!((&answer["errors"], statuses(&answer)), (&true.into(), vec![409, 201, 400]));
    assert_eq!(texts(&taken), [r#"{"n":"3"}"#]);
    for body in [bulk(&["9"]).trim_end(), "{}\n", "{\"create\":{}}\n", "\n"] {
        assert_eq!(ask(body).0, 400, "{body}");
    }
    let body = &bulk(&["9"]);
    assert_eq!(Ask { path: "/_bulk", headers: ELASTIC, body }.send(&receivers).0, 400, "no index");
    assert_eq!(Ask { path: "/nordpass/_bulk", headers: &ELASTIC[1..], body }.send(&receivers).0, 401);
    assert_eq!(Ask { path: "/nordpass/_bulk", headers: &ELASTIC[..1], body }.send(&receivers).0, 406);
}

#[test]
fn a_busy_elastic_says_429_of_some_documents() {
    let receivers = receivers();
    let mut request = Request::post("http://localhost/nordpass/_bulk");
    for (name, value) in ELASTIC {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Bytes::from(bulk(&["1", "2", "3"]))).expect("a request");
    request.extensions_mut().insert(Busy(2));
    let Outcome { reply, taken, records, by_name } = receivers.receive(&request, NOW);
    let answer: Value = serde_json::from_slice(reply.response.body()).expect("JSON");
    assert_eq!((statuses(&answer), taken.len(), records, by_name), (vec![201, 429, 201], 2, 3, false));
}

#[test]
fn otlp_counts_what_it_rejects() {
    let receivers = receivers();
    let json = [("content-type", "application/json")];
    let record = |text: &str| format!(r#"{{"timeUnixNano":"1","body":{{"stringValue":"{text}"}}}}"#);
    let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{},{}]}}]}}]}}"#, record("a"), record("b"));
    let ask = |body: &str| Ask { path: "/v1/logs", headers: &json, body }.send(&receivers);
    let (status, answer, taken) = ask(&body);
    assert_eq!((status, answer, texts(&taken)), (200, json!({ "partialSuccess": {} }), vec!["a", "b"]));
    receivers.set_poison(Some("b"));
    let (status, answer, taken) = ask(&body);
    assert_eq!((status, texts(&taken)), (200, vec!["a"]));
    assert_eq!(answer["partialSuccess"]["rejectedLogRecords"], "1");
    for bad in ["{}", "[]", &body.replace("\"1\"", "1"), "no JSON"] {
        assert_eq!(ask(bad).0, 400, "{bad}");
    }
    assert_eq!(Ask { path: "/v1/logs", headers: &[], body: &body }.send(&receivers).0, 415);
}

#[test]
fn the_plain_receiver_takes_all_of_a_request_or_nothing() {
    let receivers = receivers();
    let lines = [("content-type", "application/x-ndjson"), ("idempotency-key", "k")];
    let ask = |headers: &[(&str, &str)], body: &str| {
        let (status, _, taken) = Ask { path: "/records", headers, body }.send(&receivers);
        (status, taken.len())
    };
    assert_eq!(ask(&lines, "{\"a\":1}\n{\"b\":2}\n"), (200, 2));
    assert_eq!((receivers.repeated_keys(), ask(&lines, "{\"a\":1}\n{\"b\":2}\n")), (0, (200, 2)));
    assert_eq!(receivers.repeated_keys(), 1);
    assert_eq!(ask(&[("content-type", "application/json; charset=utf-8")], "[{\"a\":1}]"), (200, 1));
    assert_eq!(ask(&lines, "{\"a\":1}\nno JSON\n"), (400, 0));
    assert_eq!(ask(&[], "{}"), (415, 0));
    receivers.set_poison(Some("\"b\""));
    assert_eq!(ask(&lines, "{\"a\":1}\n{\"b\":2}\n"), (400, 0));
    assert_eq!(receivers.received(Endpoint::Http).without_probe, 5);
    assert_eq!(receivers.received(Endpoint::Splunk), Received::default());
}

#[test]
fn bodies_are_read_in_every_compression_and_up_to_a_length() {
    let receivers = Receivers::new(Settings { max_body: 100, ..Settings::default() }, Tokens::default());
    let ask = |encoding: &str, body: Vec<u8>| {
        let request = Request::put("http://localhost/records").header("content-type", "application/json");
        let request = request.header("content-encoding", encoding).body(Bytes::from(body)).expect("a request");
        receivers.receive(&request, NOW).reply.status().as_u16()
    };
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"[1]").expect("memory");
    assert_eq!(ask("gzip", gzip.finish().expect("memory")), 200);
    assert_eq!(ask("zstd", zstd::stream::encode_all(&b"[1]"[..], 1).expect("memory")), 200);
    assert_eq!(ask("identity", b"[1]".to_vec()), 200);
    assert_eq!(ask("gzip", b"[1]".to_vec()), 400);
    assert_eq!(ask("br", b"[1]".to_vec()), 415);
    assert_eq!(ask("identity", vec![b' '; 101]), 413);
    let request = Request::builder().method(Method::OPTIONS).uri("http://localhost/records").body(Bytes::new());
    assert_eq!(receivers.receive(&request.expect("a request"), NOW).reply.status(), StatusCode::NO_CONTENT);
}

#[test]
fn with_an_audience_only_its_tokens_are_let_in() {
    let tokens = Tokens::default();
    let settings = Settings { audience: Some("api://receiver".to_owned()), ..Settings::default() };
    let receivers = Receivers::new(settings, tokens.clone());
    let token = format!("Bearer {}", tokens.issue("api://receiver", std::time::Duration::from_mins(1), NOW));
    let ask = |token: &str| {
        let headers = [("content-type", "application/json"), ("authorization", token)];
        Ask { path: "/records", headers: &headers, body: "[]" }.send(&receivers).0
    };
    assert_eq!((ask(&token), ask("Bearer another"), ask("")), (200, 401, 401));
    tokens.revoke_all();
    assert_eq!(ask(&token), 401);
}

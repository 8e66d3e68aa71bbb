use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

const PATH: &str = "https://dce.example/dataCollectionRules/dcr-00000000000000000000000000000001/streams/Custom-NordPassAuditEvent?api-version=2023-01-01";
const TABLE: &str = "ASimAuditEventLogs";

struct Bench {
    ingestion: Ingestion,
    token: String,
}

fn bench(settings: Settings) -> Bench {
    let tokens = Tokens::default();
    let token = tokens.issue("https://monitor.azure.com", Duration::from_hours(1), now());
    Bench { ingestion: Ingestion::new(settings, tokens), token }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory").into()
}

fn row(number: usize) -> Value {
    json!({"TimeGenerated":"2027-01-15T08:00:00Z","EventCount":1,"EventType":"Read","AdditionalFields":{"probe":number.to_string()}})
}

impl Bench {
    fn request(&self, rows: &Value) -> Request<Bytes> {
        Request::post(PATH)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(gzip(&rows.to_string()))
            .expect("a request")
    }

    /// Status and error code of a request that `change` has spoilt.
    fn changed(&self, change: impl Fn(&mut Request<Bytes>)) -> (u16, String) {
        let mut request = self.request(&json!([row(1)]));
        change(&mut request);
        self.send(&request)
    }

    fn send(&self, request: &Request<Bytes>) -> (u16, String) {
        let reply = self.ingestion.handle(request, now());
        let body: Value = serde_json::from_slice(reply.response.body()).unwrap_or_default();
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        let header = reply.response.headers().get("x-ms-error-code").map(|value| value.to_str().expect("text"));
        assert_eq!(header.unwrap_or_default(), code);
        assert!(reply.response.headers().contains_key("x-ms-request-id"));
        (reply.status().as_u16(), code)
    }
}

fn header(name: &'static str, value: &'static str) -> impl Fn(&mut Request<Bytes>) {
    move |request| _ = request.headers_mut().insert(name, value.parse().expect("a value"))
}

fn uri(from: &'static str, to: &'static str) -> impl Fn(&mut Request<Bytes>) {
    move |request| *request.uri_mut() = PATH.replace(from, to).parse().expect("a URI")
}

fn body(text: &str) -> impl Fn(&mut Request<Bytes>) + '_ {
    move |request| *request.body_mut() = gzip(text)
}

#[test]
fn rows_arrive_and_are_counted() {
    let bench = bench(Settings { keep_rows: true, ndjson: true, ..Settings::default() });
    let reply = bench.ingestion.handle(&bench.request(&json!([row(1), row(2), row(2)])), now());
    assert_eq!((reply.status().as_u16(), reply.response.body().len()), (204, 0));
    assert!(reply.response.headers().get("content-type").is_none());
    let table = bench.ingestion.table(TABLE);
    assert_eq!((table.rows, table.probes.count("1"), table.probes.count("2"), table.kept.len()), (3, 1, 2, 3));
    assert_eq!(bench.ingestion.received().probes.total(), 3);
    let ndjson = bench.ingestion.take_ndjson();
    assert_eq!((ndjson.len(), &*ndjson[0].0), (1, TABLE));
    assert_eq!(ndjson[0].1.split_inclusive(|&byte| byte == b'\n').count(), 3);
    assert!(bench.ingestion.take_ndjson().is_empty());
    assert_eq!(bench.changed(body("[]")), (204, String::new()), "nothing is fine: clients use it as a health check");
}

#[test]
fn rows_can_come_uncompressed_and_with_an_encoded_key() {
    let bench = bench(Settings::default());
    let plain = |request: &mut Request<Bytes>| {
        request.headers_mut().remove("content-encoding");
        *request.body_mut() = Bytes::from(json!([row(1)]).to_string());
    };
    assert_eq!(bench.changed(plain).0, 204);
    assert_eq!(bench.changed(uri("api-version", "api%2Dversion")).0, 204);
    assert_eq!(bench.changed(uri("2023-01-01", "2021-11-01-preview")).0, 204);
}

#[test]
fn each_rule_bites() {
    let bench = bench(Settings::default());
    let cases: Vec<(&str, (u16, String))> = vec![
        ("NotFound", bench.changed(uri("streams", "flows"))),
        ("NotFound", bench.changed(uri("dcr-0", "dcr-1"))),
        ("InvalidStream", bench.changed(uri("AuditEvent", "Other"))),
        ("InvalidStream", bench.changed(uri("Custom-NordPassAuditEvent", TABLE))),
        ("MissingApiVersionParameter", bench.changed(uri("?api-version=2023-01-01", ""))),
        ("UnsupportedApiVersion", bench.changed(uri("2023-01-01", "2016-04-01"))),
        ("InvalidToken", bench.changed(header("authorization", "Bearer made-up"))),
        ("InvalidToken", bench.changed(header("authorization", "made-up"))),
        ("UnsupportedMediaType", bench.changed(header("content-type", "text/plain"))),
        ("UnsupportedContentEncoding", bench.changed(header("content-encoding", "br"))),
        ("InvalidContentEncoding", bench.changed(|request| *request.body_mut() = Bytes::from_static(b"[]"))),
        ("InvalidContentEncoding", bench.changed(|request| _ = request.body_mut().split_off(20))),
        ("MethodNotAllowed", bench.changed(|request| *request.method_mut() = http::Method::GET)),
        ("InvalidRequestBody", bench.changed(body("{}"))),
        ("InvalidRequestBody", bench.changed(body("[{},"))),
        ("InvalidRequestBody", bench.changed(body("[5]"))),
        ("InvalidRequestBody", bench.changed(body(r#"[{"EventCount":1},{"EventCount":"1"}]"#))),
        ("InvalidRequestBody", bench.changed(body(r#"[{"TimeGenerated":1794787200}]"#))),
    ];
    for (number, (code, got)) in cases.iter().enumerate() {
        assert_eq!(code, &got.1, "case {number}: {}", got.0);
        assert!((400..500).contains(&got.0));
    }
    assert_eq!(bench.ingestion.table(TABLE).rows, 0, "all rows or none");
    assert_eq!(bench.ingestion.totals().accepted, 0);
}

#[test]
fn tokens_expire_and_are_for_one_audience() {
    let bench = bench(Settings::default());
    let request = bench.request(&json!([row(1)]));
    let later = now().checked_add(Duration::from_hours(1)).expect("a time");
    assert_eq!(bench.ingestion.handle(&request, later).status(), 401);
    let government = Ingestion::new(
        Settings { audience: "https://monitor.azure.us".into(), ..Settings::default() },
        bench.ingestion.tokens.clone(),
    );
    assert_eq!(government.handle(&request, now()).status(), 401);
    bench.ingestion.set_forbidden(true);
    assert_eq!(bench.changed(|_| ()), (403, "OperationFailed".into()));
    bench.ingestion.set_forbidden(false);
    assert_eq!(bench.changed(|_| ()).0, 204);
}

#[test]
fn what_counts_is_the_size_as_received() {
    let bench = bench(Settings::default());
    let noise = |bytes: usize| {
        let mut dice = crate::Dice::new(1);
        let mut text = String::new();
        while text.len() < bytes {
            text.push_str(&dice.uuid());
        }
        json!([{"EventType": text}]).to_string()
    };
    let plain = |text: String| {
        move |request: &mut Request<Bytes>| {
            request.headers_mut().remove("content-encoding");
            *request.body_mut() = Bytes::from(text.clone());
        }
    };
    let long = noise(1_100_000);
    assert_eq!(bench.changed(plain(long.clone())), (413, "ContentLengthLimitExceeded".into()));
    assert_eq!(bench.changed(body(&long)).0, 204, "compressed it is short enough");
    let exact = format!("[{}]", " ".repeat((1 << 20) - 2));
    assert_eq!(exact.len(), 1_048_576);
    assert_eq!(bench.changed(plain(exact.clone())).0, 204);
    assert_eq!(bench.changed(plain(format!("{exact} "))).0, 413);
}

#[test]
fn too_long_after_decompression_is_lost_silently() {
    let bench = bench(Settings { max_decompressed: 1000, ..Settings::default() });
    assert_eq!(bench.changed(body(&json!([{"EventType": "x".repeat(1000)}]).to_string())).0, 204);
    assert_eq!((bench.ingestion.totals().lost_oversize, bench.ingestion.table(TABLE).rows), (1, 0));
}

#[test]
fn budgets_end_with_retry_after() {
    let bench = bench(Settings { limits: Limits { requests: 1, bytes: 1 << 20 }, ..Settings::default() });
    assert_eq!(bench.changed(|_| ()).0, 204);
    let reply = bench.ingestion.handle(&bench.request(&json!([row(2)])), now());
    assert_eq!((reply.status().as_u16(), reply.response.headers()["retry-after"].to_str().expect("text")), (429, "60"));
    assert_eq!(bench.ingestion.table(TABLE).rows, 1);
}

#[test]
fn silent_damage_is_counted() {
    let bench = bench(Settings::default());
    let rows = json!([{"EventType":"Read","Nonsense":1,"AdditionalFields":{"long":"x".repeat(70_000)}}, row(1)]);
    assert_eq!(bench.send(&bench.request(&rows)).0, 204);
    let table = bench.ingestion.table(TABLE);
    assert_eq!((table.dropped_columns.get("Nonsense"), table.truncated_fields, table.without_probe), (Some(&1), 1, 1));
    assert_eq!(table.times_replaced, 1);

    let strict = self::bench(Settings { strict: true, ..Settings::default() });
    assert_eq!(strict.send(&strict.request(&rows)).1, "InvalidRequestBody");
}

#[test]
fn one_row_can_be_poisoned() {
    let bench = bench(Settings::default());
    bench.ingestion.set_poison(Some("\"probe\":\"2\""));
    assert_eq!(bench.send(&bench.request(&json!([row(1), row(2)]))).0, 400);
    assert_eq!(bench.send(&bench.request(&json!([row(1)]))).0, 204);
    bench.ingestion.set_poison(None);
    assert_eq!(bench.send(&bench.request(&json!([row(2)]))).0, 204);
    assert_eq!(bench.ingestion.received().probes.total(), 2);
}

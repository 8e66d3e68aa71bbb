//! The sink against a scripted destination, at paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Settings, TYPE};
use crate::component::{Letter, ReadSettings, ResendOutcome, SinkSettings as _};
use crate::event::{AckOutcome, EventId};
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::{Environment, Section};
use crate::sinks::testing::{SinkRig, sink_env};

/// What the destination answers to the records of a request, by their ids: a status and a body.
type Script = Box<dyn FnMut(&[u64]) -> (u16, String) + Send>;

struct Seen {
    path: String,
    headers: http::HeaderMap,
    ids: Vec<u64>,
}

#[derive(Clone)]
struct Net(Arc<(Mutex<Script>, Mutex<Vec<Seen>>)>);

impl Net {
    fn new(script: impl FnMut(&[u64]) -> (u16, String) + Send + 'static) -> Self {
        Self(Arc::new((Mutex::new(Box::new(script)), Mutex::default())))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.0.1.lock().unwrap()
    }
}

impl Network for Net {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(self.clone()))
    }
}

impl HttpClient for Net {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let (parts, body) = request.into_parts();
            assert!(parts.headers.get("content-encoding").is_none(), "these tests don't compress");
            let ids = ids(std::str::from_utf8(&body).expect("text"));
            let (status, answer) = (self.0.0.lock().unwrap())(&ids);
            self.seen().push(Seen { path: parts.uri.path().to_owned(), headers: parts.headers, ids });
            Ok(http::Response::builder().status(status).body(answer.into()).expect("a response"))
        })
    }
}

/// The ids of the records in a body of any format: records of these tests have no other number in front of a comma or brace.
fn ids(body: &str) -> Vec<u64> {
    let plain = body.replace('\\', "");
    plain.split("\"id\":").skip(1).filter_map(|rest| rest.split(['}', ',']).next()?.parse().ok()).collect()
}

fn settings(more: &str) -> Settings {
    let endpoint = if more.contains("endpoint = ") { "" } else { "endpoint = \"https://host.example/in\"\n" };
    let text = format!("{endpoint}compression = \"none\"\n{more}");
    let mut section = Section::parse(&text, TYPE.fields, Environment::of([("KEY", "s3cret-of-this-test")]));
    let ReadSettings::Sink(_) = TYPE.read else { panic!("a sink") };
    let settings = Settings::read(&mut section, &["a".into(), "b".into()]);
    let wrong = section.diagnostics();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|wrong| wrong.human(false)).collect::<String>());
    settings
}

async fn rig(more: &str, script: impl FnMut(&[u64]) -> (u16, String) + Send + 'static) -> (SinkRig, Net) {
    let net = Net::new(script);
    (SinkRig::new("out", &settings(more), sink_env(net.clone())).await, net)
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

/// An answer that the receiver of a format gives when it has everything.
fn good(format: &str, ids: &[u64]) -> String {
    match format {
        "splunk_hec" => r#"{"text":"Success","code":0}"#.to_owned(),
        "elastic_bulk" => bulk(ids, |_| 201),
        _ => String::new(),
    }
}

fn bulk(ids: &[u64], status: impl Fn(u64) -> u16) -> String {
    let items: Vec<_> = ids.iter().map(|id| json!({ "create": { "status": status(*id) } })).collect();
    json!({ "errors": false, "items": items }).to_string()
}

#[tokio::test(start_paused = true)]
async fn each_format_delivers_the_records_of_all_inputs_once() {
    for format in super::format::Format::NAMES {
        let (mut rig, net) = rig(&format!("format = \"{format}\""), |ids| (200, good(format, ids))).await;
        let acks = [rig.send(0, &rows(0..100)).await, rig.send(1, &rows(100..150)).await];
        for ack in acks {
            assert_eq!(ack.await, AckOutcome::Delivered, "{format}");
        }
        rig.end().await;
        let seen = net.seen();
        let mut all: Vec<u64> = seen.iter().flat_map(|seen| seen.ids.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..150).collect::<Vec<_>>(), "{format}");
        assert!(seen.iter().all(|seen| seen.headers.contains_key("idempotency-key")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_closed_by_its_records() {
    let (mut rig, net) = rig("batch = { max_records = 10 }", |_| (200, String::new())).await;
    let ack = rig.send(0, &rows(0..25)).await;
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    let mut lengths: Vec<usize> = net.seen().iter().map(|seen| seen.ids.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [5, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_listed_waits_and_accuses_no_record() {
    let mut number = 0;
    let (mut rig, net) = rig("", move |_| {
        number += 1;
        if number <= 5 { (400, "its own sinks reject".to_owned()) } else { (200, String::new()) }
    })
    .await;
    let ack = rig.send(0, &rows(0..10)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(rig.reason().contains("400") && !rig.reason().contains("its own"), "{}", rig.reason());
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    assert!(rig.dead().is_empty());
    assert!(net.seen().iter().all(|seen| seen.ids.len() == 10), "nothing was halved");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_listed_status_accuses_needs_a_proof() {
    let refuses = |ids: &[u64]| if ids.contains(&7) { (400, String::new()) } else { (200, String::new()) };
    let (mut rig, _) = rig("final_status = [400]", refuses).await;
    let mut acks = vec![rig.send(0, &rows(0..16)).await];
    for number in 16..40 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        acks.push(rig.send(0, &rows([number])).await);
    }
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    let dead = rig.dead();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["record"]["id"], 7);
    assert_eq!(dead[0]["reason"], "the destination refuses this record and accepts others");
}

#[tokio::test(start_paused = true)]
async fn what_a_bulk_answer_accepts_is_not_sent_again() {
    let statuses = |ids: &[u64]| (200, bulk(ids, |id| if id == 3 { 400 } else { 201 }));
    let (mut rig, net) = rig("format = \"elastic_bulk\"", statuses).await;
    let mut acks = vec![rig.send(0, &rows(0..10)).await];
    for number in 10..30 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        acks.push(rig.send(0, &rows([number])).await);
    }
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert_eq!(rig.dead().iter().map(|letter| letter["record"]["id"].clone()).collect::<Vec<_>>(), [3]);
    let seen = net.seen();
    let times = |id: u64| seen.iter().flat_map(|seen| &seen.ids).filter(|seen| **seen == id).count();
    assert!((0..30).filter(|id| *id != 3).all(|id| times(id) == 1));
}

const DAY: i64 = 86_400;
const BY_DAY: &str =
    "endpoint = \"https://host.example/in/{date}/{organization}\"\nheaders = { \"X-Day\" = \"${KEY} {date}\" }\n";

/// Records of two days: those of the second have numbers from 100 on.
fn of_two_days(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    let day = |id| if id < 100 { 20_000 } else { 20_001 };
    ids.into_iter().map(|id| json!({ "id": id, "time": day(id) * DAY + 5 })).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_has_records_of_one_day_and_goes_to_its_address() {
    let (mut rig, net) = rig(BY_DAY, |_| (200, String::new())).await;
    let ack = rig.send(0, &of_two_days([1, 100, 2, 101, 3])).await;
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    let mut seen: Vec<_> = net.seen().iter().map(|seen| (seen.path.clone(), seen.ids.clone())).collect();
    seen.sort();
    let at = |day: &str, ids: &[u64]| (format!("/in/{day}/_none"), ids.to_vec());
    assert_eq!(seen, [at("2024-10-04", &[1, 2, 3]), at("2024-10-05", &[100, 101])]);
    let headers: Vec<_> = net.seen().iter().map(|seen| seen.headers["x-day"].clone()).collect();
    assert!(headers.contains(&"s3cret-of-this-test 2024-10-05".parse().unwrap()));
    assert!(
        headers.iter().all(http::HeaderValue::is_sensitive) && !format!("{:?}", settings(BY_DAY)).contains("s3cret")
    );
}

/// An address that refuses everything is at fault, not its records, though another address takes the others.
#[tokio::test(start_paused = true)]
async fn what_one_address_accepts_accuses_no_record_of_another() {
    let mut refusals = 0;
    let script = move |ids: &[u64]| {
        let refuses = ids.iter().any(|id| *id >= 100) && refusals < 200;
        refusals += u64::from(refuses);
        (if refuses { 400 } else { 200 }, String::new())
    };
    let (mut rig, net) = rig(&format!("{BY_DAY}final_status = [400]"), script).await;
    let mut acks = vec![rig.send(0, &of_two_days(100..103)).await];
    for number in 0..60 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        acks.push(rig.send(0, &of_two_days([number])).await);
    }
    assert!(net.seen().iter().filter(|seen| seen.ids[0] >= 100).count() > 9, "it was tried again and again");
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert!(rig.dead().is_empty(), "{:?}", rig.dead());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_knows_its_address() {
    let refuses = |ids: &[u64]| (if ids.contains(&107) { 400 } else { 200 }, String::new());
    let more = format!("{BY_DAY}final_status = [400]");
    let (mut rig, _) = rig(&more, refuses).await;
    let mut acks = vec![rig.send(0, &of_two_days(100..110)).await];
    for number in 110..130 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        acks.push(rig.send(0, &of_two_days([number])).await);
    }
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    let dead = rig.dead();
    assert_eq!((dead.len(), &dead[0]["stream"]), (1, &"records/2024-10-05/_none".into()));
    let net = Net::new(|_| (200, String::new()));
    let resend = async |more: &str, stream: &str| {
        let resender = settings(more).resender("out", &sink_env(net.clone())).expect("it sends single records");
        let record = dead[0]["record"].to_string();
        let letter = Letter { id: EventId(107), shown_id: None, stream, record: &record };
        resender.resend(letter, "request", Duration::ZERO).await
    };
    assert_eq!(resend(&more, "records/2024-10-05/_none").await, ResendOutcome::Accepted);
    assert_eq!(net.seen()[0].path, "/in/2024-10-05/_none");
    for (more, stream) in
        [(&*more, "records"), (&more, "records//_none"), (&more, "records/../x"), ("", "records/2024-10-05/_none")]
    {
        assert!(matches!(resend(more, stream).await, ResendOutcome::Impossible { .. }), "{stream}");
    }
    assert_eq!(resend("", "records").await, ResendOutcome::Accepted);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_halved() {
    let (mut rig, _) = rig("", |ids| (if ids.len() > 3 { 413 } else { 200 }, String::new())).await;
    let ack = rig.send(0, &rows(0..20)).await;
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    assert!(rig.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_auth_is_a_header_and_never_shown() {
    for (auth, header, expected) in [
        ("{ kind = \"bearer\", token = \"${KEY}\" }", "authorization", "Bearer s3cret-of-this-test"),
        (
            "{ kind = \"basic\", username = \"u\", password = \"${KEY}\" }",
            "authorization",
            "Basic dTpzM2NyZXQtb2YtdGhpcy10ZXN0",
        ),
        (
            "{ kind = \"header\", name = \"Authorization\", value = \"Splunk ${KEY}\" }",
            "authorization",
            "Splunk s3cret-of-this-test",
        ),
        ("{ kind = \"header\", name = \"X-API-Key\", value = \"${KEY}\" }", "x-api-key", "s3cret-of-this-test"),
    ] {
        let more = format!("auth = {auth}\nheaders = {{ \"X-Tenant\" = \"acme\" }}");
        assert!(!format!("{:?}", settings(&more)).contains("s3cret"), "{auth}");
        let (mut rig, net) = rig(&more, |_| (200, String::new())).await;
        let ack = rig.send(0, &rows([1])).await;
        assert_eq!(ack.await, AckOutcome::Delivered);
        rig.end().await;
        let headers = net.seen()[0].headers.clone();
        assert_eq!((&headers[header], &headers["x-tenant"]), (&expected.parse().unwrap(), &"acme".parse().unwrap()));
        assert!(headers[header].is_sensitive());
    }
}

#[test]
fn headers_of_the_sinks_own_and_odd_ones_are_refused() {
    for line in [
        "headers = { Authorization = \"x\" }",
        "headers = { \"Content-Encoding\" = \"x\" }",
        "headers = { \"a b\" = \"x\" }",
        "headers = { A = \"x\\ny\" }",
        "auth = { kind = \"bearer\" }",
        "auth = { kind = \"basic\", username = \"u\" }",
        "auth = { kind = \"azure\", scope = \"s\" }",
        "final_status = [\"400\", 4000]",
        "final_status = [500]",
        "endpoint = \"http://host.example/\"",
        "endpoint = \"https://u:p@host.example/\"",
        "endpoint = \"https://host.example/?pipeline=a&api_key=x\"",
        "endpoint = \"https://{organization}.example/\"",
        "endpoint = \"https://host.example/{organisation}\"",
        "headers = { A = \"{day}\" }",
    ] {
        let endpoint = if line.starts_with("endpoint") { "" } else { "endpoint = \"https://host.example/\"\n" };
        let mut section = Section::parse(&format!("{endpoint}{line}"), TYPE.fields, Environment::default());
        let _ = Settings::read(&mut section, &["a".into()]);
        assert_eq!(section.diagnostics().len(), 1, "{line}: {:?}", section.diagnostics());
    }
}

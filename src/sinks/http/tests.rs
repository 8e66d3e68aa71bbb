//! The sink against a scripted destination, at paused time.

mod partitions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Settings, TYPE};
use crate::component::ReadSettings;
use crate::event::AckOutcome;
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

//! What each kind of answer becomes, with the storage account in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::azure::CredentialKind;
use crate::settings::Secret;
use nordpass_env::{MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::faults::{Effect, Fault, RetryAfter, When};
use nordpass_simulator::{Endpoint, Simulation, SimulationOptions};

fn world() -> (Simulation, Container, Env) {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let clock = Arc::new(TestClock::starting_at(now));
    let simulation = Simulation::new(SimulationOptions::default(), now);
    simulation.entra.tokens.accept("s3cret-token");
    let env = Env {
        clock: clock.clone(),
        random: Arc::new(SeededRandom::new(1)),
        disk: Arc::new(MemoryDisk::new()),
        network: Arc::new(simulation.network(clock, 1)),
    };
    let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal("s3cret-token")));
    let http = HttpSettings { request_timeout: Duration::from_secs(10), ..HttpSettings::default() };
    let container = Container::new(Simulation::BLOB_URL, "states", credential, &http, &env).expect("a container");
    (simulation, container, env)
}

fn status(status: u16, code: &str, retry_after: Option<RetryAfter>) -> Effect {
    let headers = [("x-ms-error-code", code), ("x-ms-request-id", "1")];
    let headers: BTreeMap<String, String> = headers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let status = StatusCode::from_u16(status).expect("a status");
    Effect::Status { status, body: String::new(), headers, retry_after }
}

#[tokio::test(start_paused = true)]
async fn each_failure_says_what_to_do_and_whether_it_may_have_counted() {
    for (effect, unclear, words) in [
        (status(403, "AuthorizationPermissionMismatch", None), false, "Storage Blob Data Contributor"),
        (status(403, "AuthorizationFailure", None), false, "firewall"),
        (status(403, "AuthenticationFailed", None), false, "clock"),
        (status(401, "InvalidAuthenticationInfo", None), false, "tenant"),
        (status(429, "", None), false, "throttling requests"),
        (status(409, "ContainerBeingDeleted", None), false, "being deleted"),
        (status(400, "InvalidHeaderValue", None), false, "InvalidHeaderValue, 400"),
        (status(503, "ServerBusy", None), true, "ServerBusy, 503"),
        (status(500, "OperationTimedOut", None), true, "OperationTimedOut, 500"),
        (status(404, "", None), true, "check `endpoint`"),
        (Effect::Html(StatusCode::OK), true, "whether a proxy is in between"),
        (Effect::Html(StatusCode::NOT_FOUND), true, "whether a proxy is in between"),
        (Effect::Html(StatusCode::FORBIDDEN), false, "Storage Blob Data Contributor"),
        (Effect::ResetAfter, true, "connection reset"),
    ] {
        let (simulation, container, _) = world();
        simulation.faults.add(Fault::new(When { endpoint: Some(Endpoint::Blob), ..When::default() }, effect.clone()));
        let error = container.get("state").await.expect_err("it fails");
        assert_eq!(matches!(error, BlobError::Unclear { .. }), unclear, "{effect:?}: {error:?}");
        assert_eq!(matches!(error, BlobError::Refused { .. }), !unclear, "{effect:?}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains("s3cret"), "{effect:?}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_and_one_that_hangs() {
    let (simulation, container, _) = world();
    let when = || When { endpoint: Some(Endpoint::Blob), times: Some(1), ..When::default() };
    simulation.faults.add(Fault::new(when(), status(503, "ServerBusy", Some(RetryAfter::Seconds(7)))));
    let error = container.get("state").await.expect_err("busy");
    assert_eq!(error.wait(), Some(Duration::from_secs(7)));
    simulation.faults.add(Fault { delay: Duration::from_secs(60), ..Fault::new(when(), Effect::None) });
    let began = tokio::time::Instant::now();
    let error = container.create().await.expect_err("it hangs");
    assert!(matches!(&error, BlobError::Unclear { reason, .. } if reason.contains("within 10 s")), "{error}");
    assert_eq!(began.elapsed().as_secs(), 10);
    container.create().await.expect("it had counted, and that is as good");
}

/// Half a million names came for ten that were asked for, and all were kept.
#[tokio::test(start_paused = true)]
async fn a_list_of_more_than_was_requested_is_refused() {
    for (prefix, number, fits) in [("ids/", 10, true), ("ids/", 11, false), ("ids/", 500_000, false)] {
        let (simulation, container, _) = world();
        let names = "<Blob><Name>ids/a</Name></Blob>".repeat(number);
        let effect = Effect::Status {
            status: StatusCode::OK,
            body: format!("<EnumerationResults>{}</EnumerationResults>", names.replace("ids/", prefix)),
            headers: [("x-ms-request-id".to_owned(), "1".to_owned())].into(),
            retry_after: None,
        };
        simulation.faults.add(Fault::new(When { endpoint: Some(Endpoint::Blob), ..When::default() }, effect));
        let listed = container.list("ids/", 10).await.map(|names| names.len());
        let refused = || Err(BlobError::nonsense("its list holds more blobs than requested"));
        assert_eq!(listed, if fits { Ok(number) } else { refused() }, "{number} of {prefix}");
    }
}

/// Azure may return an empty page with a marker, but a list of those alone would never end.
#[tokio::test(start_paused = true)]
async fn a_list_of_empty_pages_comes_to_an_end() {
    let (simulation, container, _) = world();
    for (every, marker) in [(Some(2), "even"), (None, "odd")] {
        let effect = Effect::Status {
            status: StatusCode::OK,
            body: format!("<EnumerationResults><NextMarker>{marker}</NextMarker></EnumerationResults>"),
            headers: [("x-ms-request-id".to_owned(), "1".to_owned())].into(),
            retry_after: None,
        };
        simulation.faults.add(Fault::new(When { endpoint: Some(Endpoint::Blob), every, ..When::default() }, effect));
    }
    let listed = container.list("ids/", 10).await;
    assert_eq!(listed, Err(BlobError::nonsense("its list of blobs doesn't advance")));
}

/// A token that ends while it is used: one new one, and the request goes through.
#[tokio::test(start_paused = true)]
async fn a_refused_token_is_fetched_anew_once() {
    let (simulation, _, env) = world();
    simulation.entra.tokens.revoke("s3cret-token");
    env.disk.append_synced("token".as_ref(), b"old").await.expect("writes");
    simulation.entra.tokens.accept("old");
    let token = Secret::file("token");
    let credential = CredentialSettings::from(CredentialKind::Token(token));
    let http = HttpSettings::default();
    let container = Container::new(Simulation::BLOB_URL, "states", credential, &http, &env).expect("a container");
    container.create().await.expect("made");
    simulation.entra.tokens.revoke("old");
    simulation.entra.tokens.accept("new");
    env.disk.replace("token".as_ref(), b"new").await.expect("writes");
    assert_eq!(container.get("state").await, Err(BlobError::NoBlob));
    let statuses: Vec<_> =
        simulation.log().entries().iter().filter_map(|entry| entry.status).map(|s| s.as_u16()).collect();
    assert_eq!(statuses, [201, 401, 404]);
}

#[tokio::test(start_paused = true)]
async fn only_azures_own_word_says_that_there_is_nothing() {
    let (_, container, _) = world();
    assert_eq!(container.get("state").await, Err(BlobError::NoContainer));
    assert_eq!(container.lease("state").await, Err(BlobError::NoContainer));
    assert_eq!(container.list("", 10).await, Err(BlobError::NoContainer));
    container.create().await.expect("made");
    container.create().await.expect("there");
    assert_eq!(container.get("state").await, Err(BlobError::NoBlob));
    assert_eq!(container.lease("state").await, Err(BlobError::NoBlob));
    assert_eq!(container.list("", 10).await, Ok(Vec::new()));
    container.delete("state").await.expect("as good");
}

fn of<'a>(blocks: &'a [String], hash: &'a str) -> BlockBlob<'a> {
    BlockBlob { blocks, hash, content_type: "application/gzip", tier: Some("Cool"), tags: "source=nordpass" }
}

/// Nothing is seen until the list, which happens once: whoever repeats it learns whether the blob is the same.
#[tokio::test(start_paused = true)]
async fn blocks_become_a_blob_once() {
    let (simulation, container, _) = world();
    let blocks = ["QUFB".to_owned(), "QkJC".to_owned()];
    assert_eq!(container.put_block("a/b.gz", &blocks[0], "one".into()).await, Err(BlobError::NoContainer));
    container.create().await.expect("made");
    container.put_block("a/b.gz", &blocks[0], "one".into()).await.expect("taken");
    assert_eq!(container.put_block_list("a/b.gz", of(&blocks, "hash")).await, Err(BlobError::NoBlocks));
    assert_eq!(container.get("a/b.gz").await, Err(BlobError::NoBlob));
    for _ in 0..2 {
        container.put_block("a/b.gz", &blocks[1], "two".into()).await.expect("taken, however often");
    }
    container.put_block_list("a/b.gz", of(&blocks, "hash")).await.expect("committed");
    assert_eq!(container.get("a/b.gz").await.map(|blob| blob.bytes), Ok("onetwo".into()));
    assert_eq!(container.content_hash("a/b.gz").await, Ok("hash".to_owned()));
    for (header, value) in
        [("content-type", "application/gzip"), ("x-ms-access-tier", "Cool"), ("x-ms-tags", "source=nordpass")]
    {
        assert_eq!(simulation.blobs.property("states", "a/b.gz", header).as_deref(), Some(value));
    }
    let again = container.put_block_list("a/b.gz", of(&blocks, "hash")).await;
    assert!(matches!(again, Err(BlobError::Conflict { status: 409, .. })), "{again:?}");
    container.put("other", "x".into(), Demand::New).await.expect("written");
    assert_eq!(container.content_hash("other").await, Ok(String::new()));
    assert_eq!(container.content_hash("none").await, Err(BlobError::NoBlob));
    container.put_block("late.gz", &blocks[0], "one".into()).await.expect("taken");
    simulation.blobs.expire_blocks();
    assert_eq!(container.put_block_list("late.gz", of(&blocks[..1], "hash")).await, Err(BlobError::NoBlocks));
}

/// Two thousand sources that began at once sent two thousand requests: connections were refused, and leases couldn't be renewed in
/// time.
#[tokio::test(start_paused = true)]
async fn a_crowd_of_requests_is_bounded_and_no_lease_waits_for_it() {
    let (simulation, container, _) = world();
    container.create().await.expect("created");
    container.put("leased", "x".into(), Demand::New).await.expect("written");
    let id = "00000000-0000-4000-8000-000000000001";
    container.acquire("leased", id, 60).await.expect("taken");
    let when = When { path: Some("/slow".to_owned()), ..When::default() };
    simulation.faults.add(Fault { delay: Duration::from_secs(5), ..Fault::new(when, Effect::None) });
    let began = tokio::time::Instant::now();
    let crowd = futures::future::join_all((0..100).map(|_| container.get("slow")));
    let lease = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        container.renew("leased", id).await.expect("renewed");
        container.listed("", "").await.expect("a list");
        container.without_waiting().get("leased").await.expect("there");
        began.elapsed()
    };
    let (_, lease) = futures::future::join(crowd, lease).await;
    assert!(lease < Duration::from_secs(2), "{lease:?}");
    let rounds = 100_usize.div_ceil(MOST_AT_ONCE) as u64;
    assert_eq!(began.elapsed().as_secs(), 5 * rounds);
}

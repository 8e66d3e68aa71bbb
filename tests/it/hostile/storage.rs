//! The shared checkpoint's storage account.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::rig::{LONG, Rig};
use super::server::{Answer, Server};

/// A source opens its state in a container that answers like this.
async fn bounded(name: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) {
    let server = Server::new(answer).await;
    let rig = Rig::new().await;
    let text = format!(
        "[checkpoint]\nkind = \"azure_blob\"\nendpoint = \"http://127.0.0.1:{}\"\n\
         credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\n\
         [sources.nordpass]\ntype = \"nordpass\"\nendpoint = \"${{NORDPASS_ENDPOINT_URL}}\"\ntoken = \"${{NORDPASS_TOKEN}}\"\n\
         [transforms.rows]\ntype = \"event_log\"\ninputs = [\"nordpass\"]\n\
         [sinks.azure]\ntype = \"sentinel\"\ninputs = [\"rows\"]\nendpoint = \"${{DATA_COLLECTION_ENDPOINT}}\"\n\
         dcr_immutable_id = \"${{DCR_IMMUTABLE_ID}}\"\nstreams = {{ rows = \"Custom-NordPassEventLogs_CL\" }}\n\
         credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\n",
        server.port
    );
    // A state that is damaged isn't asked for again.
    rig.survives(name, &text, async |rig, round| {
        server.answers() >= 3 * round || rig.get("/ready").await.contains(r#""state":"failed""#)
    })
    .await;
}

fn azure(status: &str, body: impl Into<Vec<u8>>) -> Answer {
    let answer = Answer::new(status, body).header("x-ms-request-id", "r").header("x-ms-version", "2023-11-03");
    answer.header("etag", "\"0x1\"").header("x-ms-lease-state", "available")
}

/// The state's lease is free and given; reading the state itself gets this.
fn state(body: Vec<u8>) -> impl Fn(&str) -> Answer {
    let read = azure("200 OK", body);
    move |head| if head.starts_with("GET") { read.clone() } else { azure("201 Created", "") }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_endless_answers() {
    bounded("storage: without an end", |_| Answer::endless("200 OK", &vec![b'<'; 0x10000])).await;
    bounded("storage: a long refusal", |_| azure("403 Forbidden", "x".repeat(LONG))).await;
    bounded("storage: a state of zeros", state(vec![0; LONG])).await;
    // Frames announce their length: each of these a longer one than there is.
    bounded("storage: false heads of frames", state([0xff, 0xff, 0xff, 0x7f].repeat(LONG / 4))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_contradict_each_other() {
    let round = AtomicUsize::new(0);
    bounded("storage: exists and doesn't", move |_| {
        let (status, code) = match round.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => ("404 Not Found", "BlobNotFound"),
            1 => ("409 Conflict", "BlobAlreadyExists"),
            2 => ("404 Not Found", "ContainerNotFound"),
            _ => ("412 Precondition Failed", "ConditionNotMet"),
        };
        azure(status, "").header("x-ms-error-code", code)
    })
    .await;
    bounded("storage: always another version", |head| {
        let code = if head.contains("comp=lease") { "201 Created" } else { "412 Precondition Failed" };
        azure(code, "").header("x-ms-error-code", "ConditionNotMet")
    })
    .await;
}

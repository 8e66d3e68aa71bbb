//! The Logs Ingestion API.

use super::rig::{LONG, Rig};
use super::server::{Answer, Server};

/// A sink sends batches, gets this answer, and sends again.
async fn bounded(name: &str, answer: Answer) {
    let server = Server::new(move |_| answer.clone()).await;
    let mut rig = Rig::new().await;
    // One of them shows that the drain has an end.
    rig.drains = name.ends_with("without an end");
    let text = format!(
        "[sources.made]\ntype = \"generate\"\nrate = 2000\n[transforms.rows]\ntype = \"event_log\"\ninputs = [\"made\"]\n\
         [sinks.azure]\ntype = \"sentinel\"\ninputs = [\"rows\"]\nendpoint = \"http://127.0.0.1:{}\"\n\
         dcr_immutable_id = \"${{DCR_IMMUTABLE_ID}}\"\nstreams = {{ rows = \"Custom-NordPassEventLogs_CL\" }}\n\
         credential = {{ kind = \"token\", token = \"${{AZURE_TOKEN}}\" }}\nbatch = {{ timeout = \"200ms\" }}\n",
        server.port
    );
    rig.survives(name, &text, async |_, round| server.answers() >= 6 * round).await;
}

fn refusal(status: &str, message: &str) -> Answer {
    Answer::new(status, format!(r#"{{"error":{{"code":"InvalidRecord","message":"{message}"}}}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_endless_refusals() {
    bounded("ingestion: a long refusal", refusal("400 Bad Request", &"x".repeat(LONG))).await;
    bounded("ingestion: a refusal without an end", Answer::endless("400 Bad Request", &vec![b'['; 0x10000])).await;
    bounded("ingestion: depth", Answer::new("413 Payload Too Large", "[".repeat(1_000_000))).await;
    let many: Vec<String> = (0..60_000).map(|number| format!(r#""{number}":{{}}"#)).collect();
    bounded("ingestion: many fields", Answer::new("400 Bad Request", format!("{{{}}}", many.join(",")))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn successes_that_are_none() {
    bounded("ingestion: 204 with a body", Answer::new("204 No Content", "x".repeat(LONG))).await;
    bounded("ingestion: 200 without an end", Answer::endless("200 OK", &vec![b' '; 0x10000])).await;
    bounded("ingestion: a redirect", Answer::new("307 Temporary Redirect", "").header("location", "/again")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_waits_of_every_size() {
    for wait in ["99999999999999999999", "-1", "Fri, 31 Dec 9999 23:59:59 GMT", "\u{1}"] {
        let throttled = Answer::new("500 Internal Server Error", "").header("x-ms-error-code", &"X".repeat(60_000));
        bounded("ingestion: a wait", throttled.header("retry-after-ms", wait)).await;
    }
    let many = (0..5_000)
        .fold(Answer::new("400 Bad Request", ""), |answer, number| answer.header(&format!("x-{number}"), "1"));
    bounded("ingestion: many headers", many).await;
}

//! Entra, and a managed identity's endpoint: both answers go through one transport, so one of them stands for both.

use std::fmt::Write as _;

use super::rig::{LONG, Rig};
use super::server::{Answer, Server};

const SINKS: usize = 5;

/// The sinks ask for tokens, get this answer, and ask again.
async fn bounded(name: &str, answer: Answer) {
    let server = Server::new(move |_| answer.clone()).await;
    let mut rig = Rig::new().await;
    // One of them shows that the drain has an end.
    rig.drains = name.ends_with("token: without an end");
    rig.set("IDENTITY_ENDPOINT", format!("http://127.0.0.1:{}/token", server.port));
    let mut text =
        "[sources.made]\ntype = \"generate\"\n[transforms.rows]\ntype = \"event_log\"\ninputs = [\"made\"]\n"
            .to_owned();
    for number in 0..SINKS {
        let _ = write!(
            text,
            "[sinks.s{number}]\ntype = \"sentinel\"\ninputs = [\"rows\"]\nendpoint = \"${{DATA_COLLECTION_ENDPOINT}}\"\n\
             dcr_immutable_id = \"${{DCR_IMMUTABLE_ID}}\"\nstreams = {{ rows = \"Custom-NordPassEventLogs_CL\" }}\n\
             credential = {{ kind = \"managed_identity\" }}\nbatch = {{ timeout = \"200ms\" }}\n",
        );
    }
    rig.survives(name, &text, async |_, round| server.answers() >= 2 * round * SINKS).await;
}

fn token(fields: &str) -> Answer {
    Answer::new("200 OK", format!(r#"{{"token_type":"Bearer","resource":"r",{fields}}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn long_and_endless_token_answers() {
    bounded("token: a long string", token(&format!(r#""access_token":"{}""#, "x".repeat(LONG)))).await;
    bounded("token: without an end", Answer::endless("200 OK", &vec![b' '; 0x10000])).await;
    bounded("token: refusal without an end", Answer::endless("400 Bad Request", br#"{"error":"#)).await;
    let nested = format!(r#""a":{}{}"#, "[".repeat(400_000), "]".repeat(400_000));
    bounded("token: depth", token(&nested)).await;
    let fields: Vec<String> = (0..90_000).map(|number| format!(r#""{number}":1"#)).collect();
    bounded("token: many fields", token(&fields.join(","))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_bytes_that_no_token_has() {
    for (name, fields) in [
        ("token: expires_in 10^12", r#""access_token":"t","expires_in":1000000000000"#),
        ("token: expires_on 10^300", r#""access_token":"t","expires_on":1e300"#),
        ("token: expires_on below zero", r#""access_token":"t","expires_on":"-9223372036854775808""#),
        ("token: a line break", r#""access_token":"a\r\nb","expires_in":3600"#),
        ("token: a number", r#""access_token":7,"expires_in":3600"#),
        ("token: of a megabyte", &format!(r#""access_token":"{}","expires_in":3600"#, "x".repeat(1_000_000))),
    ] {
        bounded(name, token(fields)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_every_size() {
    let refused = || Answer::new("429 Too Many Requests", "");
    bounded("token: a long header", refused().header("retry-after", &"9".repeat(1_000_000))).await;
    let many = (0..5_000).fold(refused(), |answer, number| answer.header(&format!("x-{number}"), "1"));
    bounded("token: many headers", many).await;
    let redirect = Answer::new("302 Found", "").header("location", "http://169.254.169.254/again");
    bounded("token: a redirect", redirect).await;
}

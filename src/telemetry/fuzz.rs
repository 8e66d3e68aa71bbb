//! Fuzz targets: requests to the API server, and text on its way to a terminal.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_util::sync::CancellationToken;

use super::server::Limits;
use super::terminal::{plain, plain_lines};
use super::{Telemetry, api, server};
use crate::fuzz::{answer, disk, env, is_json, text, wait};

/// A request as it comes from the network.
pub(crate) fn request(data: &[u8]) {
    let limits = api::limits(vec!["sentinel.example".to_owned()]);
    // The headers of the input, read as an answer's are.
    let headers = answer(data).headers().clone();
    let functions = Limits { hosts: [].into(), addresses: false, ..limits.clone() };
    for limits in [&limits, &functions] {
        if server::is_ours(limits, &headers)
            && let Some(host) = headers.get("host")
        {
            check_host(limits, host.to_str().expect("a host is text"));
        }
    }
    let answer = wait(async {
        let (mut client, server) = duplex(64 << 10);
        let router = api::router(Telemetry::new(), env(&disk("unused", ""), http::Response::default()));
        let serving = server::connection(server, router, limits, std::sync::Arc::default(), CancellationToken::new());
        let asking = async move {
            let _ = client.write_all(data).await;
            let _ = client.shutdown().await;
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer).await;
            answer
        };
        tokio::join!(serving, asking).1
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    if answer.starts_with(b"HTTP/1.1 2") {
        let head = text(&answer).to_ascii_lowercase();
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("default-src 'none'"), "{head}");
    }
}

/// A host that is answered is this machine, or what the limits say.
fn check_host(limits: &Limits, host: &str) {
    let host = host.to_ascii_lowercase();
    let host = host.rsplit('@').next().unwrap_or_default();
    // An address in brackets has colons of its own.
    let name = if host.starts_with('[') { host.split(']').next() } else { host.split(':').next() };
    let name = name.unwrap_or_default();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_address = address.is_ok_and(|address| limits.addresses || address.is_loopback());
    let is_listed = limits.hosts.iter().any(|listed| listed == name);
    assert!(is_address || name == "localhost" || is_listed, "answers to {host}");
}

/// A text from outside.
pub(crate) fn terminal(data: &[u8]) {
    let text = text(data);
    let shown = plain(&text);
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{2028}', '\u{e0041}']), "{shown:?}");
    assert_eq!(plain(&shown), shown, "what is plain stays");
    assert!(shown.len() <= text.len() * 6, "grows by more than escapes");
    assert!(!plain_lines(&text).contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
    // Escapes inside of strings are the same JSON; outside there is none but white space.
    if is_json(&text) && !text.contains(['\n', '\t', '\r']) {
        assert!(is_json(&shown), "{shown}");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
        assert_eq!(value(&shown), value(&text));
    }
}

use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::faults::{Effect, Fault, When};
use crate::{Endpoint, SimulatedEvent, Simulation, SimulationOptions};
use nordpass_env::SystemClock;

const TOKEN: &str = "simulated-nordpass-token";

async fn start(simulation: &Simulation, options: ServerOptions) -> Server {
    Server::start(simulation.gate(simulation.nordpass.clone()), Arc::new(SystemClock), options).await.expect("a port")
}

fn simulation() -> Simulation {
    let event = r#"{"type":"lock","metadata":{"probe":"p"}}"#;
    let events = vec![SimulatedEvent::from_json(event, SystemClock.now_seconds() - 60)];
    Simulation::new(SimulationOptions { events, ..SimulationOptions::default() }, Timestamp::UNIX_EPOCH)
}

/// Sends requests one after the other on one connection; what comes back until the server ends it.
async fn raw(server: &Server, requests: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(server.address()).await.expect("listening");
    for number in 1..=requests {
        let connection = if number == requests { "close" } else { "keep-alive" };
        let head = format!(
            "POST /activities/query HTTP/1.1\r\nhost: localhost\r\nauthorization: {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: {connection}\r\n\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).await.expect("written");
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn connections_are_kept() {
    let simulation = simulation();
    let server = start(&simulation, ServerOptions::default()).await;
    let text = raw(&server, 3).await.expect("an orderly end");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(text.to_lowercase().contains("content-length: "), "{text}");
    assert_eq!(simulation.log().at(Endpoint::Nordpass).len(), 3);
}

#[tokio::test]
async fn bodies_can_travel_in_chunks() {
    let server = start(&simulation(), ServerOptions { chunked: true, ..ServerOptions::default() }).await;
    let text = raw(&server, 1).await.expect("an orderly end").to_lowercase();
    assert!(text.contains("transfer-encoding: chunked") && !text.contains("content-length"), "{text}");
    assert!(text.ends_with("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn resets_are_real() {
    let simulation = simulation();
    let server = start(&simulation, ServerOptions::default()).await;
    for (effect, taken) in [(Effect::ResetBefore, 0), (Effect::ResetAfter, 1)] {
        simulation.faults.clear();
        simulation.faults.add(Fault::new(When::default(), effect));
        let error = raw(&server, 1).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let log = simulation.log().entries();
        assert!(log.last().is_some_and(|entry| entry.status.is_none()));
        assert_eq!(simulation.nordpass.shown().total(), taken, "whether the simulator had the request");
    }
}

#[tokio::test]
async fn answers_break_off() {
    let simulation = simulation();
    let server = start(&simulation, ServerOptions::default()).await;
    simulation.faults.add(Fault::new(When::default(), Effect::Truncate(10)));
    let text = raw(&server, 1).await.expect("an early but orderly end");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, r#"{"data":[{"#);
    assert!(!head.to_lowercase().contains("content-length: 10\r\n"), "{head}");
}

#[tokio::test]
async fn tls_is_trusted_through_its_authority() {
    let authority = Authority::new().expect("a certificate");
    let server = start(&simulation(), ServerOptions { tls: Some(authority.clone()), ..ServerOptions::default() }).await;
    assert!(server.url().starts_with("https://localhost:"));
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = |pem: &str| {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        let builder = reqwest::Client::builder().tls_certs_only([certificate]).timeout(Duration::from_secs(20));
        builder.no_proxy().build().expect("a client")
    };
    let ask = |client: reqwest::Client, host: &str| {
        let request = client.post(format!("https://{host}:{}/activities/query", server.address().port()));
        request.header("authorization", TOKEN).header("content-type", "application/json").body("{}").send()
    };
    for host in ["localhost", "127.0.0.1"] {
        let response = ask(client(&authority.pem), host).await.expect("trusted");
        assert_eq!(response.status(), 200);
    }
    let another = Authority::new().expect("a certificate");
    assert!(ask(client(&another.pem), "localhost").await.is_err(), "another authority isn't trusted");
}

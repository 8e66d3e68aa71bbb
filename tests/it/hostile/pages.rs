//! Pages of NordPass.

use std::fmt::Write as _;
use std::net::TcpListener;

use nordpass_simulator::SimulationOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Server;
use crate::support::{Process, World, now, skipped, until};

const SOURCES: usize = 20;
/// A little below the longest answer that is read.
const LONG: usize = 31 << 20;
/// The most resident memory, in KiB.
const MOST: u64 = 160 << 10;
/// What a debug build has besides: larger futures, and answers that pile up while it is slow. On a busy machine it took up to
/// 263 MiB. Without the bounds, these attacks take 700 MiB and more.
const DEBUG: u64 = if cfg!(debug_assertions) { 240 << 10 } else { 0 };

fn event(metadata: &str) -> String {
    let time = now() - 3_600;
    format!(
        r#"{{"type":"item_access","action":"item_viewed","timestamp":{time},"organization_uuid":"o","user":{{"uuid":"u"}},"metadata":{metadata}}}"#
    )
}

fn page(elements: &[String]) -> Vec<u8> {
    let total = elements.len();
    format!(r#"{{"data":[{}],"metadata":{{"total":{total},"per_page":100}}}}"#, elements.join(",")).into_bytes()
}

fn fields(bytes: usize) -> String {
    let mut fields = String::from(r#"{"k":0"#);
    for number in 0_u64.. {
        if fields.len() > bytes {
            break;
        }
        let _ = write!(fields, r#","{number}":1"#);
    }
    fields + "}"
}

fn hundred(element: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let filling = "x".repeat(LONG / 110);
    page(&(0..100).map(|number| element(number, &filling)).collect::<Vec<_>>())
}

/// Every peak, in KiB, with twenty sources that get this answer at once.
async fn peak(body: Vec<u8>) -> Option<u64> {
    let server = Server::new(body).await;
    let world = World::new(SimulationOptions::default()).await;
    let api = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mut text = format!("data_dir = \"hostile\"\n[api]\nlisten = \"127.0.0.1:{api}\"\n");
    let names: Vec<String> = (0..SOURCES).map(|number| format!("\"n{number}\"")).collect();
    for name in &names {
        let port = server.port;
        let _ = write!(
            text,
            "[sources.{name}]\ntype = \"nordpass\"\nendpoint = \"http://127.0.0.1:{port}/{}\"\ntoken = \"${{NORDPASS_TOKEN}}\"\n",
            name.trim_matches('"')
        );
    }
    let _ = write!(
        text,
        "[transforms.asim]\ntype = \"asim\"\ninputs = [{}]\n[sinks.drop]\ntype = \"blackhole\"\n\
         inputs = [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n",
        names.join(", ")
    );
    let file = world.pipeline("hostile.toml", &text);
    let process = Process::start(world.command(&["run", file.to_str().expect("a path")]));
    until("all sources to have an answer", || server.answers() >= 2 * SOURCES).await;
    let mut stream = TcpStream::connect(("127.0.0.1", api)).await.expect("it listens");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("asked");
    let mut health = String::new();
    stream.read_to_string(&mut health).await.expect("answered");
    assert!(health.ends_with("alive\n"), "{health}");
    until("some more", || server.answers() >= 4 * SOURCES).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id()));
    assert!(process.terminate().await.success(), "SIGTERM is obeyed");
    let status = status.ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    peak.trim().trim_end_matches(" kB").parse().ok()
}

#[expect(clippy::print_stdout, reason = "the figure is for people")]
async fn bounded(name: &str, body: Vec<u8>) {
    match peak(body).await {
        None => skipped("there is no /proc here, so that the memory wasn't measured"),
        Some(kib) => {
            println!("{name}: {} MiB at most", kib >> 10);
            assert!(kib < MOST + DEBUG, "{name}: {kib} KiB at most");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_elements_than_were_asked_for() {
    bounded("empty objects", page(&vec!["{}".to_owned(); LONG / 3])).await;
    bounded("zeros", page(&vec!["0".to_owned(); LONG / 2])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values() {
    bounded("one string", page(&[event(&format!(r#"{{"name":"{}"}}"#, "x".repeat(LONG)))])).await;
    bounded("a hundred strings", hundred(|number, filling| format!(r#""{number}{filling}""#))).await;
    bounded("a hundred events", hundred(|number, filling| event(&format!(r#"{{"a":"{number}{filling}"}}"#)))).await;
    bounded("twins", hundred(|_, filling| event(&format!(r#"{{"a":"{filling}"}}"#)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fields() {
    bounded("metadata", page(&[event(&fields(LONG))])).await;
    bounded("nested", page(&[event(&format!(r#"{{"n":{}}}"#, fields(LONG)))])).await;
    bounded("unknown", page(&[fields(LONG)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_and_bytes() {
    let organizations = |number: usize, filling: &str| {
        event(&format!(r#"{{"a":{number}}}"#)).replace(r#""o""#, &format!(r#""{number}{}""#, &filling[..100_000]))
    };
    bounded("organizations", hundred(organizations)).await;
    let names = |number: usize, filling: &str| format!(r#"{{"{number}{filling}":1}}"#);
    bounded("field names", hundred(names)).await;
    bounded("no UTF-8", [br#"{"data":[""#.to_vec(), vec![0xff; LONG], br#""]}"#.to_vec()].concat()).await;
    bounded("depth", page(&[event(&format!("{}{}", "[".repeat(LONG / 2), "]".repeat(LONG / 2)))])).await;
}

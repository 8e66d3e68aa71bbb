//! Hundreds of organizations in one process while nothing happens: what they cost, and whether their polls are spread.
#![expect(clippy::disallowed_methods, reason = "measuring is what this is for; nothing is decided by it")]

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use serde_json::json;
use tools_common::process::Running;

use super::report::Section;
use super::{Bench, measure, mib};

/// The response of a NordPass without events.
const NOTHING: &str = r#"{"data":[],"metadata":{"total":0,"per_page":100,"current_page":1}}"#;
/// Until the first connections are over, and each source has come to a time of its own.
const SETTLE: Duration = Duration::from_secs(75);

/// Measures it.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let (sources, length) = (bench.options.size(500, 50), Duration::from_secs(bench.options.size(120, 20)));
    println!("{sources} organizations, idle for {} s after {} s", length.as_secs(), SETTLE.as_secs());
    let (sender, asked) = mpsc::channel();
    let address = serve(sender).map_err(|error| format!("can't serve: {error}"))?;
    let pipeline = bench.folder.join("organizations.toml");
    tools_common::write(&pipeline, text(sources, address))?;
    let mut command = Command::new(&bench.programs.product);
    command.arg("run").arg(&pipeline).env("DATA_DIR", bench.state()?).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Running::start(&mut command)?;
    thread::sleep(SETTLE);
    let proc = Path::new("/proc").join(process.0.id().to_string());
    let before = measure::look(&proc)?;
    asked.try_iter().for_each(drop);
    let began = Instant::now();
    thread::sleep(length);
    let after = measure::look(&proc)?;
    let sockets = sockets(&proc);
    drop(process);
    let asked: Vec<Instant> = asked.try_iter().collect();
    let mut seconds = vec![0u32; usize::try_from(length.as_secs()).unwrap_or(0).max(1)];
    for at in &asked {
        let second = usize::try_from(at.saturating_duration_since(began).as_secs()).unwrap_or(usize::MAX);
        if let Some(number) = seconds.get_mut(second) {
            *number += 1;
        }
    }
    let mean = asked.len() as f64 / length.as_secs_f64();
    let most = seconds.iter().max().copied().unwrap_or(0);
    let cpu = (after.cpu - before.cpu) / length.as_secs_f64() * 100.0;
    Ok(Section {
        title: "Idle organizations in one process",
        head: &["organizations", "CPU, % of a core", "resident MiB", "sockets", "requests/s", "most in a second"],
        lines: vec![vec![
            sources.to_string(),
            format!("{cpu:.2}"),
            format!("{:.1}", mib(after.resident)),
            sockets.to_string(),
            format!("{mean:.1}"),
            most.to_string(),
        ]],
        note: format!("Over {} s, each organization polled every 60 s.", length.as_secs()),
        raw: json!({"organizations": sources, "cpu_percent": cpu, "resident_bytes": after.resident, "sockets": sockets,
            "requests_by_second": seconds}),
        ..Section::default()
    })
}

fn text(sources: u32, address: SocketAddr) -> String {
    let mut text = "data_dir = \"${DATA_DIR}\"\n".to_owned();
    for number in 1..=sources {
        let _ = write!(
            text,
            "\n[sources.organization_{number}]\ntype = \"nordpass\"\nendpoint = \"http://{address}/activities/query\"\n\
             token = \"token-{number}\"\n"
        );
    }
    let names: Vec<String> = (1..=sources).map(|number| format!("\"organization_{number}\"")).collect();
    let _ = write!(
        text,
        "\n[transforms.asim]\ntype = \"asim\"\ninputs = [{}]\n\n[sinks.nowhere]\ntype = \"blackhole\"\n\
         inputs = [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n",
        names.join(", ")
    );
    text
}

/// Serves a NordPass without events, which notes when it is asked. Returns its address.
fn serve(asked: Sender<Instant>) -> std::io::Result<SocketAddr> {
    let answer = move |_: Bytes| {
        let _ = asked.send(Instant::now());
        async { ([(header::CONTENT_TYPE, "application/json")], NOTHING) }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    thread::spawn(move || runtime.block_on(axum::serve(listener, Router::new().fallback(answer)).into_future()));
    Ok(address)
}

/// Counts the open sockets of a process.
fn sockets(proc: &Path) -> usize {
    let files = fs::read_dir(proc.join("fd")).into_iter().flatten().flatten();
    files
        .filter(|file| fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:")))
        .count()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn the_idle_nordpass_answers_and_notes_when_it_is_asked() {
        let (sender, asked) = mpsc::channel();
        let mut stream = std::net::TcpStream::connect(serve(sender).expect("a server")).expect("a connection");
        let request = "POST /activities/query HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        let closing = request.replace("host: x", "host: x\r\nconnection: close");
        stream.write_all(format!("{request}{closing}").as_bytes()).expect("sent");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("answers");
        assert_eq!(answers.matches(NOTHING).count(), 2, "{answers}");
        assert_eq!(asked.try_iter().count(), 2);
    }
}

//! How soon after its start the program asks NordPass for the first time.
#![expect(clippy::disallowed_methods, reason = "measuring is what this is for; nothing is decided by it")]

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tools_common::process::Running;

use super::report::Section;
use super::{Bench, extremes, median};

/// The program doesn't ask at all if it hasn't by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures it.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let starts = bench.options.size(10, 3);
    println!("{starts} starts");
    let times: Vec<f64> = (0..starts).map(|_| start(bench)).collect::<Result<_, _>>()?;
    let milliseconds = |value: f64| format!("{:.1}", value * 1e3);
    let (lowest, highest) = extremes(&times);
    let figures = [median(&times), lowest, highest].map(milliseconds);
    Ok(Section {
        title: "From the start to the first request",
        head: &["starts", "median ms", "lowest ms", "highest ms"],
        lines: vec![[times.len().to_string()].into_iter().chain(figures).collect()],
        raw: json!({ "seconds": times }),
        ..Section::default()
    })
}

/// Returns the seconds from the start of the process to the first bytes of its first request.
fn start(bench: &Bench) -> Result<f64, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no port: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("no address: {error}"))?;
    let mut command = Command::new(&bench.programs.product);
    command.arg("run").arg(Bench::pipeline("startup.toml")).env("DATA_DIR", bench.state()?).env("TOKEN", "token");
    command.env("NORDPASS", format!("http://{address}/activities/query")).stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, arrival) = mpsc::channel();
    thread::spawn(move || {
        let read = listener.accept().and_then(|(mut stream, _)| stream.read_exact(&mut [0; 4]));
        let _ = sender.send(read);
    });
    let began = Instant::now();
    let _process = Running::start(&mut command)?;
    let read = arrival.recv_timeout(PATIENCE).map_err(|_| "the program sends no request".to_owned())?;
    read.map_err(|error| format!("the first request broke off: {error}"))?;
    Ok(began.elapsed().as_secs_f64())
}

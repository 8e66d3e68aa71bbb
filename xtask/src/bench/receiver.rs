//! The receiver of the reference, started for one run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tools_common::json;
use tools_common::process::{Running, line};

/// A receiver that listens.
pub struct Receiver {
    _process: Running,
    /// `http://127.0.0.1:PORT`
    pub address: String,
}

/// What arrived, as the receiver counts it. The floor says the same of what it made, without the rest.
#[derive(Deserialize)]
pub struct Arrived {
    /// Rows of all bodies.
    pub rows: u64,
    /// Different values of `EventOriginalUid`.
    #[serde(rename = "distinct_uids")]
    pub distinct: Option<u64>,
    /// Bytes before gzip.
    pub raw_bytes: u64,
    /// Bytes after gzip.
    pub wire_bytes: u64,
    #[serde(default)]
    bad_bodies: u64,
    /// What the receiver itself used of the processors during the run, in seconds.
    pub cpu_seconds: Option<f64>,
}

/// What the receiver says before it counts rows.
#[derive(Deserialize)]
struct Uncounted {
    cpu_seconds: Option<f64>,
}

impl Receiver {
    /// Starts one. `drop_bodies` counts each body at once and drops it: for runs whose bodies don't fit in memory.
    pub fn start(program: &Path, drop_bodies: bool) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(drop_bodies.then_some("--drop-bodies"));
        let (process, mut output) = Running::piped(&mut command)?;
        let address = line(&mut output)?;
        Ok(Self { _process: process, address: address.trim().to_owned() })
    }

    /// Returns what has arrived, of a run that sends events: these show no id, so their number has to be right.
    pub fn events_arrived(&self, events: u64) -> Result<Arrived, String> {
        let arrived = self.stats()?;
        let Arrived { rows, bad_bodies, .. } = arrived;
        if (rows, bad_bodies) == (events, 0) {
            return Ok(arrived);
        }
        Err(format!("{events} events were read, but {rows} and {bad_bodies} broken bodies arrived"))
    }

    fn stats(&self) -> Result<Arrived, String> {
        // Its own time first: counting isn't part of the run.
        let Uncounted { cpu_seconds } = self.get("/stats")?;
        Ok(Arrived { cpu_seconds, ..self.get("/stats?rows=1")? })
    }

    /// Returns what has arrived. Every row has to be whole, and to be there exactly once.
    pub fn arrived(&self, events: u64) -> Result<Arrived, String> {
        let arrived = self.stats()?;
        let Arrived { rows, distinct, bad_bodies, .. } = arrived;
        if (rows, distinct, bad_bodies) == (events, Some(events), 0) {
            return Ok(arrived);
        }
        let distinct = distinct.unwrap_or(0);
        Err(format!(
            "{events} events were read, but {rows} rows with {distinct} ids and {bad_bodies} broken bodies arrived"
        ))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let host = self.address.trim_start_matches("http://");
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(host)?;
            write!(stream, "GET {path} HTTP/1.0\r\nhost: {host}\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = answer().map_err(|error| format!("the receiver doesn't answer: {error}"))?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        json::parse("what the receiver says", body)
    }
}

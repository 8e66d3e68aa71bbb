//! Writes the reference workload to a file, or to standard output.
//!
//! `workload [--events N] [--seed N] [--out FILE]`
#![expect(clippy::print_stderr, reason = "this program is for people at a terminal")]

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use bench_reference::workload::Workload;

/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut events, mut seed, mut out) = (1_000_000, 1, None);
    for pair in arguments.chunks(2) {
        let parsed = match pair {
            [name, value] if name == "--events" => value.parse().map(|value| events = value).is_ok(),
            [name, value] if name == "--seed" => value.parse().map(|value| seed = value).is_ok(),
            [name, value] if name == "--out" => {
                out = Some(value);
                true
            }
            _ => false,
        };
        if !parsed {
            eprintln!("usage: workload [--events N] [--seed N] [--out FILE]");
            return ExitCode::from(2);
        }
    }
    let written = match out {
        Some(path) => File::create(path).and_then(|file| write(Workload::new(events, seed), file)),
        None => write(Workload::new(events, seed), io::stdout().lock()),
    };
    match written {
        Ok(bytes) => {
            eprintln!("{events} events, {bytes} bytes, {:.1} a line", bytes as f64 / events.max(1) as f64);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", out.map_or("standard output", |path| path));
            ExitCode::FAILURE
        }
    }
}

/// Answers how many bytes it wrote.
fn write(mut workload: Workload, mut out: impl Write) -> io::Result<u64> {
    let (mut block, mut bytes) = (String::with_capacity(BLOCK + 4096), 0);
    loop {
        let more = workload.write_line(&mut block);
        if block.len() >= BLOCK || !more {
            out.write_all(block.as_bytes())?;
            bytes += block.len() as u64;
            block.clear();
        }
        if !more {
            return Ok(bytes);
        }
    }
}

//! The floor: what one thread needs to read, parse, map, write and compress a recording, without network, repetitions,
//! checkpoints or settings. No complete pipeline of the same parts can be cheaper.
//!
//! `floor FILE LEVEL` prints one line of JSON: `rows`, `bodies`, `raw_bytes`, `wire_bytes`. With `events` behind them it maps nothing: the
//! parsed events themselves are written as NDJSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for people and scripts")]

mod batches;
mod event;
mod row;
mod time;
mod words;

use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use batches::{Batches, Totals, What};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Read at once.
const BLOCK: usize = 256 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, level, what) = match arguments.as_slice() {
        [path, level] => (path, level, What::Rows),
        [path, level, word] if word == "events" => (path, level, What::Events),
        _ => return usage(),
    };
    let Ok(level) = level.parse() else { return usage() };
    match run(path, level, what) {
        Ok(Totals { rows, bodies, raw, wire }) => {
            println!("{{\"rows\":{rows},\"bodies\":{bodies},\"raw_bytes\":{raw},\"wire_bytes\":{wire}}}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: floor FILE LEVEL [events]");
    ExitCode::from(2)
}

fn run(path: &str, level: u32, what: What) -> io::Result<Totals> {
    let mut batches = Batches::new(level, what);
    let mut mapper = row::Mapper::default();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BLOCK];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0); // a line longer than the buffer
        }
        let read = file.read(&mut buffer[filled..])?;
        filled += read;
        let whole = match (memchr::memrchr(b'\n', &buffer[..filled]), read) {
            (Some(end), _) => end + 1,
            (None, 0) => filled,
            (None, _) => continue,
        };
        // Checked once for a whole block, so that every string in it is borrowed without a further look.
        let text = std::str::from_utf8(&buffer[..whole]).map_err(io::Error::other)?;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text.as_bytes()).chain((read == 0).then_some(whole)) {
            let line = &text[start..end.max(start)];
            start = end + 1;
            if !line.is_empty() {
                let event = serde_json::from_str(line)?;
                match what {
                    What::Rows => {
                        let (stream, row) = mapper.map(line, &event)?;
                        batches.push(stream, row)?;
                    }
                    What::Events => {
                        std::hint::black_box(&event);
                        batches.push(words::Stream::AuditEvent, line.as_bytes())?;
                    }
                }
            }
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if read == 0 {
            return batches.finish();
        }
    }
}

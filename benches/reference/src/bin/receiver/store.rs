//! What has arrived.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::count;

/// Clock ticks a second in `/proc`: Linux's constant for all programs.
const TICKS: f64 = 100.0;

/// A body as it arrived.
pub struct Received {
    /// Whether it is compressed.
    pub gzip: bool,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Everything that has arrived.
#[derive(Default)]
pub struct Store {
    drop_bodies: bool,
    bodies: Vec<Received>,
    requests: u64,
    wire_bytes: u64,
    first: f64,
    last: f64,
    raw_bytes: u64,
    rows: u64,
    bad_bodies: u64,
    uids: HashSet<u64>,
}

impl Store {
    /// Nothing yet. `drop_bodies` counts each body as it comes, and drops it.
    pub fn new(drop_bodies: bool) -> Self {
        Self { drop_bodies, ..Self::default() }
    }

    /// Keeps a body.
    pub fn keep(&mut self, received: Received) {
        self.last = now();
        if self.requests == 0 {
            self.first = self.last;
        }
        self.requests += 1;
        self.wire_bytes += received.body.len() as u64;
        self.bodies.push(received);
        if self.drop_bodies {
            self.count();
        }
    }

    /// Looks into the bodies that haven't been counted.
    fn count(&mut self) {
        for Received { gzip, body } in std::mem::take(&mut self.bodies) {
            match count::decode(gzip, &body) {
                Ok(raw) => {
                    self.raw_bytes += raw.len() as u64;
                    self.rows += count::rows(&raw);
                    count::uids(&raw, &mut self.uids);
                }
                Err(_) => self.bad_bodies += 1,
            }
        }
    }

    /// Figures; `rows` counts what is inside the bodies first.
    pub fn stats(&mut self, rows: bool) -> Value {
        let mut stats = json!({
            "requests": self.requests,
            "wire_bytes": self.wire_bytes,
            "first_arrival": self.first,
            "last_arrival": self.last,
            "cpu_seconds": cpu_seconds(),
        });
        if rows {
            self.count();
            stats["raw_bytes"] = self.raw_bytes.into();
            stats["rows"] = self.rows.into();
            stats["distinct_uids"] = self.uids.len().into();
            stats["bad_bodies"] = self.bad_bodies.into();
        }
        stats
    }
}

/// Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the difference of two arrivals is shown to people")]
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

/// What this process has used of the processors so far.
fn cpu_seconds() -> f64 {
    // The 14th and 15th word; the second, the program's name, has no blank here.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat.split(' ').skip(13).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS
}

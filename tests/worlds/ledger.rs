//! What the destination has accepted, row by row: by which life of the process, and whether it heard of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, StatusCode};
use jiff::Timestamp;
use nordpass_simulator::ingestion::Ingestion;
use nordpass_simulator::{Endpoint, Reply, Service};
use serde_json::Value;
use tokio::time::Instant;

/// The header by which a request's answer finds its entry.
pub const NUMBER: &str = "x-world-request";

/// So many wrong rows say it all.
const MOST_WRONG: usize = 10;

/// Where rows and events end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// The ASIM tables of the first workspace.
    Sentinel,
    /// The official connector's table, in the second workspace.
    Official,
    /// The ASIM tables of the second workspace.
    Urgent,
    /// Files of events.
    Archive,
    /// A receiver of records over HTTP.
    Receiver,
}

impl Destination {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sentinel, Self::Official, Self::Urgent, Self::Archive, Self::Receiver];
    /// Those that requests go to.
    pub const REQUESTED: [Self; 4] = [Self::Sentinel, Self::Official, Self::Urgent, Self::Receiver];

    /// Its sink's name.
    pub fn sink(self) -> &'static str {
        match self {
            Self::Sentinel => "sentinel",
            Self::Official => "official",
            Self::Urgent => "urgent",
            Self::Archive => "archive",
            Self::Receiver => "receiver",
        }
    }
}

/// What is wrong with a row: told by its destination, its event's probe, the id that it shows, and itself.
pub type Check = dyn Fn(Destination, &str, u128, &Value) -> Option<String> + Send + Sync;

/// One accepted copy of a row.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Which life of the process sent it.
    pub life: u64,
    /// When.
    pub at: Instant,
    /// The request.
    pub request: u64,
}

/// The rows of one table kind: by id, what was accepted.
pub type Rows = BTreeMap<u128, Vec<Delivery>>;

/// The destination, with a book about it.
pub struct Ledger {
    ingestion: Arc<Ingestion>,
    /// The host of the second workspace.
    second: &'static str,
    check: Box<Check>,
    life: AtomicU64,
    /// Counts lives, and reloads in them.
    epoch: AtomicU64,
    books: Mutex<Books>,
}

/// What was written down.
#[derive(Clone, Default)]
pub struct Books {
    /// The rows of each destination, by its number.
    tables: [Rows; Destination::ALL.len()],
    /// The probe of each id. An id that ever stood for two probes is in `confused`.
    pub probes: BTreeMap<u128, String>,
    pub confused: Vec<u128>,
    /// Requests whose answer reached the process.
    pub answered: std::collections::HashSet<u64>,
    /// Requests of which a part was accepted, and whose answer doesn't say which.
    pub of_a_part: std::collections::HashSet<u64>,
    /// Accepted requests.
    pub accepted: u64,
    /// For each destination's streams, by their path: in which epoch and when a request was accepted last, and when one was refused with 400
    /// first. Nothing but the poisoned record is refused so.
    pub streams: BTreeMap<(Destination, String), Stream>,
    /// The probes of rows that were accepted since somebody last took this list, and where.
    pub news: Vec<(String, Destination)>,
    /// Rows that should have been others, or not there: a sentence each.
    pub wrong: Vec<String>,
}

/// What a stream has answered in the latest epoch in which it was used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    pub epoch: u64,
    pub refused: Option<i64>,
    pub accepted: Option<i64>,
    /// How many acceptances since the refusal surely came one after the other.
    pub later: u64,
}

/// Longer than any answer takes, in seconds.
pub const SURELY_LATER: i64 = 90;

impl Stream {
    /// A request is accepted.
    pub fn accept(&mut self, at: i64) {
        let Some(refused) = self.refused else { return };
        if at > self.accepted.unwrap_or(refused) + SURELY_LATER {
            self.accepted = Some(at);
            self.later += 1;
        }
    }
}

impl Books {
    /// The rows of a destination.
    pub fn rows(&self, destination: Destination) -> &Rows {
        &self.tables[destination as usize]
    }

    pub fn stream(&mut self, to: Destination, path: &str, epoch: u64) -> &mut Stream {
        let stream = self.streams.entry((to, path.to_owned())).or_default();
        if stream.epoch < epoch {
            *stream = Stream { epoch, ..Stream::default() };
        }
        stream
    }
}

impl Ledger {
    /// Books about what `ingestion` accepts, where requests to the host `second` are for a second workspace.
    pub fn new(ingestion: Arc<Ingestion>, second: &'static str, check: Box<Check>) -> Self {
        Self { ingestion, second, check, life: AtomicU64::new(0), epoch: AtomicU64::new(0), books: Mutex::default() }
    }

    /// A new life of the process begins.
    pub fn next_life(&self) -> u64 {
        self.next_epoch();
        self.life.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn life(&self) -> u64 {
        self.life.load(Ordering::Relaxed)
    }

    /// Sinks may begin anew: what one has seen is unknown to the next.
    pub fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub fn answered(&self, request: u64) {
        self.books().answered.insert(request);
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn destination(&self, request: &Request<Bytes>) -> Destination {
        if request.uri().path().contains("NordPassEventLogs") {
            Destination::Official
        } else if request.uri().host() == Some(self.second) {
            Destination::Urgent
        } else {
            Destination::Sentinel
        }
    }

    fn write(&self, to: Destination, request: &Request<Bytes>) {
        let mut text = Vec::new();
        let _ = MultiGzDecoder::new(&request.body()[..]).read_to_end(&mut text);
        let rows: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
        let column = if to == Destination::Official { "event_id" } else { "EventOriginalUid" };
        let id = |row: &Value| row[column].as_str().and_then(|id| u128::from_str_radix(id, 16).ok()).unwrap_or(0);
        let rows: Vec<_> = rows.into_iter().map(|row| (id(&row), row)).collect();
        self.write_rows(to, number_of(request), &rows);
    }

    /// Writes down the rows that a request brought, with the ids that they show.
    pub fn write_rows(&self, to: Destination, request: u64, rows: &[(u128, Value)]) {
        let delivery = Delivery { life: self.life(), at: Instant::now(), request };
        let place = match to {
            Destination::Official | Destination::Receiver => "metadata",
            _ => "AdditionalFields",
        };
        let mut books = self.books();
        books.accepted += 1;
        for (id, row) in rows {
            let probe = row[place]["probe"].as_str().unwrap_or_default();
            match books.probes.get(id) {
                Some(known) if known != probe => books.confused.push(*id),
                Some(_) => {}
                None => _ = books.probes.insert(*id, probe.to_owned()),
            }
            books.news.push((probe.to_owned(), to));
            if books.wrong.len() < MOST_WRONG {
                books.wrong.extend((self.check)(to, probe, *id, row));
            }
            books.tables[to as usize].entry(*id).or_default().push(delivery);
        }
    }
}

/// The number that a request has; 0 if none.
pub fn number_of(request: &Request<Bytes>) -> u64 {
    request.headers().get(NUMBER).and_then(|number| number.to_str().ok()?.parse().ok()).unwrap_or(0)
}

impl Service for Ledger {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.ingestion.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let reply = self.ingestion.handle(request, now);
        let to = self.destination(request);
        let (path, epoch, at) = (request.uri().path(), self.epoch(), now.as_second());
        if reply.status() == StatusCode::NO_CONTENT {
            self.write(to, request);
            self.books().stream(to, path, epoch).accepted = Some(at);
        } else if reply.status() == StatusCode::BAD_REQUEST {
            self.books().stream(to, path, epoch).refused.get_or_insert(at);
        }
        reply
    }
}

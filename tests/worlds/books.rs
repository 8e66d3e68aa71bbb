//! Who asked which organization's API when, and which rows were accepted.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, StatusCode};
use jiff::Timestamp;
use nordpass_simulator::{Endpoint, Reply, Service};
use serde_json::Value;
use tokio::time::Instant;

/// The header that names the process.
pub const LIFE: &str = "x-world-life";

/// A question to an organization's API.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub organization: usize,
    /// The process that asked.
    pub life: u64,
    pub asked: Instant,
    /// When its answer came, or nobody waited for it any more.
    pub over: Option<Instant>,
}

/// A row's event: which process sent it, and when.
pub type Copies = Vec<(u64, Instant)>;

/// What was written down.
#[derive(Default)]
pub struct Written {
    pub questions: Vec<Question>,
    /// By the event's probe, and its id.
    pub rows: BTreeMap<String, BTreeMap<String, Copies>>,
}

/// The books of a world. Cloning shares them.
#[derive(Clone, Default)]
pub struct Books(Arc<Mutex<Written>>);

impl Books {
    pub fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question that ends when what is returned is dropped.
    pub fn asks(&self, organization: usize, life: u64) -> Asking {
        let mut written = self.written();
        written.questions.push(Question { organization, life, asked: Instant::now(), over: None });
        Asking { books: self.clone(), number: written.questions.len() - 1 }
    }
}

/// A question that isn't answered yet.
pub struct Asking {
    books: Books,
    number: usize,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.books.written().questions[self.number].over = Some(Instant::now());
    }
}

/// The destination, whose accepted rows are written down.
pub struct Accepting {
    pub inner: Arc<dyn Service>,
    pub books: Books,
}

impl Service for Accepting {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.inner.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let reply = self.inner.handle(request, now);
        if reply.status() == StatusCode::NO_CONTENT {
            let mut text = Vec::new();
            let _ = MultiGzDecoder::new(&request.body()[..]).read_to_end(&mut text);
            let rows: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
            let life = request.headers().get(LIFE).and_then(|life| life.to_str().ok()?.parse().ok()).unwrap_or(0);
            let mut written = self.books.written();
            for row in rows {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (probe, id) = (text(&row["AdditionalFields"]["probe"]), text(&row["EventOriginalUid"]));
                written.rows.entry(probe).or_default().entry(id).or_default().push((life, Instant::now()));
            }
        }
        reply
    }
}

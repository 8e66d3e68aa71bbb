//! What targets share: parts of an input, a peer that answers it, and a text that must never be repeated.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use serde::de::IgnoredAny;

use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};

/// What stands in an input for something that an error must not repeat. No error code, UUID or variable looks like it.
const SECRET: &str = "q7Zx9Wk3Vt5";
/// The byte that [`marked`] replaces by the secret.
const MARK: u8 = b'~';
/// So many marks are replaced, so that an input can't grow without a bound.
const MOST_MARKS: usize = 16;

/// The input with the secret in the place of each `~`.
pub fn marked(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut marks = 0;
    for byte in data {
        if *byte == MARK && marks < MOST_MARKS {
            out.extend_from_slice(SECRET.as_bytes());
            marks += 1;
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Whether the secret is in a text.
pub fn is_marked(text: &str) -> bool {
    text.contains(SECRET)
}

/// Checks that a text for people doesn't repeat the secret.
pub fn silent(text: &str) {
    assert!(!is_marked(text), "repeats what it was given: {text}");
}

/// The input as text; bytes that aren't UTF-8 are replaced.
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Whether a text is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The number in the first line, and what follows; without such a line, the whole input.
pub fn number_line(data: &[u8]) -> (Option<i64>, &[u8]) {
    let Some(end) = memchr::memchr(b'\n', data.get(..22.min(data.len())).unwrap_or_default()) else {
        return (None, data);
    };
    let number = std::str::from_utf8(&data[..end]).ok().and_then(|line| line.trim().parse().ok());
    if number.is_some() { (number, &data[end + 1..]) } else { (None, data) }
}

/// An HTTP answer: the status in the first line, headers in the next ones, a blank line, the body. What can't stand in an
/// answer is left out, as it is by the library that reads real ones.
pub fn answer(data: &[u8]) -> http::Response<Bytes> {
    let (status, mut rest) = number_line(data);
    let mut answer = http::Response::new(Bytes::new());
    let status = u16::try_from(status.unwrap_or(200)).unwrap_or(200);
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::OK);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(&line[..colon]), http::HeaderValue::from_bytes(value))
        {
            answer.headers_mut().append(name, value);
        }
    }
    *answer.body_mut() = Bytes::copy_from_slice(rest);
    answer
}

/// A network where everybody gives the same answer.
#[derive(Clone)]
pub struct Canned(pub Arc<http::Response<Bytes>>);

impl HttpClient for Canned {
    fn send(&self, _: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(ready(Ok((*self.0).clone())))
    }
}

impl Network for Canned {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(self.clone()))
    }
}

/// An environment without any machine behind it, in May 2025.
pub fn env(disk: &MemoryDisk, answer: http::Response<Bytes>) -> Env {
    let start = jiff::Timestamp::from_second(1_748_000_000).unwrap_or_default();
    Env {
        clock: Arc::new(TestClock::starting_at(start)),
        random: Arc::new(SeededRandom::new(7)),
        disk: Arc::new(disk.clone()),
        network: Arc::new(Canned(Arc::new(answer))),
    }
}

/// A disk with one file.
pub fn disk(path: &str, content: impl Into<Vec<u8>>) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.put(path, content);
    disk
}

/// Runs a future to its end. Time is simulated: what waits for it waits for nothing.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

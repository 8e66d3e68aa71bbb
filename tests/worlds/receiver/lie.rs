//! A sink that acknowledges before the answer comes: whatever its receiver answers, it hears a success. The oracle has to find that
//! events are lost then. Who doesn't see this mistake would see no other.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Response;

/// Whether the worlds of this run have such a sink.
static LIES: AtomicBool = AtomicBool::new(false);

/// From now on, or until now.
pub fn set(lies: bool) {
    LIES.store(lies, Ordering::Relaxed);
}

/// What the sink hears. Elastic's answer names each document: there it is left as it is.
pub fn heard(path: &str, answer: Response<Bytes>) -> Response<Bytes> {
    if !LIES.load(Ordering::Relaxed) || path.ends_with("/_bulk") || answer.status().is_success() {
        return answer;
    }
    let body: &[u8] = if path.starts_with("/services/collector") { br#"{"text":"Success","code":0}"# } else { b"" };
    Response::new(Bytes::from_static(body))
}

//! A fuzz target: a call of the Azure Functions host.

use super::call::Call;
use crate::fuzz::{is_json, marked, silent, text};

/// The body of a call.
pub(crate) fn call(data: &[u8]) {
    let body = marked(data);
    match Call::parse(&body) {
        Err(reason) => silent(reason),
        Ok(call) => {
            let text = text(&body);
            assert!(text.trim().is_empty() || is_json(&text), "not JSON");
            assert!(!call.past_due || text.to_ascii_lowercase().contains("true"), "nobody said so");
        }
    }
}

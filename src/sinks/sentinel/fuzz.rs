//! Fuzz targets: the answers of the Logs Ingestion API, and rows that are too long.

use http::StatusCode;

use super::cut::{self, MAX_FIELD_BYTES};
use super::protocol::{MAX_WIRE_BYTES, Target, classify, refuses_all, refuses_one};
use crate::event::raw_entries;
use crate::fuzz::{is_json, marked, silent, text};
use crate::sinks::delivery::protocol::{ResponseClass, may_have_arrived, pauses_all};

/// An answer.
pub(crate) fn answer(data: &[u8]) {
    let answer = crate::fuzz::answer(&marked(data));
    let (status, headers, body) = (answer.status(), answer.headers(), answer.body());
    let target = Target { endpoint: "https://dce.example", rule: "dcr-1", stream: "Custom-Events" };
    for takes_others in [false, true] {
        match classify(status, headers, body, target, takes_others) {
            ResponseClass::Accepted => {
                let is_empty = matches!(status, StatusCode::OK | StatusCode::ACCEPTED) && body.is_empty();
                assert!(status == StatusCode::NO_CONTENT || is_empty, "{status} isn't an acceptance");
            }
            ResponseClass::Refused(refusal) => {
                assert!([400, 413].contains(&refusal.status));
                let said = [&refusal.code, &refusal.request_id].into_iter().flatten().cloned();
                for said in said.chain([refusal.answer(), refuses_all(&refusal, "s"), refuses_one(&refusal, "s")]) {
                    silent(&said);
                    assert!(!said.contains(char::is_control), "{said}");
                }
                assert!(!refusal.proves_too_large(1, MAX_WIRE_BYTES, 0), "a record of one byte is never too large");
            }
            ResponseClass::Partial(_) => panic!("Azure says nothing about single records"),
            ResponseClass::TokenRefused(_) => assert_eq!(status, StatusCode::UNAUTHORIZED),
            ResponseClass::Again(again) => {
                silent(again.reason.as_deref().unwrap_or_default());
                assert!(again.kind.is_some());
                let _ = (may_have_arrived(&again), pauses_all(&again));
            }
        }
    }
}

/// A row, in which each `~` is a long text.
pub(crate) fn cut(data: &[u8]) {
    let row = text(data);
    let row: String = row.splitn(9, '~').collect::<Vec<_>>().join(&"long ".repeat(5_000));
    if !is_json(&row) {
        return;
    }
    let Some((shorter, number)) = cut::cut(&row) else { return };
    assert!(number > 0 && shorter.len() < row.len(), "{} of {} bytes", shorter.len(), row.len());
    assert!(is_json(&shorter), "not JSON any more");
    let entries = |row: &str| {
        let mut entries = Vec::new();
        raw_entries(row, |key, value| entries.push((key.to_owned(), value.len()))).expect("an object");
        entries
    };
    let (before, after) = (entries(&row), entries(&shorter));
    assert!(before.iter().map(|(key, _)| key).eq(after.iter().map(|(key, _)| key)), "other keys");
    assert!(after.iter().all(|(_, length)| *length <= MAX_FIELD_BYTES), "still too long: {after:?}");
}

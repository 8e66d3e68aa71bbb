//! A dead letter in its file: one JSON object a line.

use serde::{Deserialize, Serialize};

use super::{lines::LineRange, marks::Mark};
use crate::event::EventId;

/// A dead letter without its record, which may be large and has personal data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredDeadLetter {
    /// The component that wrote it, from the file's name.
    #[serde(skip_deserializing)]
    pub component: String,
    /// The event's id, 32 hexadecimal digits.
    pub id: String,
    /// The id that its rows show, if that isn't the event's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_id: Option<String>,
    /// The id of the organization that it is of, where the organizations file listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The stream it was meant for, or the input of the transform that it came by; `None` for what a source couldn't read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Why it was refused, in a sentence.
    #[serde(default)]
    pub reason: String,
    /// The destination's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The destination's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The destination's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When, in Unix seconds (UTC).
    #[serde(default)]
    pub time: i64,
    /// The outcome of resending it.
    #[serde(rename = "resend", skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    #[serde(skip)]
    pub(super) file: String,
    #[serde(skip)]
    pub(super) range: LineRange,
}

impl StoredDeadLetter {
    /// Whether this component wrote it.
    pub fn is_of(&self, component: &str) -> bool {
        self.component == file_stem(component)
    }

    /// The event's id. `None` in a file that something else wrote.
    pub fn event_id(&self) -> Option<EventId> {
        id(&self.id)
    }

    /// The id that its rows show, if that isn't the event's own.
    pub fn shown_event_id(&self) -> Option<EventId> {
        id(self.shown_id.as_deref()?)
    }

    /// A key that is unique among its component's dead letters.
    pub(super) fn key(&self) -> Option<u128> {
        Some(key_of(self.event_id()?, self.stream.as_deref()))
    }
}

fn id(text: &str) -> Option<EventId> {
    u128::from_str_radix(text, 16).ok().map(EventId)
}

/// The key of an event for a stream.
pub(super) fn key_of(id: EventId, stream: Option<&str>) -> u128 {
    EventId::of_bytes(format!("{id} {}", stream.unwrap_or_default()).as_bytes()).0
}

/// A component's name as a file name, without an extension. No other component of the set has the same one: `sentinel@acme` isn't
/// `sentinel_acme`.
pub(super) fn file_stem(component: &str) -> String {
    component.chars().map(|c| if c.is_ascii_alphanumeric() || "-_@".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two components that write one file would break each other's lines.
    #[test]
    fn the_destination_of_an_organization_has_a_file_of_its_own() {
        assert_ne!(file_stem("sentinel@acme"), file_stem("sentinel_acme"));
        assert_eq!(file_stem("../a b"), "___a_b");
    }
}

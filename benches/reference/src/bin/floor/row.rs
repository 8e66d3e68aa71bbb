//! One event to one row, as JSON bytes: the mapping that comparable programs were measured with, in about as many
//! columns and bytes as the product's.

use crate::event::{Event, Metadata};
use crate::time::rfc3339;
use crate::words::{Stream, audit_event, object_type, result, severity, stream, user_event};

/// Keeps the row's buffer and the last formatted second: events come in the order of their times.
#[derive(Default)]
pub struct Mapper {
    row: Vec<u8>,
    second: u64,
    text: [u8; 20],
}

impl Mapper {
    /// The event's row, and the table that it is for.
    pub fn map(&mut self, line: &str, event: &Event) -> serde_json::Result<(Stream, &[u8])> {
        let metadata: Metadata = serde_json::from_str(event.metadata.get())?;
        let (kind, action) = (event.kind.as_ref(), event.action.as_ref());
        let verb = memchr::memrchr(b'_', action.as_bytes()).map_or(action, |at| &action[at + 1..]);
        let result = result(verb);
        let names = [event.user.email.as_ref(), event.initiator.as_ref()];
        let actor = names.into_iter().find(|name| !name.is_empty()).unwrap_or("unknown");
        let actor_type = if memchr::memchr(b'@', actor.as_bytes()).is_some() { "UPN" } else { "Simple" };
        let stream = stream(kind, action);
        let (event_type, version) = match stream {
            Stream::Authentication => (if kind == "login" { "Logon" } else { "Elevate" }, "0.1.4"),
            Stream::UserManagement => (user_event(action, metadata.status.as_deref()), "0.1.2"),
            Stream::AuditEvent => (audit_event(verb), "0.1.2"),
        };
        if event.timestamp != self.second {
            self.second = event.timestamp;
            self.text = rfc3339(event.timestamp);
        }
        let when = &self.text;
        let row = &mut self.row;
        row.clear();
        let mut put = |bytes: &[u8]| row.extend_from_slice(bytes);
        put(b"{\"TimeGenerated\":\"");
        put(when);
        put(b"\",\"EventStartTime\":\"");
        put(when);
        put(b"\",\"EventEndTime\":\"");
        put(when);
        put(b"\",\"EventCount\":1,\"EventVendor\":\"Nord Security\",\"EventProduct\":\"NordPass\"");
        put(b",\"EventSchemaVersion\":\"");
        put(version.as_bytes());
        put(b"\",\"EventType\":\"");
        put(event_type.as_bytes());
        put(b"\",\"EventResult\":\"");
        put(result.as_bytes());
        put(b"\",\"EventSeverity\":\"");
        put(severity(kind, action, result).as_bytes());
        put(b"\",\"EventOriginalUid\":\"");
        put(&hex(xxhash_rust::xxh3::xxh3_128(line.as_bytes())));
        put(b"\",\"EventOriginalType\":\"");
        escape(row, kind);
        row.push(b'.');
        escape(row, action);
        row.push(b'"');
        string(row, b",\"ActorUsername\":\"", actor);
        string(row, b",\"ActorUsernameType\":\"", actor_type);
        let uuid = event.user.uuid.as_ref();
        if !uuid.is_empty() {
            string(row, b",\"ActorUserIdType\":\"Other\",\"ActorUserId\":\"", uuid);
        }
        string(row, b",\"ActorScopeId\":\"", &event.organization_uuid);
        if let Some(address) = &metadata.ip_address {
            string(row, b",\"SrcIpAddr\":\"", address);
        }
        match stream {
            Stream::Authentication => {
                row.extend_from_slice(b",\"TargetAppName\":\"NordPass\",\"TargetAppType\":\"SaaS application\"");
                string(row, b",\"TargetUsername\":\"", actor);
                string(row, b",\"TargetUsernameType\":\"", actor_type);
                if !uuid.is_empty() {
                    string(row, b",\"TargetUserIdType\":\"Other\",\"TargetUserId\":\"", uuid);
                }
                if let Some(platform) = &metadata.platform {
                    string(row, b",\"SrcDvcOs\":\"", platform);
                }
            }
            Stream::UserManagement => {
                row.extend_from_slice(b",\"EventSchema\":\"UserManagement\"");
                if let Some(target) = &metadata.emails.0 {
                    string(row, b",\"TargetUsernameType\":\"UPN\",\"TargetUsername\":\"", target);
                }
            }
            Stream::AuditEvent => {
                row.extend_from_slice(b",\"TargetAppName\":\"NordPass\",\"TargetAppType\":\"SaaS application\"");
                string(row, b",\"Operation\":\"", action);
                string(row, b",\"Object\":\"", metadata.items.0.as_deref().unwrap_or(kind));
                string(row, b",\"ObjectType\":\"", object_type(kind));
            }
        }
        if !matches!(stream, Stream::Authentication)
            && let Some(platform) = &metadata.platform
        {
            string(row, b",\"ActingAppName\":\"", platform);
        }
        row.extend_from_slice(b",\"AdditionalFields\":");
        row.extend_from_slice(event.metadata.get().as_bytes());
        row.push(b'}');
        Ok((stream, row))
    }
}

/// `prefix` ends with the opening quote; the closing one is added.
fn string(row: &mut Vec<u8>, prefix: &[u8], value: &str) {
    row.extend_from_slice(prefix);
    escape(row, value);
    row.push(b'"');
}

#[expect(clippy::needless_bitwise_bool, reason = "without an early exit the compiler makes vector code of it")]
fn escape(row: &mut Vec<u8>, value: &str) {
    let special = value.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if special {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        row.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
    } else {
        row.extend_from_slice(value.as_bytes());
    }
}

fn hex(value: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 32];
    for (pair, byte) in out.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

//! The event id.
//!
//! The API has none, so the id is a hash (SHA-256, cut to 128 bits) of the event's content in canonical form: type, action,
//! timestamp, organization, the user's UUID (the e-mail address only without a UUID: it can change), initiator and metadata.
//! Two readings of an event have the same id, even if the JSON is spelled differently; fields that NordPass may add later don't
//! change it. The hash is cryptographic because known ids are dropped: a person who controls some text in an event must not be
//! able to make another event disappear.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest as _, Sha256};

use super::{EventFields, Field, MetadataEntries, Shape, Text, json::canonical};

/// An event's id of 128 bits, shown as 32 hexadecimal digits. Becomes `EventOriginalUid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EventId(pub u128);

impl EventId {
    /// The id of the `number`th (from 0) of several events with the same content in one second. Number 0 has the id itself.
    #[must_use]
    pub fn occurrence(self, number: u32) -> Self {
        if number == 0 {
            return self;
        }
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&self.0.to_be_bytes());
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        Self::of_bytes(&bytes)
    }

    /// The id of something that isn't an event (not a JSON object): a hash of its bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(u128::from_be_bytes(id))
    }

    /// Half of the id, for tables of a few thousand ids where a collision loses nothing.
    #[expect(clippy::cast_possible_truncation, reason = "half of the id is meant")]
    pub fn short(self) -> u64 {
        self.0 as u64
    }

    /// The 32 lower-case hexadecimal digits as ASCII, for writers that avoid formatting.
    pub fn hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 32];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out
    }
}

/// A set of ids, each cut to [`EventId::short`].
pub type IdSet = HashSet<u64, BuildHasherDefault<IdHasher>>;

/// Hashes ids by themselves: they are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Computes ids. Reuses its buffers from one event to the next.
#[derive(Default)]
pub struct Identifier {
    buffer: Vec<u8>,
    canonical: canonical::Writer,
}

impl Identifier {
    /// The id of an event, as occurrence 0. `metadata` has the entries that the parse noted.
    pub fn identify(&mut self, text: &Text, fields: &EventFields, metadata: &mut MetadataEntries<'_>) -> EventId {
        self.buffer.clear();
        let user = if fields.user_uuid.is_blank() { &fields.user_email } else { &fields.user_uuid };
        for field in [&fields.kind, &fields.action, &fields.timestamp, &fields.organization, user, &fields.initiator] {
            self.value(text, field);
            // Each is JSON, so this separates them.
            self.buffer.push(b',');
        }
        match metadata.known() {
            Some(entries) => self.canonical.object_of(entries, &mut self.buffer),
            None => self.value(text, &fields.metadata),
        }
        EventId::of_bytes(&self.buffer)
    }

    /// A missing field, `null` and an empty string are the same.
    fn value(&mut self, text: &Text, field: &Field) {
        match field.shape {
            _ if field.is_blank() => {}
            Shape::Missing | Shape::Null => {}
            Shape::Plain => canonical::plain(text.at(field.span), &mut self.buffer),
            Shape::Escaped => canonical::string(text.at(field.span), &mut self.buffer),
            Shape::Other => self.canonical.value(text.at(field.span), &mut self.buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parse_event_and;

    fn id(json: &str) -> EventId {
        let text = Text::from(json.to_owned());
        let mut entries = MetadataEntries::default();
        let fields = parse_event_and(&text, &text, &mut entries).expect("an object");
        let quick = Identifier::default().identify(&text, &fields, &mut entries);
        let slow = Identifier::default().identify(&text, &fields, &mut MetadataEntries::default());
        assert_eq!(quick, slow, "{json}");
        quick
    }

    const EVENT: &str = r#"{"type":"login","action":"user_login_failed","timestamp":1738255186,"organization_uuid":"o",
        "user":{"uuid":"u","email":"a@example.com"},"metadata":{"ip_address":"192.0.2.1","n":1,"list":[1,2]},"initiator":""}"#;

    #[test]
    fn spelling_does_not_count() {
        let respelled = r#"{"initiator":null,"metadata":{"list":[1.0,2e0],"n":1.00,"ip_address":"192.0.\u0032.1"},
            "user":{"email":"changed@example.com","uuid":"u"},"organization_uuid":"o","timestamp":1738255186.0,
            "action":"user\u005flogin_failed","type":"login","new_field":7}"#;
        assert_eq!(id(EVENT), id(respelled));
    }

    #[test]
    fn content_counts() {
        for (from, to) in [
            ("1738255186", "1738255187"),
            ("[1,2]", "[2,1]"),
            (r#""u""#, r#""v""#),
            ("192.0.2.1", "192.0.2.2"),
            (r#""n":1"#, r#""n":"1""#),
            (r#""o""#, r#""""#),
        ] {
            assert_ne!(id(EVENT), id(&EVENT.replacen(from, to, 1)), "{from} -> {to}");
        }
    }

    /// The id is SHA-256 over the canonical form, so that other programs can compute it.
    #[test]
    fn an_id_can_be_worked_out_elsewhere() {
        let form = concat!(
            r#""login","user_login_failed",1738255186,"o","u",,"#,
            r#"{"ip_address":"192.0.2.1","list":[1,2],"n":1}"#
        );
        assert_eq!(id(EVENT), EventId::of_bytes(form.as_bytes()));
        assert_eq!(EventId::of_bytes(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223", "FIPS 180-4's example");
    }

    #[test]
    fn metadata_that_is_there_twice_counts_once() {
        let twice = EVENT.replace(r#""initiator":"""#, r#""metadata":{"ip_address":"192.0.2.1","n":1,"list":[1,2]}"#);
        assert_eq!(id(&twice), id(EVENT));
        assert_eq!(id(&twice.replacen("\"n\":1,", "", 1)), id(EVENT), "the last one counts");
    }

    #[test]
    fn email_counts_only_without_a_uuid() {
        let without = EVENT.replace(r#""uuid":"u","#, "");
        assert_ne!(id(&without), id(&without.replace("a@example.com", "b@example.com")));
    }

    #[test]
    fn neighbouring_fields_do_not_run_together() {
        assert_ne!(id(r#"{"type":"ab","action":"c"}"#), id(r#"{"type":"a","action":"bc"}"#));
    }

    #[test]
    fn occurrences_differ_and_are_stable() {
        let first = id(EVENT);
        assert_eq!(first.occurrence(0), first);
        assert_ne!(first.occurrence(1), first);
        assert_eq!(first.occurrence(2), id(EVENT).occurrence(2));
        assert_eq!(first.to_string().as_bytes(), first.hex());
    }
}

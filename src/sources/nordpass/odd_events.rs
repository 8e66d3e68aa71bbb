//! Counts odd events and logs each oddity once. The events are kept all the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::context::ReadContext;
use super::error::ReadError;
use super::time::DAY;
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::event::{EventFields, EventId, Shape, Span, Text};
use crate::telemetry::metrics;
use nordpass_env::Mutex;

/// Maximum number of unknown fields to distinguish and count.
const MOST_FIELDS: usize = 1_000;
/// Maximum number of them named in the log.
const MOST_NAMED: usize = 50;
/// Maximum letters shown of such a name.
const LONGEST_NAME: usize = 40;
/// Maximum bytes in one append of several dead letters.
const MOST_TOGETHER: usize = 256 << 10;
/// Approximate bytes of a dead letter besides its element.
const DEAD_LETTER_BYTES: usize = 512;
/// Maximum elements remembered as kept, which saves looking each one up in the dead letters.
const MOST_KEPT: usize = 10_000;
/// Maximum appends a minute. Each has its own sync.
const APPENDS_A_MINUTE: u32 = 60;
/// Maximum bytes a minute, unless a single append is larger.
const BYTES_A_MINUTE: usize = 8 << 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Name of the status part while elements wait for the next minute.
const PART: &str = "elements that aren't events";

/// The elements of a page that aren't events.
pub type NoEvents = BTreeMap<EventId, Span>;

/// Usage in the current minute.
#[derive(Default)]
struct Minute {
    began: Option<Instant>,
    appends: u32,
    bytes: usize,
}

/// Reports odd events, and keeps elements that aren't events.
pub struct OddEvents {
    context: Arc<ReadContext>,
    dead_letters: Box<dyn DeadLetterWriter>,
    told: Mutex<Told>,
    /// The elements kept already.
    kept: Mutex<HashSet<EventId>>,
    minute: Mutex<Minute>,
}

/// What was logged: each oddity once, however many events have it.
#[derive(Default)]
struct Told {
    kinds: HashSet<&'static str>,
    /// Hashes, because names can be long.
    fields: HashSet<u64>,
}

/// How to report a new unknown field.
#[derive(Debug, PartialEq, Eq)]
enum NewField {
    /// Log this name.
    Named(String),
    /// Log that further ones are only counted.
    Last,
    /// Only count it.
    Quiet,
}

impl Told {
    /// Whether this kind of oddity is new.
    fn is_new(&mut self, kind: &'static str) -> bool {
        self.kinds.insert(kind)
    }

    fn new_field(&mut self, name: &str) -> Option<NewField> {
        let mut hash = [0; 8];
        hash.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
        if self.fields.len() >= MOST_FIELDS || !self.fields.insert(u64::from_ne_bytes(hash)) {
            return None;
        }
        Some(match self.fields.len() {
            number if number <= MOST_NAMED => NewField::Named(shown(name)),
            number if number == MOST_NAMED + 1 => NewField::Last,
            _ => NewField::Quiet,
        })
    }
}

/// Returns only a name's leading letters. An impostor's response could contain anything there, such as the token.
fn shown(name: &str) -> String {
    let mut shown: String =
        name.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '_').take(LONGEST_NAME).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

impl OddEvents {
    /// Keeps elements that aren't events as dead letters.
    pub fn new(context: Arc<ReadContext>, dead_letters: Box<dyn DeadLetterWriter>) -> Self {
        Self { context, dead_letters, told: Mutex::default(), kept: Mutex::default(), minute: Mutex::default() }
    }

    fn count(&self, kind: &str) {
        self.context.telemetry.add_labelled(&metrics::ODD_EVENTS, kind, 1);
    }

    /// Counts a response whose invalid UTF-8 was replaced.
    pub fn repaired(&self) {
        self.count("not UTF-8");
    }

    /// Keeps elements of `data` that aren't JSON objects, which can't become rows, once as dead letters. Those of a
    /// page go in one append. Appends and bytes a minute are limited, because a peer controls their number.
    pub async fn keep(&self, text: &Text, elements: NoEvents) -> Result<(), ReadError> {
        let new: Vec<(EventId, &str)> = {
            let kept = self.kept.lock();
            elements.into_iter().filter(|(id, _)| !kept.contains(id)).map(|(id, body)| (id, text.at(body))).collect()
        };
        let mut rest = new.as_slice();
        while let Some((first, _)) = rest.split_first() {
            let mut bytes = first.1.len() + DEAD_LETTER_BYTES;
            let others = rest[1..].iter().take_while(|(_, raw)| {
                bytes += raw.len() + DEAD_LETTER_BYTES;
                bytes <= MOST_TOGETHER
            });
            let (together, later) = rest.split_at(1 + others.count());
            rest = later;
            self.turn(together.iter().map(|(_, raw)| raw.len() + DEAD_LETTER_BYTES).sum()).await?;
            self.context.unless_ending(self.dead_letter(together)).await?;
            let mut kept = self.kept.lock();
            if kept.len() > MOST_KEPT {
                kept.clear();
            }
            kept.extend(together.iter().map(|(id, _)| *id));
        }
        Ok(())
    }

    /// Writes a dead letter for each element, all in one durable append.
    async fn dead_letter(&self, elements: &[(EventId, &str)]) {
        let ReadContext { env, telemetry, .. } = &*self.context;
        let letter = |&(id, raw): &(EventId, &str)| DeadLetter {
            id,
            shown_id: None,
            organization: None,
            stream: None,
            reason: "an element of NordPass's response isn't a JSON object".to_owned(),
            status: None,
            code: None,
            request_id: None,
            time: env.clock.now_seconds(),
            record: raw.to_owned(),
        };
        let letters: Vec<DeadLetter> = elements.iter().map(letter).collect();
        let written = self.dead_letters.write(&letters, env, telemetry).await;
        if written > 0 {
            telemetry.add_labelled(&metrics::ODD_EVENTS, "not an object", written as u64);
            tracing::warn!(
                component = telemetry.name(),
                elements = written,
                "not a JSON object: kept as a dead letter"
            );
        }
    }

    /// Waits until the minute's limits allow one more append of `bytes`.
    async fn turn(&self, bytes: usize) -> Result<(), ReadError> {
        loop {
            let left = {
                let mut minute = self.minute.lock();
                if minute.began.is_none_or(|began| began.elapsed() >= MINUTE) {
                    *minute = Minute { began: Some(Instant::now()), ..Minute::default() };
                }
                let has_room = minute.bytes == 0 || minute.bytes + bytes <= BYTES_A_MINUTE;
                if minute.appends < APPENDS_A_MINUTE && has_room {
                    minute.appends += 1;
                    minute.bytes += bytes;
                    break;
                }
                MINUTE.saturating_sub(minute.began.map_or(MINUTE, |began| began.elapsed()))
            };
            self.context.held_up(PART, "NordPass returns many elements that aren't events; keeping them slowly", left);
            self.context.sleep(left).await?;
        }
        self.context.telemetry.status().released(PART);
        Ok(())
    }

    /// Counts what is odd about a new event, and logs each oddity once. `time` is its second and whether it was written
    /// in whole seconds.
    pub fn inspect(&self, text: &Text, id: EventId, time: Option<(i64, bool)>, fields: &EventFields) {
        let (now, component) = (self.context.clock.now(), self.context.telemetry.name());
        let odd_time = match time {
            None => Some("no usable timestamp"),
            Some((time, _)) if time > now + DAY => Some("timestamp in the future"),
            Some((_, false)) => Some("timestamp not in whole seconds"),
            Some(_) => None,
        };
        let EventFields { kind, action, organization, initiator, user_uuid, user_email, .. } = fields;
        let strings = [kind, action, organization, initiator, user_uuid, user_email];
        let is_odd = strings.iter().any(|field| field.shape == Shape::Other);
        let odd_type = is_odd || fields.odd_user.shape != Shape::Missing;
        for kind in odd_time.into_iter().chain(odd_type.then_some("unexpected type")) {
            self.count(kind);
            if self.told.lock().is_new(kind) {
                tracing::warn!(component, %id, "odd event kept: {kind}; further ones are only counted");
            }
        }
        for (name, _) in &fields.unknown {
            let Some(field) = self.told.lock().new_field(text.at(name.span)) else { continue };
            self.count("unknown field");
            match field {
                NewField::Named(field) => tracing::info!(component, field, "events have an unknown field"),
                NewField::Last => tracing::info!(component, "events have more unknown fields, which are only counted"),
                NewField::Quiet => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_is_told_once() {
        let mut told = Told::default();
        let first = (0..50_000).filter(|_| told.is_new("no usable timestamp")).count();
        assert_eq!((first, told.is_new("timestamp in the future")), (1, true));
        let fields: Vec<NewField> = (0..50_000).filter_map(|number| told.new_field(&format!("x{number}"))).collect();
        assert_eq!(fields.len(), MOST_FIELDS);
        assert_eq!(fields.iter().filter(|field| **field != NewField::Quiet).count(), MOST_NAMED + 1);
        assert_eq!(told.new_field("x1"), None);
    }

    #[test]
    fn a_name_is_cut_where_it_may_be_something_else() {
        for (name, told) in [
            ("folder_name", "folder_name"),
            ("np-s3cret-4711", "np…"),
            ("4711", "…"),
            ("a\u{1b}[31m", "a…"),
            ("\u{202e}b", "…"),
            (&"x".repeat(100_000), &format!("{}…", "x".repeat(40))),
        ] {
            assert_eq!(shown(name), told);
        }
    }
}

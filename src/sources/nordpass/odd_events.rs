//! What is odd about events: counted, logged once, and kept all the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::context::ReadContext;
use super::error::ReadError;
use super::time::DAY;
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::event::{EventFields, EventId, Shape, Span, Text};
use crate::telemetry::metrics;

/// The most unknown fields that are logged.
const MOST_FIELDS: usize = 1_000;
/// The longest name of an unknown field that is logged.
const LONGEST_FIELD: usize = 128;
/// The bytes of elements that share a dead letter.
const MOST_TOGETHER: usize = 256 << 10;
/// The elements that are known to be kept. The dead letters themselves know them, too, but not how they were put together.
const MOST_KEPT: usize = 10_000;
/// Each dead letter is made durable for itself.
const LETTERS_A_MINUTE: u32 = 60;
/// Or one that is larger.
const BYTES_A_MINUTE: usize = 8 << 20;
const MINUTE: Duration = Duration::from_secs(60);
/// What waits for the next minute.
const PART: &str = "elements that aren't events";

/// The elements of a page that aren't events.
pub type NoEvents = BTreeMap<EventId, Span>;

/// The dead letters of this minute.
#[derive(Default)]
struct Minute {
    began: Option<Instant>,
    letters: u32,
    bytes: usize,
}

/// Reports odd events, and keeps what isn't an event.
pub struct OddEvents {
    context: Arc<ReadContext>,
    dead_letters: Box<dyn DeadLetterWriter>,
    /// The unknown fields that were logged.
    fields: Mutex<HashSet<String>>,
    /// The elements that were kept.
    kept: Mutex<HashSet<EventId>>,
    minute: Mutex<Minute>,
}

impl OddEvents {
    /// Keeps elements that aren't events as dead letters.
    pub fn new(context: Arc<ReadContext>, dead_letters: Box<dyn DeadLetterWriter>) -> Self {
        Self { context, dead_letters, fields: Mutex::default(), kept: Mutex::default(), minute: Mutex::default() }
    }

    fn count(&self, kind: &str) {
        self.context.telemetry.add_labelled(&metrics::ODD_EVENTS, kind, 1);
    }

    /// An answer had bytes that aren't UTF-8, which were replaced.
    pub fn repaired(&self) {
        self.count("not UTF-8");
    }

    /// Elements of `data` that aren't JSON objects can't become rows. They are kept, once, as dead letters: those of a page
    /// together, and so many dead letters a minute, because a peer decides how many there are.
    pub async fn keep(&self, text: &Text, elements: NoEvents) -> Result<(), ReadError> {
        let new: Vec<(EventId, &str)> = {
            let kept = self.kept();
            elements.into_iter().filter(|(id, _)| !kept.contains(id)).map(|(id, body)| (id, text.at(body))).collect()
        };
        let mut rest = new.as_slice();
        while let Some((first, _)) = rest.split_first() {
            let mut bytes = first.1.len();
            let others = rest[1..].iter().take_while(|(_, raw)| {
                bytes += raw.len();
                bytes <= MOST_TOGETHER
            });
            let (together, later) = rest.split_at(1 + others.count());
            rest = later;
            self.turn(together.iter().map(|(_, raw)| raw.len()).sum()).await?;
            self.context.unless_ending(self.dead_letter(together)).await?;
            let mut kept = self.kept();
            if kept.len() > MOST_KEPT {
                kept.clear();
            }
            kept.extend(together.iter().map(|(id, _)| *id));
        }
        Ok(())
    }

    async fn dead_letter(&self, elements: &[(EventId, &str)]) {
        let ReadContext { env, telemetry, .. } = &*self.context;
        let (id, record, reason) = match elements {
            [(id, raw)] => (*id, (*raw).to_owned(), "an element of NordPass's response isn't a JSON object".to_owned()),
            several => {
                let texts: Vec<&str> = several.iter().map(|(_, raw)| *raw).collect();
                let record = format!("[{}]", texts.join(","));
                let reason = format!("{} elements of NordPass's response aren't JSON objects", several.len());
                (EventId::of_bytes(record.as_bytes()), record, reason)
            }
        };
        let time = env.clock.now_seconds();
        let letter = DeadLetter { id, stream: None, reason, status: None, code: None, request_id: None, time, record };
        if self.dead_letters.write(std::slice::from_ref(&letter), env, telemetry).await > 0 {
            telemetry.add_labelled(&metrics::ODD_EVENTS, "not an object", elements.len() as u64);
            let (component, elements) = (telemetry.name(), elements.len());
            tracing::warn!(component, %id, elements, "not a JSON object: kept as a dead letter");
        }
    }

    /// Waits for the turn of one more dead letter, of so many bytes.
    async fn turn(&self, bytes: usize) -> Result<(), ReadError> {
        loop {
            let left = {
                let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
                if minute.began.is_none_or(|began| began.elapsed() >= MINUTE) {
                    *minute = Minute { began: Some(Instant::now()), ..Minute::default() };
                }
                let has_room = minute.bytes == 0 || minute.bytes + bytes <= BYTES_A_MINUTE;
                if minute.letters < LETTERS_A_MINUTE && has_room {
                    minute.letters += 1;
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

    fn kept(&self) -> MutexGuard<'_, HashSet<EventId>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and logs, once, what is odd about a new event of this text. `time` is its second and whether that is written
    /// as whole seconds.
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
            tracing::warn!(component, %id, "odd event kept: {kind}");
        }
        for (name, _) in &fields.unknown {
            let name = text.at(name.span);
            let mut logged = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.len() < MOST_FIELDS && name.len() <= LONGEST_FIELD && logged.insert(name.to_owned()) {
                self.count("unknown field");
                tracing::info!(component, field = name, "events have an unknown field");
            }
        }
    }
}

//! What is odd about events: counted, logged once, and kept all the same.

use std::{collections::HashSet, sync::Arc};

use super::context::ReadContext;
use super::time::DAY;
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::event::{EventFields, EventId, Shape, Text};
use crate::telemetry::metrics;
use nordpass_env::Mutex;

/// The most unknown fields that are logged.
const MOST_FIELDS: usize = 1_000;

/// Reports odd events, and keeps what isn't an event.
pub struct OddEvents {
    context: Arc<ReadContext>,
    dead_letters: Box<dyn DeadLetterWriter>,
    /// The unknown fields that were logged.
    fields: Mutex<HashSet<String>>,
}

impl OddEvents {
    /// Keeps elements that aren't events as dead letters.
    pub fn new(context: Arc<ReadContext>, dead_letters: Box<dyn DeadLetterWriter>) -> Self {
        Self { context, dead_letters, fields: Mutex::default() }
    }

    fn count(&self, kind: &str) {
        self.context.telemetry.add_labelled(&metrics::ODD_EVENTS, kind, 1);
    }

    /// An answer had bytes that aren't UTF-8, which were replaced.
    pub fn repaired(&self) {
        self.count("not UTF-8");
    }

    /// Something in `data` that isn't a JSON object can't become a row. It is kept, once, as a dead letter.
    pub async fn dead_letter(&self, id: EventId, raw: &str) {
        let ReadContext { env, telemetry, .. } = &*self.context;
        let letter = DeadLetter {
            id,
            stream: None,
            reason: "an element of NordPass's response isn't a JSON object".to_owned(),
            status: None,
            code: None,
            request_id: None,
            time: env.clock.now_seconds(),
            record: raw.to_owned(),
        };
        if self.dead_letters.write(std::slice::from_ref(&letter), env, telemetry).await > 0 {
            self.count("not an object");
            tracing::warn!(component = telemetry.name(), %id, "not a JSON object: kept as a dead letter");
        }
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
            let mut logged = self.fields.lock();
            if logged.len() < MOST_FIELDS && logged.insert(name.to_owned()) {
                self.count("unknown field");
                tracing::info!(component, field = name, "events have an unknown field");
            }
        }
    }
}

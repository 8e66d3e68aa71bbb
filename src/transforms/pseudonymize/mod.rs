//! Replaces what identifies people by pseudonyms or masks.
//!
//! A pseudonym is the first half of HMAC-SHA-256 over a value, in hexadecimal: without the key nobody can tell whose it is, and
//! the same person has the same one in every record, so counting and joining still work. There is no way to keep what can't be
//! read: it is masked whole.
//!
//! An event's id is a hash over its user's UUID, so a list of staff would lead back from an id to a person. Behind this
//! transform rows show HMAC(key, id) instead. The state goes by the event's own id.

mod hide;
mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::hide::Hide;
use self::key::{Key, SHORTEST};
use super::shape::on_error::{Failures, OnError};
use super::shape::path;
use super::shape::rewrite::Rewrite;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Refused, Transform, TransformSettings};
use crate::event::{Chunk, ShownIds};
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};

/// The `pseudonymize` type.
pub static TYPE: ComponentType = ComponentType {
    name: "pseudonymize",
    doc: "Replaces what identifies people, in events or table rows, by pseudonyms that stay the same for the same value, or \
      by `***`. Behind it, rows show another `EventOriginalUid` (or `event_id`), because an event's own could be guessed from \
      a list of staff. What it can't read is masked whole.",
    fields: FIELDS,
    outputs: Outputs::OfInputs,
    records: Records::AsInputs,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::required("fields", Kind::List).doc(
        "Paths of the fields, such as `user.email`; `*` matches any characters of a name: `metadata.*_email`. A list's \
         elements are replaced one by one.",
    ),
    Field::with_default("method", Kind::Choice(&["hmac", "mask"]), "hmac").doc(
        "`hmac`: 32 hexadecimal digits, the first half of HMAC-SHA-256 over the value; e-mail addresses in small letters, IP \
         addresses in their usual form. `mask`: `***`.",
    ),
    Field::required("key", Kind::Secret).doc(
        "At least 32 bytes, such as those of `openssl rand -hex 32`. Another key makes other pseudonyms. Needed for `mask` \
         too, for the ids that rows show.",
    ),
];

/// The key where secrets needn't be there. Nothing runs then, so what is made with it gets nowhere.
const STAND_IN: &[u8] = &[b'0'; SHORTEST];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    hide: Arc<Hide>,
    /// `None` after an error: then everything is masked.
    key: Option<Key>,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let mut paths = Vec::new();
        for (index, text) in section.list("fields").into_iter().enumerate() {
            match path::parse_changed(&text) {
                Ok(path) => paths.push(path),
                Err((message, hint)) => section.error(&format!("fields.{index}"), message, hint),
            }
        }
        let secret = section.secret("key");
        let key = secret.peek().filter(|_| !section.is_wrong("key")).and_then(|text| Key::new(text.as_bytes()));
        if key.is_none() && section.has("key") && !section.is_wrong("key") {
            let message = format!("`key` is shorter than {SHORTEST} bytes, so pseudonyms could be guessed");
            section.error("key", message, "make one with `openssl rand -hex 32`, and keep it as you keep a password");
        }
        // A test gives the same with any key, and an estimate needs none.
        let key = if section.is_on_its_machine() { key } else { Key::new(STAND_IN) };
        let values = if section.text("method") == "hmac" { key.clone() } else { None };
        Self { hide: Arc::new(Hide::new(paths, values)), key }
    }
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        let shown_ids = self.key.clone().map(|key| ShownIds::new(move |id| key.shown_id(id)));
        let failures = Failures::new(OnError::DeadLetter);
        Box::new(Pseudonymize { hide: self.hide.clone(), shown_ids, failures, telemetry })
    }
}

struct Pseudonymize {
    hide: Arc<Hide>,
    shown_ids: Option<ShownIds>,
    /// What isn't an object. No source passes such a thing on.
    failures: Failures,
    telemetry: ComponentReporter,
}

impl Transform for Pseudonymize {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        let is_rows = chunk.events.is_none();
        let mut rewrite = Rewrite::of(&chunk);
        for (number, record) in chunk.records.iter().enumerate() {
            let body = chunk.body(record);
            let shown = self.shown_ids.as_ref().filter(|_| is_rows).map(|shown| shown.of(record.id));
            let done = rewrite.push(record, |text| self.hide.record(body, shown, text).ok_or(()));
            if done.is_err() {
                self.failures.add(number, "the record can't be read, so nothing of it is passed on");
            }
        }
        self.failures.settle(&chunk, &self.telemetry);
        if let Some(made) = rewrite.finish() {
            let shown_ids = self.shown_ids.clone().or_else(|| made.shown_ids.clone());
            out.push((0, Chunk { shown_ids, ..made }));
        }
        chunk.ack.done();
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        self.failures.take()
    }
}

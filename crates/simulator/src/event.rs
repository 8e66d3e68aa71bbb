//! An event of the simulated organization: its JSON and what the simulated API knows about it.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::probe::{Object, probe_in};

/// One event as the API will show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedEvent {
    json: Box<str>,
    /// The Unix second under which the API files it; for odd events not necessarily what the event says.
    pub timestamp: i64,
    /// The Unix second from which on the API shows it.
    pub visible_at: i64,
    probe: Option<Arc<str>>,
    user: Option<Box<str>>,
}

impl SimulatedEvent {
    /// An event made of any JSON text; visible at once. The simulator takes what it can read of it: the time (else
    /// `filed_at`), the user's UUID and the probe. Even what isn't an object is kept, because the API might send it.
    pub fn from_json(json: &str, filed_at: i64) -> Self {
        let object = Object::read(json);
        let field = |name: &str| object.as_ref().and_then(|object| object.get(name)).map(RawValue::get);
        let timestamp = field("timestamp").and_then(|raw| raw.parse().ok()).filter(|&time| plausible(time));
        let timestamp = timestamp.unwrap_or(filed_at);
        let user = field("user").and_then(Object::read).and_then(|user| user.get("uuid"));
        let user = user.and_then(|uuid| serde_json::from_str::<String>(uuid.get()).ok());
        Self {
            timestamp,
            visible_at: timestamp,
            probe: field("metadata").and_then(probe_in).map(Arc::from),
            user: user.filter(|uuid| !uuid.is_empty()).map(String::into_boxed_str),
            json: json.into(),
        }
    }

    /// An event whose parts are known, as the generator makes it.
    pub(super) fn of_parts(json: &str, timestamp: i64, probe: Arc<str>, user: &str) -> Self {
        let user = (!user.is_empty()).then(|| user.into());
        Self { json: json.into(), timestamp, visible_at: timestamp, probe: Some(probe), user }
    }

    /// The same, shown from `visible_at` on.
    #[must_use]
    pub fn visible_at(mut self, visible_at: i64) -> Self {
        self.visible_at = visible_at;
        self
    }

    /// Its JSON text.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Its probe, if it has one.
    pub fn probe(&self) -> Option<&Arc<str>> {
        self.probe.as_ref()
    }

    /// Its user's UUID, if it has one.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}

/// Whether a number can be the time of a NordPass event in Unix seconds: from 2001 to 2286. Others are odd values that
/// the API would hardly file under that second.
pub fn plausible(time: i64) -> bool {
    (1_000_000_000..10_000_000_000).contains(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_there_is() {
        let event = SimulatedEvent::from_json(
            r#"{"timestamp":1738255186,"user":{"uuid":"u","email":"a@example.com"},"metadata":{"probe":"p"}}"#,
            7,
        );
        assert_eq!((event.timestamp, event.user(), event.probe().map(|p| &**p)), (1_738_255_186, Some("u"), Some("p")));
    }

    #[test]
    fn odd_events_are_filed_where_told() {
        for json in ["null", "[]", r#"{"timestamp":0}"#, r#"{"timestamp":"1738255186"}"#, r#"{"user":null}"#] {
            let event = SimulatedEvent::from_json(json, 1_738_255_186);
            assert_eq!((event.timestamp, event.user(), event.probe()), (1_738_255_186, None, None), "{json}");
        }
    }
}

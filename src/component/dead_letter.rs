//! What a component sees of the dead letters: where they go, and how they are sent again.

use std::{io, time::Duration};

use futures::future::BoxFuture;
use nordpass_env::Env;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{event::EventId, telemetry::ComponentReporter};

/// One record that its destination refused, or that isn't a record at all. Serialized, it is as it is kept.
#[derive(Clone, Serialize)]
pub struct DeadLetter {
    /// The event's id, or the hash of what isn't an event.
    #[serde(serialize_with = "as_text")]
    pub id: EventId,
    /// The id that its rows show, if that isn't the event's own.
    #[serde(serialize_with = "as_text_too", skip_serializing_if = "Option::is_none")]
    pub shown_id: Option<EventId>,
    /// The id of the organization that it is of, where the organizations file lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Where it was meant to go: the DCR stream for the `sentinel` sink, the input for a transform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
    /// The destination's HTTP status, or Kafka's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The destination's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The destination's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When, in Unix seconds (UTC).
    pub time: i64,
    /// The record's text, whole.
    #[serde(serialize_with = "as_json_where_it_is")]
    pub record: String,
}

fn as_text<S: Serializer>(id: &EventId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn as_text_too<S: Serializer>(id: &Option<EventId>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.unwrap_or_default())
}

/// JSON as JSON, so that a reader sees it as it is. With line ends between its tokens it would break the file's line.
fn as_json_where_it_is<S: Serializer>(record: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(record) {
        Ok(raw) if !raw.get().contains(['\n', '\r']) => raw.serialize(serializer),
        _ => serializer.serialize_str(record),
    }
}

/// Never the record: it holds people's data.
impl std::fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetter").field("id", &self.id).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Where a pipeline set's dead letters are kept.
pub trait DeadLetterStore: Send + Sync {
    /// Opens the dead letters of one component. Creates nothing before the first one.
    fn open<'a>(&'a self, component: &'a str) -> BoxFuture<'a, io::Result<Box<dyn DeadLetterWriter>>>;
}

/// Writes the dead letters of one component.
pub trait DeadLetterWriter: Send + Sync {
    /// Writes dead letters and makes them durable, however long the disk or the storage account refuses; reports what it
    /// waits for meanwhile. A dead letter with the id and stream of an earlier one isn't written again. Returns how many were
    /// new.
    fn write<'a>(
        &'a self,
        dead_letters: &'a [DeadLetter],
        env: &'a Env,
        telemetry: &'a ComponentReporter,
    ) -> BoxFuture<'a, usize>;

    /// Whether there is one with this id and stream. `false` where that can't be found out.
    fn has<'a>(&'a self, id: EventId, stream: &'a str) -> BoxFuture<'a, bool> {
        let _ = (id, stream);
        Box::pin(async { false })
    }
}

/// A dead letter to send again.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The event's id.
    pub id: EventId,
    /// The id that its rows show, if that isn't the event's own.
    pub shown_id: Option<EventId>,
    /// The id of the organization that it is of, where the organizations file listed it.
    pub organization: Option<&'a str>,
    /// The stream that it was meant for, or the input of the transform.
    pub stream: &'a str,
    /// The record's text: a JSON object.
    pub record: &'a str,
}

/// A destination that can take single records again: a sink's, with its own settings, credential and limits, or a transform
/// with what comes behind it.
pub trait Resend: Send + Sync {
    /// A new id for a request.
    fn request_id(&self) -> String;
    /// Sends a record with this request id. Failures that aren't about the record are retried, for at most `patience`.
    fn resend<'a>(
        &'a self,
        letter: Letter<'a>,
        request_id: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, ResendOutcome>;
}

/// The outcome of sending one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResendOutcome {
    /// The destination has it.
    Accepted,
    /// Refused again.
    Refused {
        /// HTTP status.
        status: u16,
        /// The destination's error code.
        code: Option<String>,
    },
    /// The destination couldn't be reached, or asked to wait for too long.
    Unavailable {
        /// What was waited for.
        reason: String,
        /// A request had no response: the record may have arrived.
        unsure: bool,
    },
    /// There is no way to send it.
    Impossible {
        /// Why.
        reason: String,
    },
}

//! The sink's fields in the pipeline file.

use std::sync::Arc;
use std::time::Duration;

use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::kafka::connection::{self, ConnectionSettings, is_topic};
use crate::settings::{Field, Kind, Section};
use crate::sinks::delivery::run::Limits;
use nordpass_env::kafka::Compression;

/// The `kafka` type.
pub static TYPE: ComponentType = ComponentType {
    name: "kafka",
    doc: "Writes each record to a topic of Kafka, Azure Event Hubs or Redpanda, with `acks=all` and an idempotent producer. Acknowledged \
      by the broker's answer. The value is the record's JSON; headers have its id (`event-id`), `organization`, `source` and \
      `schema`. A record that is too large becomes a dead letter; for everything else it waits. A build from source needs \
      `--features kafka`.",
    fields: FIELDS,
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|section, inputs| Arc::new(Settings::read(section, inputs))),
};

static FIELDS: &[Field] = &[
    connection::BOOTSTRAP_SERVERS,
    Field::required("topic", Kind::Text).doc("The topic; of Event Hubs the event hub. It has to exist."),
    Field::with_default("key", Kind::Choice(&["organization", "event_id", "none"]), "organization").doc(
        "The key, which the partition follows from. `organization`: an organization's records keep their order. `event_id`: spreads one \
         big organization over all partitions. `none`: spreads without a key.",
    ),
    Field::with_default("compression", Kind::Choice(&["none", "gzip"]), "none")
        .doc("How batches are compressed. Event Hubs takes `gzip` in the tiers Premium and Dedicated only."),
    Field::with_default("max_request_size", Kind::Size { min: 10_000, max: 20_000_000 }, "1000000").doc(
        "Bytes of a request. A record over nine tenths of it becomes a dead letter before it is sent. Event Hubs takes 1,046,528.",
    ),
    Field::optional("batch", Kind::Table(BATCH)).doc("When to send a batch."),
    connection::SECURITY_PROTOCOL,
    connection::SASL,
    connection::REQUEST_TIMEOUT,
    connection::TLS,
];

static BATCH: &[Field] = &[
    Field::with_default("max_bytes", Kind::Size { min: 1_000, max: 18_000_000 }, "900000")
        .doc("Bytes of a batch before compression, with keys and headers."),
    Field::with_default("max_records", Kind::Integer { min: 1, max: 100_000 }, "5000").doc("Records of a batch."),
    Field::with_default("timeout", Kind::Duration { min: "10ms", max: "5m" }, "1s")
        .doc("How long an open batch waits for more records."),
];

/// What a record's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its organization.
    Organization,
    /// Its id.
    EventId,
    /// Nothing.
    None,
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster.
    pub connection: ConnectionSettings,
    /// The topic.
    pub topic: Arc<str>,
    /// What a record's key is.
    pub key: Key,
    /// How batches are compressed.
    pub compression: Compression,
    /// Bytes of a request.
    pub max_request_bytes: usize,
    /// Bytes of a batch before compression.
    max_bytes: usize,
    max_records: usize,
    timeout: Duration,
    /// Number of inputs.
    pub inputs: usize,
}

impl Settings {
    /// Reads the component's table, given the names in its `inputs`.
    pub fn read(section: &mut Section, inputs: &[String]) -> Self {
        let number = |value: i64| usize::try_from(value).unwrap_or(1);
        let connection = ConnectionSettings::read(section);
        let topic = section.text("topic");
        if section.has("topic") && !is_topic(&topic) {
            let hint = "use letters, digits, `.`, `_` and `-`, at most 249";
            section.error("topic", "no topic can be called that", hint);
        }
        let key = match section.text("key").as_str() {
            "event_id" => Key::EventId,
            "none" => Key::None,
            _ => Key::Organization,
        };
        let compression = if section.text("compression") == "gzip" { Compression::Gzip } else { Compression::None };
        let max_request_bytes = number(section.integer("max_request_size"));
        let mut batch = section.table("batch");
        Self {
            connection,
            topic: topic.into(),
            key,
            compression,
            max_request_bytes,
            max_bytes: number(batch.integer("max_bytes")),
            max_records: number(batch.integer("max_records")),
            timeout: batch.duration("timeout"),
            inputs: inputs.len(),
        }
    }

    /// Longest record that is sent, in bytes with its key and headers. The rest of a request is the protocol's.
    pub fn max_record_bytes(&self) -> usize {
        self.max_request_bytes / 10 * 9
    }

    /// When a batch is closed.
    pub fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes.min(self.max_record_bytes()),
            max_records: self.max_records,
            timeout: self.timeout,
            // A second one could overtake the first.
            concurrency: 1,
        }
    }
}

//! The source's fields in the pipeline file.

use std::sync::Arc;
use std::time::Duration;

use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::kafka::connection::{self, ConnectionSettings, is_topic};
use crate::settings::{Field, Kind, Section};
use nordpass_env::kafka::{ConsumerSettings, GroupProtocol};

/// The `kafka` type.
pub static TYPE: ComponentType = ComponentType {
    name: "kafka",
    doc: "Reads NordPass events from topics of Kafka, Azure Event Hubs or Redpanda, as a member of a consumer group: those that a `kafka` \
      sink wrote, and raw events of other producers. Offsets are committed once everything before them is delivered. What isn't an \
      event becomes a dead letter. A build from source needs `--features kafka`.",
    fields: FIELDS,
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    connection::BOOTSTRAP_SERVERS,
    Field::required("topics", Kind::List).doc("The topics; of Event Hubs the event hubs. They have to exist."),
    Field::required("group_id", Kind::Text).doc(
        "The consumer group. Processes with the same one share the partitions. In Event Hubs it is namespace-wide: two pipelines need two.",
    ),
    Field::optional("group_instance_id", Kind::Text).doc(
        "The name of this member, such as a pod's. With it, a restart within `session_timeout` moves no partitions. Each process needs \
         one of its own.",
    ),
    Field::with_default("group_protocol", Kind::Choice(&["classic", "consumer"]), "classic")
        .doc("`classic`: every broker has it. `consumer`: KIP-848, for Kafka 4; Event Hubs doesn't have it."),
    Field::with_default("on_gap", Kind::Choice(&["wait", "continue"]), "wait").doc(
        "What to do with a partition whose records were removed by its retention before they were read. `wait`: it waits until you \
         decide. `continue`: it goes on with the oldest record that is left. Either way it is counted and shown.",
    ),
    Field::with_default("session_timeout", Kind::Duration { min: "6s", max: "5m" }, "30s")
        .doc("A member that isn't heard of for this time loses its partitions to others."),
    Field::with_default("max_poll_interval", Kind::Duration { min: "1m", max: "1h" }, "5m")
        .doc("Longest time that a rebalance waits for a member. It delivers what it has in at most half of it, or 45 s."),
    connection::SECURITY_PROTOCOL,
    connection::SASL,
    connection::REQUEST_TIMEOUT,
    connection::TLS,
];

/// Longest name of a group that Event Hubs takes.
const LONGEST_GROUP: usize = 256;
/// Bytes of a fetch, and of one partition in it.
const FETCH_BYTES: (usize, usize) = (8 << 20, 1 << 20);

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster.
    pub connection: ConnectionSettings,
    /// How it is read.
    pub consumer: ConsumerSettings,
    /// Whether a partition goes on behind what its retention has removed.
    pub continues_after_gap: bool,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let connection = ConnectionSettings::read(section);
        let topics = section.list("topics");
        if topics.iter().any(|topic| !is_topic(topic)) {
            let hint = "use letters, digits, `.`, `_` and `-`, at most 249";
            section.error("topics", "no topic can be called that", hint);
        }
        let group_id = section.text("group_id");
        if section.has("group_id") && !(1..=LONGEST_GROUP).contains(&group_id.len()) {
            section.error("group_id", "no group can be called that", "write 1 to 256 characters");
        }
        let group_protocol = match section.text("group_protocol").as_str() {
            "consumer" => GroupProtocol::Consumer,
            _ => GroupProtocol::Classic,
        };
        let continues_after_gap = section.text("on_gap") == "continue";
        let consumer = ConsumerSettings {
            group_id,
            group_instance_id: section.optional_text("group_instance_id"),
            group_protocol,
            topics,
            session_timeout: section.duration("session_timeout"),
            max_poll_interval: section.duration("max_poll_interval"),
            fetch_max_bytes: FETCH_BYTES,
        };
        Self { connection, consumer, continues_after_gap }
    }

    /// How long a revoke may wait for what was passed on.
    pub fn drain_timeout(&self) -> Duration {
        (self.consumer.max_poll_interval / 2).min(Duration::from_secs(45))
    }
}

//! The sink whose program is killed, and the simulator that it sends to.

use std::path::PathBuf;
use std::sync::Arc;

use nordpass_simulator::judge::Received;
use nordpass_simulator::{Endpoint, Service};

use crate::books::ReceiverLedger;
use crate::ledger::{Destination, Ledger};
use crate::support::World;

/// A sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// To the Logs Ingestion API.
    Sentinel,
    /// To a receiver of NDJSON over HTTP.
    Http,
}

/// The rows that show their ids, over HTTP.
const HTTP: &str = r#"
[transforms.records]
type = "event_log"
inputs = ["nordpass"]

[sinks.receiver]
type = "http"
inputs = ["records"]
endpoint = "${RECEIVER}/records"
batch = { timeout = "200ms" }
"#;

impl Sink {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sentinel, Self::Http];

    /// Its type in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentinel => "sentinel",
            Self::Http => "http",
        }
    }

    /// The sink of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sink| sink.name() == name)
    }

    /// Its rows in the books.
    pub fn destination(self) -> Destination {
        match self {
            Self::Sentinel => Destination::Sentinel,
            Self::Http => Destination::Receiver,
        }
    }

    /// What the faults name.
    pub fn endpoint(self) -> Endpoint {
        match self {
            Self::Sentinel => Endpoint::Ingestion,
            Self::Http => Endpoint::Http,
        }
    }

    /// The variable of the pipeline file that says where its destination is.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Sentinel => "DATA_COLLECTION_ENDPOINT",
            Self::Http => "RECEIVER",
        }
    }

    /// What has arrived.
    pub fn received(self, world: &World) -> Received {
        match self {
            Self::Sentinel => world.simulation.ingestion.received(),
            Self::Http => world.simulation.receivers.received(Endpoint::Http),
        }
    }

    /// The destination, with a book of its own about it.
    pub fn service(self, world: &World, ledger: &Arc<Ledger>) -> Arc<dyn Service> {
        match self {
            Self::Sentinel => ledger.clone(),
            Self::Http => {
                let receivers = world.simulation.receivers.clone();
                Arc::new(ReceiverLedger { ledger: ledger.clone(), receivers })
            }
        }
    }

    /// The pipeline file: NordPass to this sink, the raw events beside it in files.
    pub fn pipeline(self, world: &World) -> PathBuf {
        let both = world.both();
        if self == Self::Sentinel {
            return both;
        }
        let text = std::fs::read_to_string(both).expect("the pipeline that was just written");
        let (source, rest) = text.split_once("[transforms.asim]").expect("a transform");
        let (_, archive) = rest.split_once("[sinks.archive]").expect("files");
        let tls = if world.authority.is_some() { "\n[sinks.receiver.tls]\nca_file = \"ca.pem\"\n" } else { "" };
        world.pipeline("http.toml", &format!("{source}{HTTP}{tls}\n[sinks.archive]{archive}"))
    }
}

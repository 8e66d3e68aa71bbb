//! Simulators of both ends: the NordPass API, Entra ID and the Logs Ingestion API; beside them Azure Blob Storage, and receivers of
//! records over HTTP ([`receiver`]) or by Kafka's protocol, in memory ([`kafka`]).
//!
//! They run the demo, the tests and users' load tests. They share the catalogue's data file with the product and import
//! nothing from sources, transforms, sinks, the checkpoint or the event ids: they would agree with our mistakes
//! otherwise. Whether everything arrived is judged by a probe, a text inside each generated event's `metadata`, which
//! the product treats as any other text ([`judge`]).
//!
//! Each simulator is a plain function of a request and the time ([`Service`]). A [`Gate`] puts the faults and the
//! request log in front of it. Gates are used two ways: by [`network`], wholly in this process and repeatable for a
//! seed, and by [`server`], on loopback sockets with real TLS and real resets. [`Simulation`] holds one of each.

pub mod blob;
mod dice;
pub mod entra;
mod event;
pub mod faults;
mod form;
mod gate;
pub mod generator;
pub mod ingestion;
pub mod judge;
pub mod kafka;
pub mod network;
pub mod nordpass;
mod probe;
pub mod receiver;
pub mod recording;
mod reply;
pub mod server;
mod simulation;

pub use dice::Dice;
pub use event::SimulatedEvent;
pub use gate::{Gate, LoggedRequest, RequestLog};
pub use probe::{Probes, probe_of};
pub use reply::{CONTROL_PATH, Ending, Endpoint, Reply, Service};
pub use simulation::{Sample, ServerPorts, Servers, Simulation, SimulationOptions};

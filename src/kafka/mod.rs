//! Kafka: topics, groups, and who connects. For every broker with its protocol: Apache Kafka, Azure Event Hubs, Redpanda.
//!
//! | file | what it does |
//! |---|---|
//! | [`connection`], [`sasl`] | the fields that both share in a pipeline file |
//! | `krafka` | the client behind the seam ([`nordpass_env::kafka`]), in builds with the feature `kafka` |
//! | `contract` | what all that is behind the seam has to keep |

pub mod connection;
#[cfg(all(test, feature = "kafka"))]
mod contract;
#[cfg(feature = "kafka")]
mod krafka;
pub mod sasl;

use std::sync::Arc;

use self::connection::ConnectionSettings;
use nordpass_env::Env;
use nordpass_env::kafka::Broker;

/// The cluster of these settings. Nothing is connected yet. The error is a sentence about the settings.
#[cfg(feature = "kafka")]
pub fn connect(settings: &ConnectionSettings, env: &Env) -> Result<Arc<dyn Broker>, String> {
    match env.network.broker(&settings.bootstrap_servers) {
        Some(simulated) => Ok(simulated),
        None => Ok(Arc::new(krafka::KrafkaBroker::new(settings, env)?)),
    }
}

/// Without a client there is no cluster. Such a pipeline file is refused, so this is never called.
#[cfg(not(feature = "kafka"))]
pub fn connect(_: &ConnectionSettings, _: &Env) -> Result<Arc<dyn Broker>, String> {
    Err("this build has no client for Kafka: build with `--features kafka`".to_owned())
}

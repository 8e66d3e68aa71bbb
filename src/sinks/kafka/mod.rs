//! The Kafka sink: writes each record to a topic of Kafka, Azure Event Hubs or Redpanda.
//!
//! | file | what it does |
//! |---|---|
//! | [`settings`] | its fields in the pipeline file |
//! | [`client`] | sends a batch with one producer, and makes another one when that can't go on |
//! | [`frames`] | a batch's records with their keys and headers |
//! | [`answer`] | what the broker's answers mean for the records |
//!
//! Batches, retries, proofs and dead letters are [`super::delivery`]'s. One batch is under way at a time, so records of one key keep
//! their order, but for those that are sent again.

mod answer;
mod client;
mod frames;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use nordpass_env::Env;

pub use settings::{Settings, TYPE};

use self::client::Client;
use super::delivery::resend::Resender;
use super::delivery::run;
use super::delivery::sender::Sender;
use crate::component::{ComponentError, Context, Resend, Sink, SinkSettings};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};
use nordpass_env::kafka::Broker;

/// How long the client sends a record again by itself, with the same number, so that the broker takes it once.
const DELIVERY_TIMEOUT: Duration = Duration::from_hours(24);
/// The same for somebody who waits at a terminal, beyond the time limit of a request.
const RESEND_TIMEOUT: Duration = Duration::from_secs(30);

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let settings = self.clone();
        Box::pin(async move {
            let broker = crate::kafka::connect(&settings.connection, &context.env)
                .map_err(|reason| ComponentError::new(reason).hint("see the sink's tls and sasl tables"))?;
            open(settings, broker, context).await
        })
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let broker = crate::kafka::connect(&self.connection, env)?;
            Client::new(self, broker, RESEND_TIMEOUT, env, &ComponentReporter::detached()).probe().await
        })
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        let telemetry = Telemetry::new().component(ComponentKind::Sink, name);
        let timeout = self.connection.http.request_timeout + RESEND_TIMEOUT;
        let client = Client::new(self, crate::kafka::connect(&self.connection, env)?, timeout, env, &telemetry);
        Ok(Box::new(Resender(Sender::new(client, [self.topic.to_string()], env, &telemetry))))
    }
}

/// Opens the sink to this cluster.
async fn open(settings: Settings, broker: Arc<dyn Broker>, context: Context) -> Result<Box<dyn Sink>, ComponentError> {
    let client = Client::new(&settings, broker, DELIVERY_TIMEOUT, &context.env, &context.telemetry);
    let inputs = vec![0; settings.inputs];
    run::build(client, vec![settings.topic.to_string()], inputs, settings.limits(), context).await
}

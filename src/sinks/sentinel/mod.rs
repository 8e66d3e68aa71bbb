//! The Sentinel sink: sends rows to the Azure Logs Ingestion API.
//!
//! | file | what it does |
//! |---|---|
//! | [`probe`] | tries token, rule and each stream, for `validate --connect` |
//! | [`client`] | one request: its token, its metrics, its response |
//! | [`protocol`] | the API: what a request looks like, and what its responses mean |
//! | [`cut`] | cuts fields longer than Azure's limit |
//! | [`destination`] | the destination of one organization |
//! | [`columns`] | counts columns that a stream doesn't declare |
//!
//! Batches, retries, proofs and dead letters are [`super::delivery`]'s. Only `protocol` knows the API.

mod client;
mod columns;
mod cut;
mod destination;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod probe;
mod protocol;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::BoxFuture;
use nordpass_env::Env;

// What the benches measure.
pub use super::delivery::array::encode_array;
pub use super::delivery::batch::{OpenBatch, Rows};
pub use settings::{Settings, TYPE};

use self::client::IngestionClient;
use super::delivery::resend::Resender;
use super::delivery::run;
use super::delivery::sender::Sender;
use crate::component::{ComponentError, Context, Resend, Sink, SinkSettings};
use crate::settings::{Field, Section};
use crate::telemetry::{ComponentKind, Telemetry};

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let settings = self.clone();
        Box::pin(async move {
            let client = IngestionClient::new(&settings, &context.env, &context.telemetry).map_err(|reason| {
                ComponentError::new(reason).hint("see the sink's tls, proxy and credential tables")
            })?;
            let streams = settings.distinct_streams();
            let inputs = settings.streams.iter().filter_map(|name| streams.iter().position(|known| known == name));
            let inputs = inputs.collect();
            run::build(client, streams, inputs, settings.limits, context).await
        })
    }

    fn streams(&self) -> &[String] {
        &self.streams
    }

    fn destination_fields(&self) -> &'static [Field] {
        destination::FIELDS
    }

    fn for_destination(&self, section: &mut Section) -> Option<Arc<dyn SinkSettings>> {
        Some(Arc::new(destination::read(self, section)))
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe::probe(self, env))
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        let telemetry = Telemetry::new().component(ComponentKind::Sink, name);
        let client = IngestionClient::new(self, env, &telemetry)?;
        Ok(Box::new(Resender(Sender::new(client, self.distinct_streams(), env, &telemetry))))
    }
}

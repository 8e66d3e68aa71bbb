//! The HTTP sink: sends records to whatever takes them in requests: Vector, Fluent Bit, Cribl, Logstash, an OpenTelemetry collector,
//! Splunk, Elastic.
//!
//! | file | what it does |
//! |---|---|
//! | [`settings`] | its fields in the pipeline file |
//! | [`client`] | one request: headers, token, metrics, response |
//! | [`auth`] | who sends |
//! | [`answer`] | what a response means |
//! | [`format`] | what a body looks like |
//! | [`template`] | addresses and headers that depend on the organization or the day |
//!
//! Batches, retries, proofs and dead letters are [`super::delivery`]'s.

mod answer;
mod auth;
mod client;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod settings;
mod template;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use nordpass_env::Env;

pub use settings::{Settings, TYPE};

use self::client::Client;
use super::delivery::resend::Resender;
use super::delivery::run;
use super::delivery::sender::Sender;
use crate::component::{ComponentError, Context, Resend, Sink, SinkSettings};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};

/// The one stream of the sink: its inputs go to the same address.
const STREAM: &str = "records";

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let settings = self.clone();
        Box::pin(async move {
            let client = Client::new(&settings, &context.env, &context.telemetry)
                .map_err(|reason| ComponentError::new(reason).hint("see the sink's tls, proxy and auth tables"))?;
            let inputs = vec![0; settings.inputs];
            run::build(client, vec![STREAM.to_owned()], inputs, settings.limits, context).await
        })
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move { Client::new(self, env, &ComponentReporter::detached())?.probe().await })
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        let telemetry = Telemetry::new().component(ComponentKind::Sink, name);
        let client = Client::new(self, env, &telemetry)?;
        Ok(Box::new(Resender(Sender::new(client, [STREAM.to_owned()], env, &telemetry))))
    }
}

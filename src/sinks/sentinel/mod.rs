//! The Sentinel sink: sends rows to the Azure Logs Ingestion API.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`] | collects rows in one open batch for each stream, and starts the deliveries |
//! | [`batch`] | rows of one stream with their chunks' acknowledgements, encoded as a request body |
//! | [`deliver`] | sends a batch until each row is accepted or proven bad, then a dead letter |
//! | [`evidence`] | decides whether a refusal is the record's fault |
//! | [`sender`] | sends a body until the response says something about its rows |
//! | [`stream`] | what is known about one stream |
//! | [`client`] | one request: its token, its metrics, its response |
//! | [`protocol`] | the API: what a request looks like, and what its responses mean |
//! | [`cut`] | cuts fields longer than Azure's limit |
//! | [`columns`] | counts columns that a stream doesn't declare |
//! | [`probe`] | tries token, rule and each stream, for `validate --connect` |
//! | [`resend`] | sends single records again, for `dead-letters resend` |
//!
//! Each file uses only files below it. Only `protocol` knows the API.

mod batch;
mod client;
mod columns;
mod cut;
mod deliver;
mod evidence;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod probe;
mod protocol;
mod resend;
mod run;
mod sender;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use nordpass_env::Env;

// What the benches measure.
pub use batch::{OpenBatch, Rows};
pub use settings::{Settings, TYPE};

use crate::component::{ComponentError, Context, Resend, Sink, SinkSettings};

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(run::build(self.clone(), context))
    }

    fn streams(&self) -> &[String] {
        &self.streams
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe::probe(self, env))
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        resend::resender(self, name, env)
    }
}

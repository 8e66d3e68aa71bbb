//! The Sentinel sink: rows to the Azure Logs Ingestion API.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`] | collects rows in one open batch for each stream, and starts the deliveries |
//! | [`batch`] | rows of one stream with their chunks' acknowledgements, and the body that they become |
//! | [`deliver`] | sends a batch until Azure has every row or has refused a row by name: a dead letter |
//! | [`evidence`] | whether a refusal is about the record |
//! | [`sender`] | sends a body until the response says something about its rows |
//! | [`stream`] | what is known of one stream |
//! | [`client`] | one request: its token, its metrics, its response |
//! | [`protocol`] | the API: what a request looks like, and what its responses mean |
//! | [`cut`] | fields longer than Azure keeps |
//! | [`probe`] | tries token, rule and each stream, for `validate --connect` |
//! | [`resend`] | single records again, for `dead-letters resend` |
//!
//! Each file uses only files below it. What the API decides is in `protocol` alone.

mod batch;
mod client;
mod cut;
mod deliver;
mod evidence;
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

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe::probe(self, env))
    }

    fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        resend::resender(self, name, env)
    }
}

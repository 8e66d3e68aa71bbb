//! The archive in Azure Blob Storage: NDJSON in blobs, each record exactly once ([ADR 0031](../../../docs/adr/0031-archive-in-blobs-by-intents.md)).
//!
//! A blob holds records of one source. It is uploaded in blocks, which nobody sees. Then an intent is committed with the
//! source's state: which blocks become which blob, and the events in it. Then the blob is committed, unless it is there, and
//! its chunks are acknowledged. Whoever has the source next finishes what the intents say before it handles the first chunk,
//! and leaves out the events of the finished blobs, which come again. What is committed is never changed.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`] | the loop: takes chunks, closes groups, and starts deliveries |
//! | [`lane`] | one source's part of it |
//! | [`group`] | the records that are collected for the next blobs |
//! | [`deliver`] | blocks, intent, blobs, acknowledgements |
//! | [`settle`] | finishes what earlier runs have left |
//! | [`intent`] | what an intent says |
//! | [`skips`] | the records that are in the archive already |
//! | [`archive`] | requests, and what their failures mean |
//! | [`name`] | names of blobs |

mod archive;
mod deliver;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod group;
mod intent;
mod lane;
mod name;
mod run;
mod settings;
mod settle;
mod shared;
mod skips;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::BoxFuture;

use self::archive::Archive;
use self::run::BlobSink;
use crate::component::{ComponentError, ComponentType, Context, Outputs, ReadSettings, Records, Sink, SinkSettings};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

pub use self::settings::Settings;

/// The `azure_blob` type.
pub static TYPE: ComponentType = ComponentType {
    name: "azure_blob",
    doc: "Archives records in Azure Blob Storage as NDJSON, plain or compressed, by date, hour and organization. A blob holds records \
      of one source, and each record is in the archive exactly once, even after crashes and when another process takes a source \
      over. A committed blob is never changed, so immutability policies work.",
    fields: settings::FIELDS,
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|section, inputs| Arc::new(Settings::read(section, inputs))),
};

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let sink = BlobSink::new(self.clone(), context).map_err(ComponentError::new);
        Box::pin(async { sink.map(|sink| Box::new(sink) as Box<dyn Sink>) })
    }

    /// The container and the template. Two sinks with the same ones would write to the same places.
    fn exclusive_resource(&self) -> Option<String> {
        Some(format!("{}/{}/{}", self.account, self.container, self.template.text()))
    }

    /// As a `file` source of the same set would name them.
    fn writes(&self) -> Vec<String> {
        name::pattern(&self.account, &self.container, self.template.patterns())
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async { Archive::new(self, env, &ComponentReporter::detached())?.probe().await })
    }
}

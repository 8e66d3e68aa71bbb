//! A pipeline file becomes a checked graph, and that becomes running tasks.

mod draft;
mod dry_run;
mod feedback;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod graph;
mod load;
mod outputs;
mod page;
mod registry;
mod resend;
mod resolved;
mod run;
mod schema;
mod stores;
mod unit_test;

pub use dry_run::{Chunks, DryRun, Entry, READ_AT, Read, Seen};
pub use files::read_files;
pub use load::{load, load_for_tests};
pub use page::reference_page;
pub use resend::resender;
pub use resolved::{Config, InputRef, SinkConfig, SourceConfig, TransformConfig};
pub use run::{Changes, Failure, Reloaded, Reloader, Reloads, RunOptions, RunReport, reloads, run, run_with_reloads};
pub use schema::json_schema;
pub use stores::{Stores, dead_letters};
pub use unit_test::{
    Difference, Expected, Feed, Object, Outcome, Problem, Refusal, TestCase, TestOutput, outputs, run_test, unreached,
};

#[cfg(test)]
mod tests;

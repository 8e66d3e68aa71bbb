//! The pipeline file: from TOML text to checked settings.
//!
//! Each component describes its fields once, in a static table of [`Field`]s beside its settings. From these tables
//! come the checks (unknown key, nearest right one, bounds), the defaults, the JSON Schema and
//! `docs/reference/configuration.md`. A [`Section`] reads one TOML table by them and collects all errors.

mod diagnostic;
mod document;
mod draft;
mod duration;
mod environment;
mod field;
mod graph;
pub mod http_fields;
mod interpolate;
mod load;
mod mask;
mod nearest;
mod page;
mod registry;
mod report;
mod resolved;
mod schema;
mod secret;
mod section;
mod url;
mod value;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use duration::{DurationError, format_duration, parse_duration};
pub use environment::Environment;
pub use field::{ComponentType, Field, Kind, Presence};
pub use http_fields::read_http;
pub use load::{load, read_files};
pub use page::reference_page;
pub use resolved::{Config, InputRef, SinkConfig, SourceConfig, TransformConfig};
pub use schema::json_schema;
pub use secret::{Secret, SecretError};
pub use section::Section;

#[cfg(test)]
mod tests;

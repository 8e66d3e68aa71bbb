//! How a table of TOML becomes checked settings: fields, sections, secrets, diagnostics.
//!
//! Each component describes its fields once, in a static table of [`Field`]s beside its settings. From these tables
//! come the checks (unknown key, nearest right one, bounds), the defaults, the JSON Schema and
//! `docs/reference/configuration.md`. A [`Section`] reads one TOML table by them and collects all errors.

mod diagnostic;
pub(crate) mod document;
pub(crate) mod duration;
mod env_file;
mod environment;
mod excerpt;
mod field;
mod flaw;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod http_fields;
mod interpolate;
pub(crate) mod nearest;
pub(crate) mod report;
mod secret;
pub(crate) mod section;
pub(crate) mod size;
mod url;
pub(crate) mod value;

pub use diagnostic::{Diagnostic, Location, Severity};
pub use duration::{DurationError, format_duration, parse_duration};
pub use environment::Environment;
pub use field::{Field, Kind, Presence};
pub use flaw::Flaw;
pub use http_fields::read_http;
pub use secret::{Secret, SecretError};
pub use section::Section;
pub use section::fingerprint::Fingerprint;

#[cfg(test)]
mod tests;

//! The pipeline file: from TOML text to checked settings.
//!
//! Each component describes its fields once, in a static table of [`Field`]s beside its settings. From these tables
//! come the checks (unknown key, nearest right one, bounds), the defaults, the JSON Schema and
//! `docs/reference/configuration.md`. A [`Section`] reads one TOML table by them and collects all errors.

mod field;
mod resolved;
mod secret;
mod section;

pub use field::{ComponentType, Field, Kind, Presence};
pub use resolved::{Config, InputRef, SinkConfig, SourceConfig, TransformConfig};
pub use secret::{Secret, SecretError};
pub use section::Section;

//! Sources: where events come from. One file or folder each, one variant each.

mod budget;
mod delivery;
pub mod file;
pub mod generate;
pub mod health;
mod in_flight;
pub mod nordpass;
pub mod recording;
pub mod replay;
mod retry;
pub mod stdin;

use std::future::ready;

use futures::future::BoxFuture;

use crate::component::ComponentType;
use crate::component::{ComponentError, Context, Output, Source};
use crate::settings::Section;
use crate::telemetry::Telemetry;
use nordpass_env::Env;

/// All types of source.
pub static TYPES: &[&ComponentType] = &[&nordpass::TYPE, &file::TYPE, &stdin::TYPE, &generate::TYPE, &health::TYPE];

/// The checked settings of a source.
#[derive(Clone, Debug)]
pub enum Settings {
    /// [`nordpass`]
    Nordpass(nordpass::Settings),
    /// [`file`]
    File(file::Settings),
    /// [`stdin`]
    Stdin(stdin::Settings),
    /// [`generate`]
    Generate(generate::Settings),
    /// [`health`]
    Health(health::Settings),
    /// A recording in place of a source: [`replay`]
    Replay(replay::Settings),
    /// A source of this type that a command leaves out: its readers see the end of their input at once.
    Omitted(&'static str),
}

/// Whether a type of source gives rows of a table, not events. Rows are for sinks.
pub fn makes_rows(type_name: &str) -> bool {
    type_name == health::TYPE.name
}

impl Settings {
    /// Reads a source's table; `None` for a type that isn't in [`TYPES`].
    pub fn read(type_name: &str, section: &mut Section) -> Option<Self> {
        Some(match type_name {
            "nordpass" => Self::Nordpass(nordpass::Settings::read(section)),
            "file" => Self::File(file::Settings::read(section)),
            "stdin" => Self::Stdin(stdin::Settings::read(section)),
            "generate" => Self::Generate(generate::Settings::read(section)),
            "health" => Self::Health(health::Settings::read(section)),
            _ => return None,
        })
    }

    /// What no other source may use too.
    pub fn exclusive_resource(&self) -> Option<String> {
        match self {
            Self::Stdin(_) => Some("standard input".into()),
            Self::Nordpass(_)
            | Self::File(_)
            | Self::Generate(_)
            | Self::Health(_)
            | Self::Replay(_)
            | Self::Omitted(_) => None,
        }
    }

    /// Tries the token and the endpoint with one request (`validate --connect`). Answers in words what works, or
    /// what doesn't and what to do.
    pub async fn probe(&self, env: &Env) -> Result<String, String> {
        match self {
            Self::Nordpass(settings) => nordpass::probe(settings, env).await,
            Self::File(_)
            | Self::Stdin(_)
            | Self::Generate(_)
            | Self::Health(_)
            | Self::Replay(_)
            | Self::Omitted(_) => Ok("nothing to try".into()),
        }
    }

    /// Its type in the pipeline file.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nordpass(_) => nordpass::TYPE.name,
            Self::File(_) => file::TYPE.name,
            Self::Stdin(_) => stdin::TYPE.name,
            Self::Generate(_) => generate::TYPE.name,
            Self::Health(_) => health::TYPE.name,
            Self::Replay(settings) => settings.instead_of,
            Self::Omitted(type_name) => type_name,
        }
    }

    /// Makes the source. `everybody` is the telemetry of the whole set, for the one source that reports about it.
    pub fn build(self, everybody: &Telemetry) -> Box<dyn Source> {
        match self {
            Self::Nordpass(settings) => nordpass::build(settings),
            Self::File(settings) => file::build(settings),
            Self::Stdin(settings) => stdin::build(settings),
            Self::Generate(settings) => generate::build(settings),
            Self::Health(settings) => health::build(settings, everybody.clone()),
            Self::Replay(settings) => replay::build(settings),
            Self::Omitted(_) => Box::new(Omitted),
        }
    }
}

/// Reads nothing.
struct Omitted;

impl Source for Omitted {
    fn run(self: Box<Self>, _: Context, _: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(ready(Ok(())))
    }
}

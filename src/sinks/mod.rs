//! Sinks: where records go. One file or folder each, one variant each.

pub mod blackhole;
pub mod console;
pub mod file;
mod ndjson;
pub mod sentinel;
#[cfg(test)]
mod testing;

use crate::component::ComponentType;
use crate::component::Resend;
use crate::component::{ComponentError, Context, Sink};
use crate::settings::Section;
use nordpass_env::Env;

/// All types of sink.
pub static TYPES: &[&ComponentType] = &[&sentinel::TYPE, &file::TYPE, &console::TYPE, &blackhole::TYPE];

/// The checked settings of a sink.
#[derive(Clone, Debug)]
pub enum Settings {
    /// [`sentinel`]
    Sentinel(sentinel::Settings),
    /// [`file`]
    File(file::Settings),
    /// [`console`]
    Console(console::Settings),
    /// [`blackhole`]
    Blackhole(blackhole::Settings),
}

impl Settings {
    /// Reads a sink's table, given the names in its `inputs`; `None` for a type that isn't in [`TYPES`].
    pub fn read(type_name: &str, section: &mut Section, inputs: &[String]) -> Option<Self> {
        Some(match type_name {
            "sentinel" => Self::Sentinel(sentinel::Settings::read(section, inputs)),
            "file" => Self::File(file::Settings::read(section)),
            "console" => Self::Console(console::Settings::read(section)),
            "blackhole" => Self::Blackhole(blackhole::Settings::read(section)),
            _ => return None,
        })
    }

    /// Its type in the pipeline file.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Sentinel(_) => sentinel::TYPE.name,
            Self::File(_) => file::TYPE.name,
            Self::Console(_) => console::TYPE.name,
            Self::Blackhole(_) => blackhole::TYPE.name,
        }
    }

    /// What no other sink may use too: the files that it writes.
    pub fn exclusive_resource(&self) -> Option<String> {
        match self {
            Self::File(settings) => Some(settings.exclusive_resource()),
            Self::Sentinel(_) | Self::Console(_) | Self::Blackhole(_) => None,
        }
    }

    /// Tries the credential and the endpoint with one request (`validate --connect`). Answers in words what works, or
    /// what doesn't and what to do.
    pub async fn probe(&self, env: &Env) -> Result<String, String> {
        match self {
            Self::Sentinel(settings) => sentinel::probe(settings, env).await,
            Self::File(_) | Self::Console(_) | Self::Blackhole(_) => Ok("nothing to try".into()),
        }
    }

    /// What sends single records to this sink's destination again (`dead-letters resend`). The error is a sentence.
    pub async fn resender(&self, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
        match self {
            Self::Sentinel(settings) => sentinel::resender(settings, name, env).await,
            Self::File(_) | Self::Console(_) | Self::Blackhole(_) => {
                Err(format!("the sink `{name}` isn't of the type `sentinel`, the only one that can resend"))
            }
        }
    }

    /// Opens the sink: before any source runs.
    pub async fn build(self, context: Context) -> Result<Box<dyn Sink>, ComponentError> {
        match self {
            Self::Sentinel(settings) => sentinel::build(settings, context).await,
            Self::File(settings) => file::build(settings, context).await,
            Self::Console(settings) => console::build(settings, context).await,
            Self::Blackhole(settings) => blackhole::build(settings, context).await,
        }
    }
}

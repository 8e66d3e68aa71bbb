//! Transforms: what happens to events on the way. One file or folder each, one variant each.

pub mod asim;
pub mod event_log;
pub mod filter;

use crate::component::ComponentType;
use crate::component::Transform;
use crate::settings::Section;
use crate::telemetry::ComponentReporter;

/// All types of transform.
pub static TYPES: &[&ComponentType] = &[&asim::TYPE, &event_log::TYPE, &filter::TYPE];

/// Whether a type of transform makes rows of a table. Rows are for sinks: a transform reads events.
pub fn makes_rows(type_name: &str) -> bool {
    matches!(type_name, "asim" | "event_log")
}

/// The checked settings of a transform.
#[derive(Clone, Debug)]
pub enum Settings {
    /// [`asim`]
    Asim(asim::Settings),
    /// [`event_log`]
    EventLog(event_log::Settings),
    /// [`filter`]
    Filter(filter::Settings),
}

impl Settings {
    /// Reads a transform's table; `None` for a type that isn't in [`TYPES`].
    pub fn read(type_name: &str, section: &mut Section) -> Option<Self> {
        Some(match type_name {
            "asim" => Self::Asim(asim::Settings::read(section)),
            "event_log" => Self::EventLog(event_log::Settings::read(section)),
            "filter" => Self::Filter(filter::Settings::read(section)),
            _ => return None,
        })
    }

    /// Makes the transform.
    pub fn build(self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        match self {
            Self::Asim(settings) => asim::build(settings, telemetry),
            Self::EventLog(settings) => event_log::build(settings, telemetry),
            Self::Filter(settings) => filter::build(settings, telemetry),
        }
    }
}

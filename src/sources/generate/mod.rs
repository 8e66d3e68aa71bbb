//! Generated events: for demos, load tests and trying out a pipeline without a NordPass account.
//!
//! The events come from the simulators' generator. Nothing is kept between runs: a restart begins anew, with the same
//! events for the same seed but the time at which they are made.

#[cfg(feature = "simulator")]
mod run;

use crate::component::{ComponentType, Outputs, ReadSettings, Records, Source, SourceSettings};
use crate::settings::{Field, Kind, Section};
use crate::telemetry::Telemetry;
use std::sync::Arc;

/// The `generate` type.
pub static TYPE: ComponentType = ComponentType {
    name: "generate",
    doc: "Generates events of a fictional organization, with every pair of the catalogue, regardless of office hours. \
      For demos and load tests; keeps no state.",
    fields: FIELDS,
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::with_default("rate", Kind::Integer { min: 0, max: 10_000_000 }, "10")
        .doc("Events per second; 0 means as fast as the pipeline accepts them."),
    Field::optional("count", Kind::Integer { min: 1, max: i64::MAX })
        .doc("Stop after this many events. Never stops by default."),
    Field::with_default("seed", Kind::Integer { min: 0, max: i64::MAX }, "1")
        .doc("Seed for people and events: the same seed generates the same ones."),
];

/// Checked settings.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "simulator"), expect(dead_code, reason = "nothing reads what was refused"))]
pub struct Settings {
    rate: u64,
    count: Option<u64>,
    seed: u64,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        if cfg!(not(feature = "simulator")) {
            let hint = "use a release archive, or build with the default features: cargo build --release";
            section.error("type", "this build doesn't include the simulators that `generate` needs", hint);
        }
        let whole = |number: i64| u64::try_from(number).unwrap_or_default();
        Self {
            rate: whole(section.integer("rate")),
            count: section.optional_integer("count").map(whole),
            seed: whole(section.integer("seed")),
        }
    }
}

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        #[cfg(feature = "simulator")]
        return Box::new(self.clone());
        #[cfg(not(feature = "simulator"))]
        unreachable!("{self:?} was refused when it was read")
    }
}

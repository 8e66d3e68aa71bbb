//! Events to ASIM rows.

use crate::config::{ComponentType, Field, Section};

/// The `asim` type.
pub static TYPE: ComponentType = ComponentType { name: "asim", doc: "", fields: FIELDS, outputs: &[""] };

static FIELDS: &[Field] = &[];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {}

impl Settings {
    /// Reads the component's table.
    pub fn read(_section: &mut Section) -> Self {
        Self {}
    }
}

/// Makes the transform.
pub fn build(_settings: Settings, _telemetry: crate::telemetry::Component) -> Box<dyn crate::topology::Transform> {
    unimplemented!("to come")
}

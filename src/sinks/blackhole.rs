//! Nowhere.

use crate::config::{ComponentType, Field, Section};

/// The `blackhole` type.
pub static TYPE: ComponentType = ComponentType { name: "blackhole", doc: "", fields: FIELDS, outputs: &[""] };

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

/// Opens the sink: before any source runs.
pub async fn build(
    _settings: Settings,
    _context: crate::topology::Context,
) -> Result<Box<dyn crate::topology::Sink>, crate::topology::ComponentError> {
    unimplemented!("to come")
}

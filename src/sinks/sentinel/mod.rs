//! Microsoft Sentinel, through the Logs Ingestion API.

use crate::config::{ComponentType, Field, Section};

/// The `sentinel` type.
pub static TYPE: ComponentType = ComponentType { name: "sentinel", doc: "", fields: FIELDS, outputs: &[""] };

static FIELDS: &[Field] = &[];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {}

impl Settings {
    /// Reads the component's table.
    pub fn read(_section: &mut Section, _inputs: &[String]) -> Self {
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

//! Recorded logs from files.

use crate::config::{ComponentType, Field, Section};

/// The `file` type.
pub static TYPE: ComponentType = ComponentType { name: "file", doc: "", fields: FIELDS, outputs: &[""] };

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

/// Makes the source.
pub fn build(_settings: Settings) -> Box<dyn crate::topology::Source> {
    unimplemented!("to come")
}

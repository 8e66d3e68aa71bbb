//! The component types that a pipeline file can name.

use crate::component::ComponentType;
use crate::telemetry::ComponentKind;
use crate::{sinks, sources, transforms};

/// All types, by kind. Tests bring their own, so that they don't change with every component's fields.
#[derive(Clone, Copy)]
pub(super) struct Registry {
    pub sources: &'static [&'static ComponentType],
    pub transforms: &'static [&'static ComponentType],
    pub sinks: &'static [&'static ComponentType],
    /// Whether the outputs of a source or transform are rows of a table, which no transform can read.
    pub makes_rows: fn(&str) -> bool,
}

impl Registry {
    /// What this program has.
    pub fn built_in() -> Self {
        Self {
            sources: sources::TYPES,
            transforms: transforms::TYPES,
            sinks: sinks::TYPES,
            makes_rows: |name| transforms::makes_rows(name) || sources::makes_rows(name),
        }
    }

    pub fn of(&self, kind: ComponentKind) -> &'static [&'static ComponentType] {
        match kind {
            ComponentKind::Source => self.sources,
            ComponentKind::Transform => self.transforms,
            ComponentKind::Sink => self.sinks,
        }
    }
}

/// The table that holds the components of a kind.
pub(super) fn table_name(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Source => "sources",
        ComponentKind::Transform => "transforms",
        ComponentKind::Sink => "sinks",
    }
}

pub(super) const KINDS: [ComponentKind; 3] = [ComponentKind::Source, ComponentKind::Transform, ComponentKind::Sink];

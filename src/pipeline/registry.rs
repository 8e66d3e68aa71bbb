//! The component types that a pipeline file can name.

use crate::{component::ComponentType, sinks, sources, telemetry::ComponentKind, transforms};

/// The types of sources, of transforms and of sinks, each in the order of the reference page. Tests bring their own, so
/// that they don't change with every component's fields.
#[derive(Clone, Copy)]
pub(super) struct Registry(pub [&'static [&'static ComponentType]; 3]);

impl Registry {
    /// What this program has.
    pub fn built_in() -> Self {
        Self([sources::TYPES, transforms::TYPES, sinks::TYPES])
    }

    /// The types of a kind.
    pub fn of(&self, kind: ComponentKind) -> &'static [&'static ComponentType] {
        self.0[kind as usize]
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

//! The component types that a pipeline file can name.

use crate::component::{AnyType, ComponentType, SinkType, SourceType, TransformType};
use crate::telemetry::ComponentKind;
use crate::{sinks, sources, transforms};

/// All types, by kind. Tests bring their own, so that they don't change with every component's fields.
#[derive(Clone, Copy)]
pub(super) struct Registry {
    pub sources: &'static [&'static SourceType],
    pub transforms: &'static [&'static TransformType],
    pub sinks: &'static [&'static SinkType],
}

impl Registry {
    /// What this program has.
    pub fn built_in() -> Self {
        Self { sources: sources::TYPES, transforms: transforms::TYPES, sinks: sinks::TYPES }
    }

    /// The types of a kind, in the order of the reference page.
    pub fn of(&self, kind: ComponentKind) -> Vec<AnyType> {
        match kind {
            ComponentKind::Source => self.sources.iter().copied().map(AnyType::Source).collect(),
            ComponentKind::Transform => self.transforms.iter().copied().map(AnyType::Transform).collect(),
            ComponentKind::Sink => self.sinks.iter().copied().map(AnyType::Sink).collect(),
        }
    }

    /// Names and fields of the types of a kind.
    pub fn bases(&self, kind: ComponentKind) -> impl Iterator<Item = &'static ComponentType> + use<> {
        self.of(kind).into_iter().map(AnyType::base)
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

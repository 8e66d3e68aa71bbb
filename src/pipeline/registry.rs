//! The component types that a pipeline file can name.

use std::collections::BTreeSet;

use super::draft::{COMMON_FIELDS, TOP_FIELDS};
use crate::component::{AnyType, ComponentType, SinkType, SourceType, TransformType};
use crate::settings::{Field, Kind};
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

    /// Every key that a pipeline file can have by itself, not by its author's choice.
    pub fn words(&self) -> BTreeSet<&'static str> {
        let mut words: BTreeSet<&str> = KINDS.into_iter().map(table_name).collect();
        add_words(&mut words, TOP_FIELDS.iter().chain(COMMON_FIELDS));
        for base in KINDS.into_iter().flat_map(|kind| self.bases(kind)) {
            add_words(&mut words, base.fields);
        }
        words
    }

    /// Names and fields of the types of a kind.
    pub fn bases(&self, kind: ComponentKind) -> impl Iterator<Item = &'static ComponentType> + use<> {
        self.of(kind).into_iter().map(AnyType::base)
    }
}

fn add_words<'f>(words: &mut BTreeSet<&'static str>, fields: impl IntoIterator<Item = &'f Field>) {
    for field in fields {
        words.insert(field.name);
        if let Kind::Table(fields) = &field.kind {
            add_words(words, *fields);
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

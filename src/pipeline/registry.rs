//! The component types that a pipeline file can name.

use std::collections::BTreeSet;

use super::draft::{COMMON_FIELDS, TOP_FIELDS};
use crate::settings::Field;
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

    /// Every key that a pipeline file can have by itself, not by its author's choice.
    pub fn words(&self) -> BTreeSet<&'static str> {
        let mut words: BTreeSet<&str> = KINDS.into_iter().map(table_name).collect();
        add_words(&mut words, TOP_FIELDS.iter().chain(COMMON_FIELDS));
        for component_type in KINDS.into_iter().flat_map(|kind| self.of(kind)) {
            add_words(&mut words, component_type.fields);
        }
        words
    }

    /// The types of a kind.
    pub fn of(&self, kind: ComponentKind) -> &'static [&'static ComponentType] {
        self.0[kind as usize]
    }
}

fn add_words<'f>(words: &mut BTreeSet<&'static str>, fields: impl IntoIterator<Item = &'f Field>) {
    for field in fields {
        words.insert(field.name);
        if let Some(fields) = field.kind.fields() {
            add_words(words, fields);
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

//! What each component's outputs are called, and what they hold. Those of a transform that shapes records depend on what it
//! reads, and on its own table.

use super::draft::{Component, Draft};
use crate::component::{Outputs, Records};
use crate::telemetry::ComponentKind;

/// The outputs of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Events or rows, never [`Records::AsInputs`].
    pub records: Records,
    /// Their names, in the order of their numbers.
    pub names: Vec<String>,
    /// The tables of the rows that a shaping transform reads, each once. Its output for the number `own` of its own outputs
    /// and the table number `table` is `own * tables + table`. One without a name for anything else.
    pub tables: Vec<String>,
}

impl Default for Found {
    fn default() -> Self {
        Self { records: Records::Events, names: Vec::new(), tables: vec![String::new()] }
    }
}

impl Found {
    fn named(records: Records, names: &[&str]) -> Self {
        Self { records, names: names.iter().map(|&name| name.to_owned()).collect(), ..Self::default() }
    }
}

/// The component's name and the output's in an element of `inputs`.
pub(super) fn split(input: &str) -> (&str, &str) {
    input.split_once('.').unwrap_or((input, ""))
}

/// Finds the outputs of all components. Where transforms form a circle, which is an error, one of them counts as reading
/// events.
pub(super) fn find(draft: &mut Draft) {
    let mut found: Vec<Option<Found>> = draft.components.iter().map(fixed).collect();
    loop {
        let mut advanced = false;
        for index in 0..found.len() {
            if found[index].is_none() {
                found[index] = of_inputs(draft, &draft.components[index], &found);
                advanced |= found[index].is_some();
            }
        }
        if advanced {
            continue;
        }
        let Some(index) = found.iter().position(Option::is_none) else { break };
        found[index] = Some(from(&draft.components[index], Records::Events, vec![String::new()]));
    }
    for (component, found) in draft.components.iter_mut().zip(found) {
        component.found = found.unwrap_or_default();
    }
}

/// The outputs that depend on nothing.
fn fixed(component: &Component) -> Option<Found> {
    let Some((component_type, _)) = &component.typed else { return Some(Found::default()) };
    match component_type.outputs {
        Outputs::Named(names) => Some(Found::named(component_type.records, names)),
        Outputs::OfInputs | Outputs::OfField { .. } => None,
    }
}

/// The outputs that depend on the inputs, once those are known.
fn of_inputs(draft: &Draft, component: &Component, found: &[Option<Found>]) -> Option<Found> {
    let (mut records, mut tables) = (Records::Events, Vec::new());
    for input in component.inputs.iter().flatten() {
        let (name, output) = split(&input.text);
        let is_meant = |other: &Component| other.name == name && other.kind != ComponentKind::Sink;
        // An unknown input has its error.
        let Some(index) = draft.components.iter().position(is_meant) else { continue };
        let of = found[index].as_ref()?;
        if of.records == Records::Rows && of.names.iter().any(|name| name == output) {
            records = Records::Rows;
            if !tables.iter().any(|table| table == output) {
                tables.push(output.to_owned());
            }
        }
    }
    if tables.is_empty() {
        tables.push(String::new());
    }
    Some(from(component, records, tables))
}

fn from(component: &Component, records: Records, tables: Vec<String>) -> Found {
    let own = match component.typed.as_ref().map(|(component_type, section)| (component_type.outputs, section)) {
        Some((Outputs::OfField { field, rest }, section)) => {
            section.keys(field).into_iter().chain([rest]).map(ToOwned::to_owned).collect()
        }
        _ => vec![String::new()],
    };
    let join = |own: &String, table: &String| match (own.as_str(), table.as_str()) {
        (name, "") | ("", name) => name.to_owned(),
        (own, table) => format!("{own}.{table}"),
    };
    let names = own.iter().flat_map(|own| tables.iter().map(move |table| join(own, table))).collect();
    Found { records, names, tables }
}

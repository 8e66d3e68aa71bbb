//! Sends records to outputs by conditions.
//!
//! Records stay in their chunk: no text is copied. What meets no condition goes to the output `_unmatched`, so nothing is lost
//! by a condition that forgets a case.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::shape::conditions::{self, Conditions};
use super::shape::facts::Facts;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Transform, TransformSettings};
use crate::event::Chunk;
use crate::settings::value::quote;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};

/// The output of what meets no condition.
const UNMATCHED: &str = "_unmatched";

/// The `route` type.
pub static TYPE: ComponentType = ComponentType {
    name: "route",
    doc: "Sends each event or table row to the first of its routes whose conditions it meets, or with `all` to each of \
      them. What meets none goes to the output `_unmatched`. Records stay unchanged.",
    fields: FIELDS,
    outputs: Outputs::OfField { field: "routes", rest: UNMATCHED },
    records: Records::AsInputs,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::required("routes", Kind::NamedTables(&conditions::FIELDS)).doc(
        "The conditions of each output, in this order, such as `admin = { include = [\"roles.*\"] }`. They are those of \
         a `filter`.",
    ),
    Field::with_default("all", Kind::Flag, "false").doc(
        "Whether a record goes to every route whose conditions it meets. A record in two routes is there twice, with one id.",
    ),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    routes: Arc<[Conditions]>,
    all: bool,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let all = section.flag("all");
        let mut tables = section.named_tables("routes");
        let mut routes: Vec<Conditions> = Vec::with_capacity(tables.len());
        if tables.is_empty() && section.has("routes") && !section.is_wrong("routes") {
            section.error("routes", "`routes` is empty", "add a route, such as admin = { include = [\"roles.*\"] }");
        }
        for (name, table) in &mut tables {
            check_name(section, name);
            let conditions = Conditions::read(table);
            if conditions.are_empty() && !conditions::FIELDS.iter().any(|field| table.is_wrong(field.name)) {
                table.table_error(
                    format!("the route {} has no condition", quote(name)),
                    format!(
                        "give it one, such as {name} = {{ include = [\"roles.*\"] }}; the rest goes to {UNMATCHED}"
                    ),
                );
            }
            routes.push(conditions);
        }
        Self { routes: routes.into(), all }
    }
}

/// A route's name is an output's: `inputs` address it.
fn check_name(section: &mut Section, name: &str) {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name == UNMATCHED {
        let hint = "give the route another name";
        section.error(
            &format!("routes.{name}"),
            format!("`{UNMATCHED}` is the output of what meets no condition"),
            hint,
        );
    } else if name.is_empty() || !name.chars().all(is_good) || name.len() > 64 {
        let message = format!("{} isn't a valid name of a route", quote(name));
        section.error(&format!("routes.{name}"), message, "use at most 64 letters, digits, `_` and `-`");
    }
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        let outputs = vec![Vec::new(); self.routes.len() + 1];
        Box::new(Route { routes: self.routes.clone(), all: self.all, outputs, telemetry })
    }
}

struct Route {
    routes: Arc<[Conditions]>,
    all: bool,
    /// The numbers of a chunk's records by output.
    outputs: Vec<Vec<usize>>,
    telemetry: ComponentReporter,
}

impl Route {
    /// Notes the outputs of a record.
    fn sort(&mut self, number: usize, facts: &Facts<'_>) {
        let mut matched = false;
        for (conditions, output) in self.routes.iter().zip(&mut self.outputs) {
            if conditions.refusal(facts).is_none() {
                output.push(number);
                matched = true;
                if !self.all {
                    break;
                }
            }
        }
        if !matched && let Some(unmatched) = self.outputs.last_mut() {
            unmatched.push(number);
        }
    }
}

impl Transform for Route {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let total = chunk.records.len();
        self.telemetry.add(&metrics::RECEIVED, total as u64);
        for number in 0..total {
            if let Some(facts) = Facts::of(&chunk, number) {
                self.sort(number, &facts);
            }
        }
        for (output, numbers) in self.outputs.iter_mut().enumerate() {
            match numbers.len() {
                0 => {}
                count if count == total => out.push((output, chunk.clone())),
                _ => out.push((output, chunk.part(numbers))),
            }
            numbers.clear();
        }
        chunk.ack.done();
    }
}

//! Sends records to outputs by conditions.
//!
//! Records stay in their chunk: no text is copied. What meets no condition goes to the output `_unmatched`, so nothing is lost
//! by a condition that forgets a case.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::program::{self, Pace, Program, Purpose, Runner};
use super::shape::conditions::{self, Conditions};
use super::shape::facts::Facts;
use super::shape::on_error::{Failures, OnError};
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Refused, Transform, TransformSettings};
use crate::event::Chunk;
use crate::settings::value::quote;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

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
    Field::required("routes", Kind::NamedTables(&ROUTE_FIELDS)).doc(
        "The conditions of each output, in this order, such as `admin = { include = [\"roles.*\"] }`. They are those of \
         a `filter`, and `vrl`.",
    ),
    Field::with_default("all", Kind::Flag, "false").doc(
        "Whether a record goes to every route whose conditions it meets. A record in two routes is there twice, with one id.",
    ),
];

/// The fields of a route.
static ROUTE_FIELDS: [Field; conditions::FIELDS.len() + 1] = conditions::fields_and(
    Field::optional("vrl", Kind::Program).doc(
        "A program in VRL that ends with `true` for the records of this route, such as `.user.email == \"anna@example.com\"`. \
         It changes nothing. A record on which it fails becomes a dead letter of this transform. A build from source needs \
         `--features remap`.",
    ),
);

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    routes: Arc<[Route]>,
    all: bool,
}

/// What the records of a route have in common.
#[derive(Clone, Debug)]
struct Route {
    conditions: Conditions,
    program: Option<Arc<Program>>,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let all = section.flag("all");
        let mut tables = section.named_tables("routes");
        let mut routes: Vec<Route> = Vec::with_capacity(tables.len());
        if tables.is_empty() && section.has("routes") && !section.is_wrong("routes") {
            section.error("routes", "`routes` is empty", "add a route, such as admin = { include = [\"roles.*\"] }");
        }
        for (name, table) in &mut tables {
            check_name(section, name);
            let conditions = Conditions::read(table);
            let program = program::read(table, "vrl", Purpose::Condition);
            let has_none = conditions.are_empty() && !table.has("vrl");
            if has_none && !ROUTE_FIELDS.iter().any(|field| table.is_wrong(field.name)) {
                table.table_error(
                    format!("the route {} has no condition", quote(name)),
                    format!(
                        "give it one, such as {name} = {{ include = [\"roles.*\"] }}; the rest goes to {UNMATCHED}"
                    ),
                );
            }
            routes.push(Route { conditions, program });
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
        Box::new(Router {
            runners: self.routes.iter().map(|route| route.program.clone().map(Runner::new)).collect(),
            routes: self.routes.clone(),
            all: self.all,
            taken: Vec::new(),
            outputs: vec![Vec::new(); self.routes.len() + 1],
            pace: Pace::default(),
            failures: Failures::new(OnError::DeadLetter),
            telemetry,
        })
    }
}

struct Router {
    routes: Arc<[Route]>,
    /// The programs of those that have one.
    runners: Vec<Option<Runner>>,
    all: bool,
    /// The outputs of the record at hand.
    taken: Vec<usize>,
    /// The numbers of a chunk's records by output.
    outputs: Vec<Vec<usize>>,
    pace: Pace,
    failures: Failures,
    telemetry: ComponentReporter,
}

impl Router {
    /// Finds the routes of a record. The error is why a program can't say.
    fn find(&mut self, facts: &Facts<'_>, body: &str) -> Result<(), &'static str> {
        self.taken.clear();
        for (output, (route, runner)) in self.routes.iter().zip(&mut self.runners).enumerate() {
            // The program last: the other conditions cost less.
            if route.conditions.refusal(facts).is_some() {
                continue;
            }
            if let Some(runner) = runner
                && !self.pace.measure(|| runner.holds(body))?
            {
                continue;
            }
            self.taken.push(output);
            if !self.all {
                break;
            }
        }
        if self.taken.is_empty() {
            self.taken.push(self.routes.len());
        }
        Ok(())
    }

    fn has_programs(&self) -> bool {
        self.runners.iter().any(Option::is_some)
    }
}

impl Transform for Router {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let total = chunk.records.len();
        self.telemetry.add(&metrics::RECEIVED, total as u64);
        for (number, record) in chunk.records.iter().enumerate() {
            let Some(facts) = Facts::of(&chunk, number) else { continue };
            match self.find(&facts, chunk.body(record)) {
                Ok(()) => {
                    for output in &self.taken {
                        self.outputs[*output].push(number);
                    }
                }
                Err(reason) => {
                    self.failures.add(number, reason);
                }
            }
        }
        if self.has_programs() {
            self.pace.settle(&self.telemetry);
            self.failures.settle(&chunk, &self.telemetry);
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

    fn take_refused(&mut self) -> Vec<Refused> {
        self.failures.take()
    }

    fn is_slow(&self) -> bool {
        self.has_programs()
    }

    fn attach(&mut self, env: &Env) {
        self.pace.attach(env);
        self.runners.iter_mut().flatten().for_each(|runner| runner.attach(env));
    }
}

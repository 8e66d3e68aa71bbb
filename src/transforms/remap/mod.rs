//! Changes events or rows by a program in VRL, the Vector Remap Language.
//!
//! A record passes through a tree of values: numbers keep their value, not their spelling, and keys come out in the order of
//! the alphabet. `modify` keeps both, and needs no feature of the build.

#[cfg(all(test, feature = "remap"))]
mod tests;

use std::sync::Arc;

use super::program::{self, Pace, Program, Purpose, Runner, Unmade};
use super::shape::on_error::{self, Failures, OnError};
use super::shape::rewrite::Rewrite;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Refused, Transform, TransformSettings};
use crate::event::Chunk;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, LEFT_OUT, metrics};
use nordpass_env::Env;

/// The `remap` type.
pub static TYPE: ComponentType = ComponentType {
    name: "remap",
    doc: "Changes events or table rows by a program in VRL (<https://vrl.dev>): one record in, one or none out. `abort` drops \
      the record on purpose, and is counted. An event's id never changes. A build from source needs `--features remap`.",
    fields: FIELDS,
    outputs: Outputs::OfInputs,
    records: Records::AsInputs,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::optional("source", Kind::Program).doc(
        "The program, best in a literal string (`'''`), in which nothing needs an escape. It is taken as it is: `${VAR}` \
         isn't resolved.",
    ),
    Field::optional("file", Kind::Text)
        .doc("A file with the program instead of `source`, relative to the pipeline file."),
    on_error::FIELD,
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None` after an error.
    program: Option<Arc<Program>>,
    on_error: OnError,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let program = match (section.has("source"), section.has("file")) {
            (true, true) => {
                section.error("file", "this `remap` has both `source` and `file`", "keep one of them");
                None
            }
            (true, false) => program::read(section, "source", Purpose::Change),
            (false, true) => program::read_file(section, "file"),
            (false, false) => {
                if !section.has_error("source") && !section.has_error("file") {
                    let hint = "add source = '''…''' or file = \"PROGRAM.vrl\"";
                    section.error("source", "`remap` has no program", hint);
                }
                None
            }
        };
        Self { program, on_error: OnError::read(section) }
    }
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        let runner = self.program.clone().map(Runner::new);
        Box::new(Remap { runner, pace: Pace::default(), failures: Failures::new(self.on_error), telemetry })
    }
}

struct Remap {
    /// Without a program nothing runs: its absence is an error of the file.
    runner: Option<Runner>,
    pace: Pace,
    failures: Failures,
    telemetry: ComponentReporter,
}

impl Transform for Remap {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        let Some(runner) = &mut self.runner else { return };
        let is_rows = chunk.events.is_none();
        let mut rewrite = Rewrite::of(&chunk);
        let mut aborted = 0;
        for (number, record) in chunk.records.iter().enumerate() {
            let body = chunk.body(record);
            let made = self.pace.measure(|| rewrite.push(record, |text| runner.change(body, is_rows, text)));
            match made {
                Ok(()) => {}
                Err(Unmade::Aborted) => aborted += 1,
                Err(Unmade::Failed(reason)) => {
                    if self.failures.add(number, reason) {
                        rewrite.keep(record);
                    }
                }
            }
        }
        if aborted > 0 {
            self.telemetry.add_labelled(&metrics::DISCARDED, &format!("{LEFT_OUT}: abort"), aborted);
        }
        self.pace.settle(&self.telemetry);
        self.failures.settle(&chunk, &self.telemetry);
        out.extend(rewrite.finish().map(|chunk| (0, chunk)));
        chunk.ack.done();
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        self.failures.take()
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn attach(&mut self, env: &Env) {
        self.pace.attach(env);
        if let Some(runner) = &mut self.runner {
            runner.attach(env);
        }
    }
}

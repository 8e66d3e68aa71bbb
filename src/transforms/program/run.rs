//! Running a program on a record.

use std::ops::ControlFlow;
use std::sync::Arc;

use nordpass_env::Env;
use vrl::compiler::runtime::{Runtime, Terminate};
use vrl::compiler::{ExpressionError, TargetValue};
use vrl::value::{KeyString, ObjectMap, Secrets, Value};

use super::Unmade;
use super::columns;
use super::compile::Program;
use super::seams::Seams;
use crate::transforms::shape::path::ID_COLUMNS;

/// The steps of a program on one record: far more than any honest one takes.
const MOST_STEPS: u32 = 100_000;

const UNREADABLE: &str = "the record has a number or nesting that a program can't hold";
const TOO_LONG: &str = "the program takes too many steps on this record";
const FAILED: &str = "the program fails on this record";

/// Runs a program. Its own words are never repeated when a pipeline runs: they may hold what is in the record.
pub struct Runner {
    program: Arc<Program>,
    runtime: Runtime,
    seams: Seams,
}

/// How a program ended without a value.
enum End {
    Aborted,
    TooLong,
    Failed(String),
}

impl From<End> for Unmade {
    fn from(end: End) -> Self {
        match end {
            End::Aborted => Self::Aborted,
            End::TooLong => Self::Failed(TOO_LONG),
            End::Failed(_) => Self::Failed(FAILED),
        }
    }
}

impl Runner {
    /// Runs this program.
    pub fn new(program: Arc<Program>) -> Self {
        Self { program, runtime: Runtime::default(), seams: Seams::default() }
    }

    /// Takes the clock and the dice. Without them the clock stands still, and the dice give the same each time.
    pub fn attach(&mut self, env: &Env) {
        self.seams = Seams::of(env);
    }

    /// Appends what the program makes of a record.
    pub fn change(&mut self, body: &str, is_row: bool, out: &mut String) -> Result<(), Unmade> {
        let value = read(body).map_err(Unmade::Failed)?;
        let ids = if is_row { ids_of(&value) } else { [None, None] };
        let (_, value) = self.run(value)?;
        let Value::Object(object) = &value else {
            return Err(Unmade::Failed("what the program makes of this record isn't an object"));
        };
        if is_row && ids_of(&value) != ids {
            return Err(Unmade::Failed("the program changes the column that shows the event's id"));
        }
        if is_row && !columns::fit(object) {
            return Err(Unmade::Failed("the program gives a column a value of another type"));
        }
        let text = serde_json::to_string(&value);
        out.push_str(&text.map_err(|_| Unmade::Failed("what the program makes of this record isn't JSON"))?);
        Ok(())
    }

    /// Whether the condition holds of a record.
    pub fn holds(&mut self, body: &str) -> Result<bool, &'static str> {
        let value = read(body)?;
        match self.run(value) {
            Ok((Value::Boolean(holds), _)) => Ok(holds),
            Err(End::TooLong) => Err(TOO_LONG),
            _ => Err(FAILED),
        }
    }

    /// What a record doesn't fulfil, in the program's words: for tests, whose records are made up.
    pub fn check(&mut self, record: &serde_json::Value) -> Result<(), String> {
        let value = read(&record.to_string())?;
        match self.run(value) {
            Ok((Value::Boolean(false), _)) => Err("the program ends with false".into()),
            Ok(_) => Ok(()),
            Err(End::Failed(why)) => Err(why),
            Err(End::TooLong) => Err(TOO_LONG.into()),
            Err(End::Aborted) => Err(FAILED.into()),
        }
    }

    /// Runs the program on a record: its last value, and the record as it is then.
    fn run(&mut self, value: Value) -> Result<(Value, Value), End> {
        let mut target = TargetValue { value, metadata: Value::Object(ObjectMap::new()), secrets: Secrets::default() };
        let mut left = MOST_STEPS;
        let mut control = || {
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let lent = self.seams.lend();
        let Program { program, time_zone } = &*self.program;
        let ended = self.runtime.resolve_with_control(&mut target, program, time_zone, &mut control);
        drop(lent);
        self.runtime.clear();
        match ended {
            Ok(last) => Ok((last, target.value)),
            Err(Terminate::Interrupted) => Err(End::TooLong),
            Err(Terminate::Abort(ExpressionError::Abort { .. })) => Err(End::Aborted),
            Err(Terminate::Abort(error) | Terminate::Error(error)) => Err(End::Failed(error.to_string())),
        }
    }
}

fn read(body: &str) -> Result<Value, &'static str> {
    serde_json::from_str(body).map_err(|_| UNREADABLE)
}

/// The columns that show the event's id.
fn ids_of(value: &Value) -> [Option<Value>; 2] {
    let Value::Object(object) = value else { return [None, None] };
    ID_COLUMNS.map(|column| object.get(&KeyString::from(column)).cloned())
}

//! What stands for programs in a build that has none: they are refused where a file is read, so none of them ever runs.

use std::convert::Infallible;
use std::sync::Arc;

use nordpass_env::Env;
use serde_json::Value;

use super::{Purpose, Unmade};
use crate::settings::Section;

/// A compiled program. There is none.
#[derive(Debug)]
pub struct Program(Infallible);

/// Refuses the program that is a field's value. Where there is none, there is nothing to refuse.
pub fn read(section: &mut Section, name: &str, _: Purpose) -> Option<Arc<Program>> {
    section.optional_text(name)?;
    section.error(
        name,
        "this build can't run programs",
        "it was built without the feature `remap`: use a released program, or build with `--features remap`",
    );
    None
}

/// Refuses the program in a file that a field names.
pub fn read_file(section: &mut Section, name: &str) -> Option<Arc<Program>> {
    read(section, name, Purpose::Change)
}

/// Runs a program.
pub struct Runner(Arc<Program>);

impl Runner {
    /// Runs this program.
    pub fn new(program: Arc<Program>) -> Self {
        Self(program)
    }

    /// Takes the clock and the dice.
    pub fn attach(&mut self, _: &Env) {
        match self.0.0 {}
    }

    /// Changes a record.
    pub fn change(&mut self, _: &str, _: bool, _: &mut String) -> Result<(), Unmade> {
        match self.0.0 {}
    }

    /// Whether a condition holds of a record.
    pub fn holds(&mut self, _: &str) -> Result<bool, &'static str> {
        match self.0.0 {}
    }

    /// What a record doesn't fulfil.
    pub fn check(&mut self, _: &Value) -> Result<(), String> {
        match self.0.0 {}
    }
}

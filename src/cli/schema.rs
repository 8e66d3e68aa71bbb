//! `schema`: the JSON Schema of pipeline files, for editors and other programs.

use std::process::ExitCode;

use super::console::{Console, write_data};

/// Writes the schema to standard output.
pub(super) fn run(console: Console) -> ExitCode {
    let text = crate::pipeline::json_schema();
    console.finish(write_data(&text).map_err(|error| format!("can't write to standard output: {error}")))
}

//! `schema`: the JSON Schema of pipeline files, for editors and other programs.

use std::process::ExitCode;

use super::{console::write_data, error::CommandResult};

/// Writes the schema to standard output.
pub(super) fn run() -> CommandResult {
    let text = crate::pipeline::json_schema();
    write_data(&text).map_err(|error| format!("can't write to standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! - `test [STEP…]`: everything that has to hold, or only the named steps. CI runs it without names.
//! - `simulate [--seeds N] [--from S] [--seed S] [--log]`: simulated worlds; each failure prints the seed that replays it.
//! - `chaos [--kills N] [--runs N] [--events N] [--seed S] [--memory] [NAME …]`: the real program, killed, starved of disk
//!   and memory, and cut off, for long; `--memory` or a name runs only that scenario.
//! - `bench [--events N] [--rounds N] [--quick] [--memory]`: what the program costs, next to the floor; minutes.
//! - `instructions [--accept]`: instructions of the hot path for each event, against their baseline; `--accept` writes it.
//! - `docs [--check]`: writes the generated reference, the Azure template's columns, the workbook and the connector pages,
//!   or says where they are stale.
//! - `package [solution]`: the static program, the function's zip, the image's build context and the Sentinel solution,
//!   with their SHA-256 sums; or the solution alone.
//! - `preview`: pictures of the workbook on the demo's rows, as a page and as PNG.
//! - `solution`: the step `solution` of `test`, which also writes what is generated in `solution/`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for people at a terminal")]

mod bench;
mod chaos;
mod clients;
mod docs;
mod instructions;
mod package;
mod simulate;
mod steps;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [fmt|clippy|test|docs|deploy|deny|clients|azurite|solution|workbook|instructions …] \
                     | cargo xtask docs [--check] | cargo xtask package [solution] | cargo xtask preview | cargo xtask solution \
                     | cargo xtask bench [--events N] [--rounds N] [--quick] [--memory] \
                     | cargo xtask instructions [--accept] | cargo xtask simulate [--seeds N] [--from S] [--seed S] [--log] \
                     | cargo xtask chaos [--kills N] [--runs N] [--events N] [--seed S] [--memory] [NAME …]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test", names @ ..] => steps::run(names),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["simulate", arguments @ ..] => simulate::run(arguments),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["instructions"] => instructions::check(),
        ["instructions", "--accept"] => instructions::accept(),
        ["solution"] => tools_solution::write_solution(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["package"] => package::run(),
        ["package", "solution"] => package::solution(),
        ["preview"] => tools_solution::preview(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

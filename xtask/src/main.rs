//! The project's own commands, run as `cargo xtask COMMAND`; `cargo xtask help` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for people at a terminal")]

mod bench;
mod chaos;
mod clients;
mod demo;
mod docs;
mod features;
mod fmt;
mod fuzz;
mod instructions;
mod layers;
mod package;
mod release;
mod simulate;
mod steps;
mod tools;
mod workflows;

use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;

/// The project's own commands
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Run everything that has to hold, as CI does, or only the named steps
    Test {
        #[arg(value_parser = PossibleValuesParser::new(steps::names()))]
        steps: Vec<String>,
    },
    /// Format every file
    Fmt,
    /// Test the delivery guarantee in simulated worlds: --seeds N, --from S, --seed S, --log, --reloads, --shaped,
    /// --replicas, --kafka
    Simulate(Rest),
    /// Kill the real program, starve it of disk and memory, and cut it off, for long: --kills N, --runs N, --events N, --seed S,
    /// --memory, or the NAME of a scenario
    Chaos(Rest),
    /// Look for inputs that break what a parser promises, with coverage as a guide
    Fuzz(fuzz::Options),
    /// Measure what the program costs, next to the floor; takes minutes
    Bench(bench::Options),
    /// Count the instructions of the hot path for each event, and compare them with the baseline
    Instructions {
        /// Make the counts the baseline
        #[arg(long)]
        accept: bool,
    },
    /// Write the generated reference, the Azure template's columns, the workbook and the connector pages
    Docs {
        /// Only say which of them are stale
        #[arg(long)]
        check: bool,
    },
    /// Build the static program, the function's zip, the image's build context and the Sentinel solution
    Package {
        /// Build the solution alone
        #[arg(value_parser = ["solution"])]
        only: Option<String>,
    },
    /// Prepare a release, or build its files; RELEASING.md leads through it
    Release(release::Options),
    /// Draw the workbook on the demo's rows, as a page and as PNG
    Preview,
    /// Run the step `solution` of `test`, and write what is generated in `solution/`
    Solution {
        /// Run the rules over every frozen attack and month instead; takes hours
        #[arg(long)]
        long: bool,
    },
}

/// Arguments that are handed on.
#[derive(clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Test { steps } => steps::run(&steps),
        Command::Fmt => fmt::run(false),
        Command::Simulate(rest) => simulate::run(&rest.arguments),
        Command::Chaos(rest) => chaos::run(&rest.arguments),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(options) => bench::run(options),
        Command::Instructions { accept: false } => instructions::check(),
        Command::Instructions { accept: true } => instructions::accept(),
        Command::Docs { check: false } => docs::write(),
        Command::Docs { check: true } => docs::check(),
        Command::Package { only: None } => package::run(),
        Command::Package { only: Some(_) } => package::solution(),
        Command::Release(options) => release::run(&options),
        Command::Preview => tools_solution::preview(),
        Command::Solution { long: false } => tools_solution::write_solution(),
        Command::Solution { long: true } => tools_solution::measure_solution(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

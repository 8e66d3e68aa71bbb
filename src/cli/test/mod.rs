//! `test`: runs the `[[tests]]` of pipeline files through their transforms. Needs no network and no secrets, and leaves
//! nothing behind.

mod json;
mod junit;
mod people;
mod record;
mod toml_text;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::time::Instant;

use super::FAILED;
use super::console::{Console, write_data};
use super::error::{CommandError, CommandResult};
use super::files::VariableArgs;
use crate::pipeline::{Config, Outcome, TestCase, load_for_tests, read_files, run_test, unreached};
use crate::settings::nearest::nearest;
use crate::settings::{Diagnostic, Environment};
use crate::sources::recording_file::Locations;

/// What `test` takes.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Pipeline files, folders of `*.toml` files, or `-` for standard input. Each file is tested by itself
    #[arg(value_name = "FILE", default_value = "pipeline.toml")]
    files: Vec<PathBuf>,
    /// Test all files as one set, as `run` reads them
    #[arg(long)]
    one_set: bool,
    #[command(flatten)]
    variables: VariableArgs,
    /// Run only the tests whose names contain this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Add what comes out now to the tests that expect nothing yet. Edits the pipeline files, and keeps what is in them
    #[arg(long)]
    record: bool,
    /// Print the results as one JSON object
    #[arg(long)]
    json: bool,
    /// Write the results to this file, too, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// The tests of one set, and what they gave.
struct Suite {
    /// The set's files.
    files: Vec<(PathBuf, String)>,
    config: Config,
    /// The tests that ran, in the order of the files.
    results: Vec<(TestCase, Outcome)>,
    /// The outputs that no test reaches; empty if a filter left some out.
    unreached: Vec<String>,
}

impl Suite {
    fn name(&self) -> String {
        self.files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn failed(&self) -> usize {
        self.results.iter().filter(|(_, outcome)| !outcome.problems.is_empty()).count()
    }
}

/// All tests of a command.
struct Results {
    suites: Vec<Suite>,
    seconds: f64,
}

impl Results {
    fn tests(&self) -> usize {
        self.suites.iter().map(|suite| suite.results.len()).sum()
    }

    fn failed(&self) -> usize {
        self.suites.iter().map(Suite::failed).sum()
    }
}

/// Runs the tests. Exit code 1 if one fails.
pub(super) async fn run(args: TestArgs, console: Console) -> CommandResult {
    let began = Instant::now();
    let (environment, _) = args.variables.environment()?;
    // What depends on this machine or is secret takes no part in a test.
    let environment = environment.may_be_absent();
    let mut suites = load_all(&args, &environment)?;
    let names: Vec<String> =
        suites.iter().flat_map(|suite| &suite.config.tests).map(|test| test.name.clone()).collect();
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|filter| contains(name, filter));
    if !names.iter().any(|name| wanted(name)) {
        return Err(no_tests(&names, args.filter.as_deref()));
    }
    for suite in &mut suites {
        run_suite(suite, wanted).await;
    }
    if args.record {
        for suite in &mut suites {
            if record::record(suite, &environment, console)? {
                run_suite(suite, wanted).await;
            }
        }
    }
    for suite in &mut suites {
        if args.filter.is_none() && !suite.results.is_empty() {
            suite.unreached = unreached(&suite.config, suite.results.iter().map(|(_, outcome)| outcome));
        }
    }
    let results = Results { suites, seconds: began.elapsed().as_secs_f64() };
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::xml(&results)).map_err(|error| {
            let message = format!("can't write {}: {error}", path.display());
            CommandError::failed(message, "check that its folder is there and may be written to")
        })?;
    }
    if args.json {
        write_data(&format!("{}\n", json::json(&results))).map_err(|error| {
            let hint = "redirect standard output to a disk with free space";
            CommandError::failed(format!("can't write the results: {error}"), hint)
        })?;
    } else {
        console.note(&people::text(&results, console.has_color()));
    }
    Ok(if results.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

async fn run_suite(suite: &mut Suite, wanted: impl Fn(&str) -> bool) {
    let recordings = Locations::disk(std::sync::Arc::new(nordpass_env::SystemDisk));
    suite.results.clear();
    for test in suite.config.tests.iter().filter(|test| wanted(&test.name)) {
        suite.results.push((test.clone(), run_test(&suite.config, test, &recordings).await));
    }
}

/// Loads each file as a set of its own, or all of them as one. Everything that is wrong with any of them is said at once.
fn load_all(args: &TestArgs, environment: &Environment) -> CommandResult<Vec<Suite>> {
    let files = read_files(&args.files).map_err(CommandError::files)?;
    let number = files.len();
    let sets = if args.one_set { vec![files] } else { files.into_iter().map(|file| vec![file]).collect() };
    let (mut suites, mut wrong) = (Vec::new(), Vec::new());
    for files in sets {
        match load_for_tests(&files, environment) {
            Ok((config, _)) => suites.push(Suite { files, config, results: Vec::new(), unreached: Vec::new() }),
            Err(found) => wrong.extend(found),
        }
    }
    if wrong.is_empty() {
        return Ok(suites);
    }
    if number > 1 && !args.one_set {
        let message = "each file was read as a pipeline set of its own";
        wrong.push(Diagnostic::warning(message, "test files that only work together with --one-set"));
    }
    Err(CommandError::files(wrong))
}

fn contains(name: &str, text: &str) -> bool {
    name.to_lowercase().contains(&text.to_lowercase())
}

fn no_tests(names: &[String], filter: Option<&str>) -> CommandError {
    let Some(filter) = filter.filter(|_| !names.is_empty()) else {
        let hint = "add [[tests]], as docs/guide/test.md shows; `test --record` fills in what is expected";
        return CommandError::usage("these files have no tests", hint);
    };
    let hint = match nearest(filter, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the first of {} tests is {:?}", names.len(), names[0]),
    };
    CommandError::usage(format!("no test has {filter:?} in its name"), hint)
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_filter_ignores_case() {
        assert!(contains("A failed log-in", "FAILED") && !contains("A failed log-in", "passed"));
    }
}

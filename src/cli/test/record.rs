//! `test --record`: writes what comes out now into the tests that expect nothing yet. Only adds lines, so that comments and
//! order stay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Suite;
use super::toml_text::expected_lines;
use crate::cli::console::{Console, counted};
use crate::cli::error::{CommandError, CommandResult};
use crate::pipeline::{Config, Entry, InputRef, Outcome, Problem, TestCase, load_for_tests, outputs};
use crate::settings::Environment;

/// Lines for one place of a file.
struct Addition {
    file: PathBuf,
    /// Behind the line in which this byte is.
    behind: usize,
    text: String,
}

/// Adds what is missing to the files of a set. Returns whether it has changed one, and then the set is loaded anew.
pub(super) fn record(suite: &mut Suite, environment: &Environment, console: Console) -> CommandResult<bool> {
    let mut additions = Vec::new();
    for (test, outcome) in &suite.results {
        if !outcome.problems.iter().any(|(_, problem)| matches!(problem, Problem::Unreadable(_))) {
            additions.extend(of_test(suite, test, outcome)?);
        }
    }
    if additions.is_empty() {
        return Ok(false);
    }
    let mut files = suite.files.clone();
    for (path, text) in &mut files {
        let mut own: Vec<&Addition> = additions.iter().filter(|addition| addition.file == *path).collect();
        // From the end on, so that places stay right.
        own.sort_by_key(|addition| std::cmp::Reverse(addition.behind));
        for addition in own {
            let at = text[addition.behind..].find('\n').map_or(text.len(), |end| addition.behind + end + 1);
            let end = if text[..at].ends_with('\n') { "" } else { "\n" };
            text.insert_str(at, &format!("{end}{}", addition.text));
        }
    }
    // What was written must be a pipeline file still.
    let (config, _) = load_for_tests(&files, environment).map_err(|_| {
        let message = "can't add what comes out to this file";
        CommandError::failed(message, "write the test as [[tests]] with [[tests.inputs]] below it; nothing was changed")
    })?;
    for ((path, before), (_, after)) in suite.files.iter().zip(&files).filter(|((_, a), (_, b))| a != b) {
        write(path, before, after)?;
        let number = additions.iter().filter(|addition| addition.file == *path).count() as u64;
        console.note(&format!(
            "added {} to {}: check whether that is what should come out",
            counted(number, "expectation"),
            path.display()
        ));
    }
    (suite.files, suite.config) = (files, config);
    Ok(true)
}

fn write(path: &Path, before: &str, after: &str) -> CommandResult<()> {
    let failed = |message: String, hint: &str| CommandError::failed(message, hint);
    if !path.is_file() {
        return Err(failed(format!("can't record to {}", path.display()), "give the pipeline file by its name"));
    }
    let now = std::fs::read_to_string(path);
    if now.is_ok_and(|now| now != before) {
        return Err(failed(format!("{} has changed meanwhile", path.display()), "run the command again"));
    }
    std::fs::write(path, after).map_err(|error| {
        failed(format!("can't write {}: {error}", path.display()), "check that this user may write it")
    })
}

/// What a test is to expect.
fn of_test(suite: &Suite, test: &TestCase, outcome: &Outcome) -> CommandResult<Vec<Addition>> {
    let given = |output: &InputRef| outcome.given.get(output).map_or(&[][..], Vec::as_slice);
    let addition = |behind, text| Addition { file: test.file.clone(), behind, text };
    if test.outputs.is_empty() {
        let names = outputs(&suite.config);
        let ends = ends(&suite.config, test);
        let tables = names.iter().filter(|(_, output)| ends.contains(*output)).map(|(address, output)| {
            format!(
                "\n[[tests.outputs]]\nfrom = {}\n{}",
                serde_json::Value::from(address.as_str()),
                expected_lines(given(output))
            )
        });
        return Ok(tables.map(|text| addition(test.end, text)).rev().collect());
    }
    let missing = test.outputs.iter().filter(|output| output.expected.is_empty());
    missing
        .map(|output| {
            let (_, text) = suite.files.iter().find(|(path, _)| *path == test.file).ok_or_else(|| in_one_line(test))?;
            let header = text.lines().nth(output.line.saturating_sub(1)).unwrap_or_default();
            if !header.trim_start().starts_with("[[") {
                return Err(in_one_line(test));
            }
            Ok(addition(output.end, expected_lines(given(&output.from))))
        })
        .collect()
}

fn in_one_line(test: &TestCase) -> CommandError {
    let message = format!("{}:{}: can't add to outputs in one line", test.file.display(), test.line);
    CommandError::failed(message, "write them as [[tests.outputs]] with from = \"…\" below; nothing was changed")
}

/// The outputs that matter: those of transforms that a sink reads and that the test's inputs can get to. If there are none, all
/// that a sink reads.
fn ends(config: &Config, test: &TestCase) -> BTreeSet<InputRef> {
    let mut reached: BTreeSet<InputRef> = BTreeSet::new();
    let mut running: BTreeSet<&str> = BTreeSet::new();
    for input in &test.inputs {
        match &input.at {
            Entry::Output(output) => drop(reached.insert(output.clone())),
            Entry::Transform(name) => drop(running.insert(name)),
        }
    }
    let entered = reached.clone();
    for transform in &config.transforms {
        if running.contains(transform.name.as_str()) || transform.inputs.iter().any(|input| reached.contains(input)) {
            let all = 0..transform.outputs.len();
            reached.extend(all.map(|output| InputRef { component: transform.name.clone(), output }));
        }
    }
    let is_read = |output: &InputRef| config.sinks.iter().any(|sink| sink.inputs.contains(output));
    reached.retain(is_read);
    let made: BTreeSet<InputRef> = reached.difference(&entered).cloned().collect();
    if made.is_empty() { reached } else { made }
}

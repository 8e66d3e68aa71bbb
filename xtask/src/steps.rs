//! `cargo xtask test`: the steps, in an order that fails fast.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use tools_common::process::{self, cargo};
use tools_common::root;

use crate::{clients, docs, fmt, instructions, layers, tools};

/// A step: its name, and what it does.
type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", || fmt::run(true)),
    ("layers", layers::check),
    ("docs", docs::check),
    ("clippy", clippy),
    ("test", || process::run(cargo().args(["test", "--workspace", "--locked"]))),
    ("deploy", tools_solution::check_deploy),
    ("deny", deny),
    ("clients", clients::check),
    ("azurite", azurite),
    ("solution", tools_solution::check_solution),
    ("workbook", tools_solution::check_workbook),
    ("instructions", instructions::step),
];

/// What is worth running after every small change.
const QUICK: &[Step] = &[
    ("fmt", || fmt::run(true)),
    ("layers", layers::check),
    ("clippy", clippy),
    ("unit", || process::run(cargo().args(["test", "--workspace", "--locked", "--lib", "--bins"]))),
];

/// Returns the names of the steps, and `quick`.
pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(name, _)| *name).chain(["quick"])
}

/// Runs the named steps, those of `quick`, or all. Says which step of how many begins and how long it took last time, and at
/// the end how long each took. Stops at the first that fails.
pub fn run(names: &[String]) -> Result<(), String> {
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let quick = QUICK.iter().filter(|_| names.iter().any(|wanted| wanted == "quick"));
    let steps: Vec<&Step> = quick.chain(STEPS.iter().filter(|(name, _)| is_wanted(name))).collect();
    let mut last = last_times();
    let (mut table, mut total) = (String::new(), 0.0);
    for (index, (name, step)) in steps.iter().enumerate() {
        let before = last.get(*name).map(|seconds| format!(", {seconds:.0} s last time")).unwrap_or_default();
        println!("\n== {} of {}: {name}{before}", index + 1, steps.len());
        #[expect(clippy::disallowed_methods, reason = "how long a step takes is for people; nothing is decided by it")]
        let began = Instant::now();
        step().map_err(|message| format!("step `{name}`: {message}"))?;
        let seconds = began.elapsed().as_secs_f64();
        let _ = writeln!(table, "{name:>12}  {seconds:>6.1} s");
        total += seconds;
        last.insert((*name).to_owned(), seconds);
        remember(&last)?;
    }
    println!("\nall passed\n{table}{:>12}  {total:>6.1} s", "total");
    Ok(())
}

/// The file that holds how many seconds each step took last time, a line each.
fn times_file() -> PathBuf {
    root().join("target/xtask-steps.txt")
}

/// A first run, or a file that can't be read, has no times.
fn last_times() -> BTreeMap<String, f64> {
    let text = fs::read_to_string(times_file()).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, s)| Some((name.into(), s.parse().ok()?)))
        .collect()
}

fn remember(times: &BTreeMap<String, f64>) -> Result<(), String> {
    let lines: Vec<_> = times.iter().map(|(name, seconds)| format!("{name} {seconds:.1}")).collect();
    tools_common::write(times_file(), lines.join("\n"))
}

fn clippy() -> Result<(), String> {
    process::run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

/// Tests the shared checkpoint on Azurite. Without the variable `AZURITE` these tests are ignored.
fn azurite() -> Result<(), String> {
    let script = tools::azurite()?;
    let mut test = cargo();
    test.args(["test", "--locked", "--test", "it", "--", "--ignored", "azurite::"]);
    process::run(test.env("AZURITE", script))
}

/// Licences, bans and sources. The advisory database can't be fetched everywhere, so that check runs in the public
/// workflow only.
fn deny() -> Result<(), String> {
    let deny = tools::cargo_deny()?;
    process::run(Command::new(deny).args(["--workspace", "check", "bans", "licenses", "sources"]))
}

//! `cargo xtask test`: the steps, in an order that fails fast.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use tools_common::process::{self, cargo};

use crate::{clients, docs, fmt, instructions, layers, tools};

/// A step: its name, and what it does.
type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", || fmt::run(true)),
    ("layers", layers::check),
    ("docs", docs::check),
    ("clippy", || {
        process::run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    }),
    ("test", || process::run(cargo().args(["test", "--workspace", "--locked"]))),
    ("deploy", tools_solution::check_deploy),
    ("deny", deny),
    ("clients", clients::check),
    ("azurite", azurite),
    ("solution", tools_solution::check_solution),
    ("workbook", tools_solution::check_workbook),
    ("instructions", instructions::step),
];

/// Returns the names of the steps.
pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(name, _)| *name)
}

/// Runs the named steps, or all, and says how long each took. Stops at the first that fails.
pub fn run(names: &[String]) -> Result<(), String> {
    let (mut table, mut total) = (String::new(), 0.0);
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name)) {
        println!("\n== {name}");
        #[expect(clippy::disallowed_methods, reason = "how long a step takes is for people; nothing is decided by it")]
        let began = Instant::now();
        step().map_err(|message| format!("step `{name}`: {message}"))?;
        let seconds = began.elapsed().as_secs_f64();
        let _ = writeln!(table, "{name:>12}  {seconds:>6.1} s");
        total += seconds;
    }
    println!("\nall passed\n{table}{:>12}  {total:>6.1} s", "total");
    Ok(())
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

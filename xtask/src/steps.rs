//! `cargo xtask test`: the steps, in an order that fails fast.

use std::process::Command;
use std::time::{Duration, Instant};

use tools_common::process::{self, cargo};

use crate::{clients, docs, instructions, tools};

/// A step: its name, and what it does.
type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", || process::run(cargo().args(["fmt", "--all", "--", "--check"]))),
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

/// Runs the named steps, or all. Stops at the first that fails.
pub fn run_named(names: &[&str]) -> Result<Vec<(&'static str, Duration)>, String> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == *name)) {
        let known: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step is called `{unknown}`\nhint: the steps are {}", known.join(", ")));
    }
    let mut times = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        println!("\n== {name}");
        #[expect(clippy::disallowed_methods, reason = "how long a step takes is for people; nothing is decided by it")]
        let began = Instant::now();
        step().map_err(|message| format!("step `{name}`: {message}"))?;
        times.push((*name, began.elapsed()));
    }
    Ok(times)
}

/// Runs steps and says how long each took.
pub fn run(names: &[&str]) -> Result<(), String> {
    let times = run_named(names)?;
    println!("\nall passed");
    for (name, time) in &times {
        println!("{name:>12}  {:>6.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:>12}  {:>6.1} s", "total", total.as_secs_f64());
    Ok(())
}

/// The shared checkpoint on Azurite: the same tests are ignored where nobody says where it is.
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

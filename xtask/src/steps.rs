//! `cargo xtask test`: the steps, in an order that fails fast.

mod beside;
mod deny;
mod times;

use std::time::Instant;

use tools_common::process::{self, cargo};

use crate::{clients, demo, docs, features, fmt, instructions, layers, tools, workflows};
use beside::Beside;
use times::{Table, Times};

/// A step: its name, and what it does.
type Step = (&'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", || fmt::run(true)),
    ("layers", layers::check),
    ("features", features::check),
    ("docs", docs::check),
    ("clippy", clippy),
    ("test", || process::run(cargo().args(["test", "--workspace", "--locked"]))),
];

/// The steps that need little of cargo, or only what the others have built. In a run of all steps they run beside the others, one
/// after the other: where one lane waits or uses one core, the other one goes on.
const BESIDE: &[Step] = &[
    ("demo", demo::check),
    ("deploy", tools_solution::check_deploy),
    ("workflows", workflows::check),
    ("deny", deny::check),
    ("solution", tools_solution::check_solution),
    ("workbook", tools_solution::check_workbook),
    ("clients", clients::check),
    ("azurite", azurite),
    ("instructions", instructions::step),
];

/// What is run only by its name: it doesn't pass yet.
const BY_NAME: &[Step] = &[("kafka", kafka)];

/// What is worth running after every small change.
const QUICK: &[Step] = &[
    ("fmt", || fmt::run(true)),
    ("layers", layers::check),
    ("clippy", clippy),
    ("unit", || process::run(cargo().args(["test", "--workspace", "--locked", "--lib", "--bins"]))),
];

/// Returns the names of the steps, and `quick`.
pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().chain(BESIDE).chain(BY_NAME).map(|(name, _)| *name).chain(["quick"])
}

/// Runs the named steps, those of `quick`, or all, some of them beside the others. Stops at the first that fails.
pub fn run(names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        let beside = Beside::start(&BESIDE.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        let began = now();
        let mut table = each(&STEPS.iter().collect::<Vec<_>>())?;
        let waited = now();
        beside.end()?;
        table.add("beside", waited.elapsed().as_secs_f64());
        println!("\nall passed\n{}", table.text(began.elapsed().as_secs_f64()));
        return Ok(());
    }
    let is_wanted = |name: &str| names.iter().any(|wanted| wanted == name);
    let quick = QUICK.iter().filter(|_| is_wanted("quick"));
    let steps: Vec<&Step> =
        quick.chain(STEPS.iter().chain(BESIDE).chain(BY_NAME).filter(|(name, _)| is_wanted(name))).collect();
    let began = now();
    let table = each(&steps)?;
    println!("\nall passed\n{}", table.text(began.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs the steps. Says which step of how many begins and how long it took last time; returns how long each took.
fn each(steps: &[&Step]) -> Result<Table, String> {
    let (times, mut table) = (Times::read(), Table::default());
    for (index, (name, step)) in steps.iter().enumerate() {
        println!("\n== {} of {}: {name}{}", index + 1, steps.len(), times.last(name));
        let began = now();
        step().map_err(|message| format!("step `{name}`: {message}"))?;
        let seconds = began.elapsed().as_secs_f64();
        table.add(name, seconds);
        Times::keep(name, seconds)?;
    }
    Ok(table)
}

#[expect(clippy::disallowed_methods, reason = "how long a step takes is for people; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

fn clippy() -> Result<(), String> {
    process::run(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

/// Tests the shared checkpoint on Azurite. Without the variable `AZURITE` these tests are ignored.
fn azurite() -> Result<(), String> {
    let script = tools::azurite()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--locked", "--test", "it", "--", "--ignored", "azurite::"]);
    process::run(test.env("AZURITE", script))
}

/// Tests the Kafka client and the whole way over a topic on a real broker. Without the variable `KAFKA_BROKER` these tests are ignored. On another
/// machine than it is made for, there is nothing to run.
fn kafka() -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("left out: the broker is a program for Linux on x86-64");
        return Ok(());
    }
    let broker = tools::kafka_broker()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--locked", "--lib", "--test", "it", "--", "--ignored", "kafka_broker"]);
    process::run(test.env("KAFKA_BROKER", broker))
}

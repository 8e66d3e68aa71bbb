//! Chaos at the level of processes: the real program against the simulators on loopback, killed, starved of disk and
//! memory, cut off, and judged by what arrived.
//!
//! `cargo xtask chaos` runs it for long, with the optimized program. Without arguments (as a part of all tests) it is
//! short. A word that isn't an option runs only the scenarios with this word in their name.
//!
//! | file | what it is |
//! |---|---|
//! | [`kills`] | SIGKILL at random moments; [`lives`], [`known`] and [`copies`] say who sent which row, and why twice |
//! | [`disks`] | a disk that is full or read-only; [`mounts`] makes it |
//! | [`ports`] | servers that are gone for a while; [`port`] opens and closes them |
//! | [`memory`] | resident memory against a sink that stops for good |
//! | [`program`] | the program as a process |
//! | [`sink`] | the sink that delivers, and where to |
//! | [`scenario`] | what is run, and its verdicts |
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

#[path = "../worlds/receiver/books.rs"]
mod books;
mod copies;
mod disks;
mod kills;
mod known;
#[allow(dead_code, reason = "shared with the simulated worlds, which use all of it")]
#[path = "../worlds/ledger.rs"]
mod ledger;
mod lives;
mod memory;
mod mounts;
mod port;
mod ports;
mod program;
mod scenario;
mod sink;
#[allow(dead_code, reason = "shared with the second ring, which uses all of it")]
#[path = "../it/support.rs"]
mod support;

use std::process::ExitCode;

use nordpass_env::{Random, SystemRandom};

use scenario::Plan;
use sink::Sink;

const USAGE: &str =
    "usage: chaos [--long] [--kills N] [--runs N] [--events N] [--seed S] [--sink NAME] [--memory] [NAME …]";

fn plan() -> Option<Plan> {
    let mut plan = Plan::short(SystemRandom.next_u64() % 1_000_000);
    let mut words = std::env::args().skip(1).peekable();
    // Everything else is said relative to it.
    if std::env::args().any(|word| word == "--long" || word == "--memory") {
        plan = Plan::long(plan.seed);
    }
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok();
        let size = |number: u64| usize::try_from(number).ok();
        match word.as_str() {
            "--kills" => plan.kills = size(number()?)?,
            "--runs" => plan.runs = size(number()?)?,
            "--events" => plan.events = size(number()?)?,
            "--seed" => plan.seed = number()?,
            "--sink" => plan.sink = Some(Sink::named(&words.next()?)?),
            "--memory" => plan.only.push("memory".to_owned()),
            // What the test runner passes on is for other harnesses.
            _ if word.starts_with("--") => {}
            _ => plan.only.push(word),
        }
    }
    Some(plan)
}

fn main() -> ExitCode {
    let Some(plan) = plan() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A name space of its own for what is mounted: everything ends with this process.
    if let Some(code) = mounts::again_in_a_namespace() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(scenario::run(plan)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

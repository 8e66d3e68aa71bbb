//! The delivery guarantee, by simulation: thousands of worlds in which everything goes wrong that can, each decided by
//! a seed, each run in one process with the product's own code, and an oracle that knows what should have arrived.
//!
//! `cargo xtask simulate --seeds N --from S` runs any number. A failure prints its seed, and the seed replays exactly.
//! Without arguments (as a part of all tests) a fixed and a fresh set are run.
//!
//! | file | what it is |
//! |---|---|
//! | [`plan`] | what a seed decides |
//! | [`traffic`] | the events of a world |
//! | [`pipeline`] | its pipeline file |
//! | [`receiver`] | an `http` sink, and what goes wrong at its receivers |
//! | [`reload`] | changes of the pipeline file while it runs |
//! | [`process`], [`books`] | one of several processes; who asked which API when, and which rows were accepted |
//! | [`others`] | worlds of other kinds, which have books and a judge of their own |
//! | [`kafka`] | a topic between polling and delivering |
//! | [`replicas`] | several replicas that share organizations |
//! | [`shape`] | transforms that change records, and what must become of each event then |
//! | [`machine`] | the clock and the network of the machine, and its crashes |
//! | [`ledger`] | what the destination has accepted, and from whom |
//! | [`blobs`] | the archive in a storage account |
//! | [`held`] | what the process must be holding in memory |
//! | [`hostile`] | peers that aren't broken but hostile, and where a secret stands |
//! | [`world`] | one world's run |
//! | [`oracle`] | what must hold |
//! | [`report`] | what the runs had in sum |
//! | [`common`] | what the named tests in `tests/failures` use as well |
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod blobs;
mod books;
#[path = "../common/mod.rs"]
mod common;
mod held;
mod hostile;
mod kafka;
mod ledger;
mod machine;
mod oracle;
mod others;
mod pipeline;
mod plan;
mod process;
mod receiver;
mod reload;
mod replicas;
mod report;
mod shape;
mod traffic;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nordpass_env::{Random, SystemRandom};
use nordpass_sentinel::telemetry::logs;

use others::Kind;
use plan::Plan;
use report::{AckOutcome, Sum};
use world::World;

/// In a plain test run.
const FIXED: u64 = 200;
const FRESH: u64 = 200;
/// Worlds of each other kind, in a plain test run.
const OTHERS: u64 = 60;
/// The other kinds.
const KINDS: [&Kind; 2] = [&replicas::KIND, &kafka::KIND];
/// With a sink that acknowledges too early, or a transform that drops in silence, so many worlds must have a failure among them.
const LYING: u64 = 60;

/// After so many failed worlds there is enough to do.
const MOST_FAILURES: usize = 10;

const USAGE: &str =
    "usage: worlds [--seeds N] [--from S] [--seed S] [--log] [--reloads] [--shaped] [--replicas] [--kafka]";

/// What was asked for.
struct Args {
    sets: Vec<(u64, u64)>,
    log: bool,
    one: bool,
    /// Only worlds of this kind.
    kind: Option<&'static Kind>,
}

impl Args {
    fn parse() -> Result<Self, String> {
        let (mut seeds, mut from, mut one, mut log, mut kind) = (None, None, None, false, None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|number| number.parse::<u64>().ok()).ok_or(USAGE.to_owned());
            match word.as_str() {
                "--seeds" => seeds = Some(number()?),
                "--from" => from = Some(number()?),
                "--seed" => one = Some(number()?),
                "--log" => log = true,
                "--reloads" => reload::EVERYWHERE.store(true, Ordering::Relaxed),
                "--shaped" => shape::EVERYWHERE.store(true, Ordering::Relaxed),
                _ if KINDS.iter().any(|known| known.flag == word) => {
                    kind = KINDS.iter().find(|known| known.flag == word).copied();
                }
                // What the test runner passes on is for other harnesses.
                _ if word.starts_with("--") || seeds.is_none() => {}
                _ => return Err(USAGE.to_owned()),
            }
        }
        let sets = match (one, seeds, from) {
            (Some(seed), _, _) => vec![(seed, 1)],
            (None, None, None) => vec![(0, FIXED), (1_000_000 + SystemRandom.next_u64() % 1_000_000_000, FRESH)],
            (None, seeds, from) => vec![(from.unwrap_or(0), seeds.unwrap_or(FIXED))],
        };
        Ok(Self { sets, log, one: one.is_some(), kind })
    }
}

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(args) => args,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    if args.log {
        logs::init(logs::LogFormat::Human, logs::LogLevel::Trace);
    } else {
        // A panic is reported with its seed, once.
        std::panic::set_hook(Box::new(|_| {}));
        hostile::keep_logs();
    }
    if let Some(kind) = args.kind {
        return exit_code(kind.run_all(&args, &args.sets));
    }
    let mut sum = Sum::default();
    for (from, count) in &args.sets {
        println!("seeds {from} to {}", from + count - 1);
        sum.add_all(run(*from, *count));
    }
    if args.one {
        println!("{:#?}", Plan::of(args.sets[0].0));
    }
    print!("{sum}");
    if !args.one && !finds_the_lie() {
        println!(
            "FAILED: with a sink that acknowledges before its receiver answers, nothing was found in {LYING} worlds"
        );
        return ExitCode::FAILURE;
    }
    if !args.one && !finds_the_silence() {
        println!("FAILED: with a transform that drops records in silence, nothing was found in {LYING} worlds");
        return ExitCode::FAILURE;
    }
    let is_plain = std::env::args().skip(1).all(|word| !word.starts_with("--seed"));
    let others = KINDS.iter().filter(|_| is_plain).all(|kind| kind.run_all(&args, &[(0, OTHERS)]));
    exit_code(others && sum.failed.is_empty())
}

fn exit_code(is_right: bool) -> ExitCode {
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the oracle sees an `http` sink that acknowledges before its receiver answers.
fn finds_the_lie() -> bool {
    receiver::lie::set(true);
    let found = first_loss(|plan| plan.receiver.is_some_and(|receiver| !receiver.sends_events()));
    receiver::lie::set(false);
    found.inspect(|seed| println!("a sink that acknowledges too early loses events: found in seed {seed}")).is_some()
}

/// Whether the oracle misses what a transform drops without a word, among all that others leave out on purpose.
fn finds_the_silence() -> bool {
    shape::silence::set(true);
    let found = first_loss(|plan| plan.shape.is_some());
    shape::silence::set(false);
    found.inspect(|seed| println!("a transform that drops records in silence: found in seed {seed}")).is_some()
}

/// The first world of this kind in which the oracle finds that events are lost.
fn first_loss(is_meant: impl Fn(&Plan) -> bool) -> Option<u64> {
    let is_lost = |seed: &u64| one(*seed).violations.iter().any(|violation| violation.starts_with("lost "));
    (0..LYING).filter(|seed| is_meant(&Plan::of(*seed))).find(is_lost)
}

/// Runs worlds on all cores.
fn run(from: u64, count: u64) -> Sum {
    let ran = for_each(from, count, |seed| {
        let mut outcome = one(seed);
        // Each seed decides everything: now and then it is asked twice.
        if seed.is_multiple_of(10) && one(seed).trace != outcome.trace {
            outcome.violations.push("two runs of the seed differ".to_owned());
        }
        let is_right = outcome.violations.is_empty();
        (outcome, is_right)
    });
    let mut sum = Sum::default();
    for (seed, outcome) in ran {
        for violation in &outcome.violations {
            sum.fail(seed, violation.clone());
        }
        sum.add(&outcome);
    }
    sum
}

/// Runs something for each seed, on all cores, until too many have failed. It returns its result, and whether that is right.
fn for_each<T: Send>(from: u64, count: u64, run: impl Fn(u64) -> (T, bool) + Sync) -> Vec<(u64, T)> {
    let next = AtomicU64::new(from);
    let stop = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count || stop.load(Ordering::Relaxed) >= MOST_FAILURES {
                        return;
                    }
                    let (result, is_right) = run(seed);
                    stop.fetch_add(usize::from(!is_right), Ordering::Relaxed);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((seed, result));
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one world.
fn one(seed: u64) -> AckOutcome {
    let world = || async move {
        hostile::forget_logs();
        let mut world = World::new(Plan::of(seed));
        let violations = world.run().await;
        world.log_requests();
        AckOutcome::of(&world, violations)
    };
    in_runtime(world).unwrap_or_else(|panic| AckOutcome { violations: vec![panic], ..AckOutcome::default() })
}

/// Runs a world in a runtime of its own, at paused time. The error is what it panicked with.
fn in_runtime<T, F: Future<Output = T>>(world: impl FnOnce() -> F) -> Result<T, String> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async { world().await })
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

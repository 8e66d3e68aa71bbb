//! The reference run: floor and program at two levels of gzip, in turns, so that what else happens on the machine meets
//! all of them alike.

use std::{fs::File, io, path::Path, process::Command};

use serde_json::{Value, json};
use tools_common::failed;
use tools_common::json::parse;

use super::measure::{Used, run};
use super::receiver::{Arrived, Receiver};
use super::report::{Goal, Section};
use super::{Bench, extremes, median, mib};

const FLOOR: &str = "floor";
const PRODUCT: &str = "nordpass-sentinel";
const EARLIER: &str = "earlier program";
/// The most processor time, as a multiple of an earlier program's.
const MOST_OF_EARLIER: f64 = 1.02;
/// gzip levels.
const LEVELS: [u32; 2] = [1, 6];
/// The most processor time, as a multiple of the floor's.
const MOST_CPU: f64 = 1.35;
/// The least events a second at each level, as a multiple of the floor's, which has one thread only.
const LEAST_RATE: [(f64, &str); 2] = [(1.0, "at least 1.00"), (1.4, "at least 1.40")];
/// With more cores used by others, wall times mean little.
const MOST_OTHERS: f64 = 0.15;
/// Resident memory stays below this many bytes.
pub const MOST_MEMORY: u64 = 64 << 20;

/// One run.
struct Run {
    program: &'static str,
    level: u32,
    events: u64,
    used: Used,
    /// The floor doesn't tell ids apart.
    arrived: Arrived,
}

/// Measures them.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let recording = bench.recording(bench.options.events)?;
    // Into the page cache: the first contender isn't to pay for the disk.
    let read = File::open(&recording).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
    read.map_err(failed("read", &recording))?;
    let mut runs = Vec::new();
    for round in 1..=bench.options.rounds {
        for level in LEVELS {
            let mut add = |run: Run| {
                println!(
                    "round {round}: {:<17} gzip {level}: {:.2} CPU-seconds per million, {:.0} events/s, {:.0} MiB",
                    run.program,
                    run.cpu(),
                    run.rate(),
                    run.memory()
                );
                runs.push(run);
            };
            add(floor(bench, &recording, level)?);
            let program =
                |name, path: &Path| product(bench, (name, path), &recording, level, bench.options.events, false);
            let earlier = bench.options.against.as_deref().map(|path| (EARLIER, path));
            let mut contenders: Vec<_> =
                earlier.into_iter().chain([(PRODUCT, bench.programs.product.as_path())]).collect();
            // Whoever comes second may find the machine warmer.
            if round % 2 == 0 {
                contenders.reverse();
            }
            for (name, path) in contenders {
                add(program(name, path)?);
            }
        }
    }
    Ok(section(&runs))
}

fn floor(bench: &Bench, recording: &Path, level: u32) -> Result<Run, String> {
    let mut command = Command::new(&bench.programs.floor);
    command.arg(recording).arg(level.to_string());
    let used = run(command, &bench.folder)?;
    let arrived: Arrived = parse("what the floor says", &used.output)?;
    let events = bench.options.events;
    if arrived.rows != events {
        return Err(format!("the floor made {} rows of {events} events", arrived.rows));
    }
    Ok(Run { program: FLOOR, level, events, used, arrived })
}

fn product(
    bench: &Bench,
    (program, path): (&'static str, &Path),
    recording: &Path,
    level: u32,
    events: u64,
    drop_bodies: bool,
) -> Result<Run, String> {
    let receiver = Receiver::start(&bench.programs.receiver, drop_bodies)?;
    let mut command = Command::new(path);
    command.args(["run", "--once"]).arg(Bench::pipeline("pipeline.toml"));
    command.env("DATA_DIR", bench.state()?).env("RECORDING", recording).env("RECEIVER", &receiver.address);
    command.env("GZIP_LEVEL", level.to_string()).env("TOKEN", "token");
    let used = run(command, &bench.folder)?;
    let arrived = receiver.arrived(events)?;
    Ok(Run { program, level, events, used, arrived })
}

/// Returns the most memory of a run of the program, in bytes.
pub fn peak(bench: &Bench, recording: &Path, level: u32, events: u64) -> Result<u64, String> {
    Ok(product(bench, (PRODUCT, &bench.programs.product), recording, level, events, true)?.used.peak)
}

impl Run {
    /// Returns CPU seconds per million events.
    fn cpu(&self) -> f64 {
        self.used.cpu * 1e6 / self.events as f64
    }

    /// Returns events a second.
    fn rate(&self) -> f64 {
        self.events as f64 / self.used.wall
    }

    /// Returns the peak memory in MiB.
    fn memory(&self) -> f64 {
        mib(self.used.peak)
    }

    fn json(&self) -> Value {
        json!({
            "program": self.program, "level": self.level, "events": self.events, "wall_seconds": self.used.wall,
            "cpu_seconds": self.used.cpu, "peak_bytes": self.used.peak, "raw_bytes": self.arrived.raw_bytes,
            "wire_bytes": self.arrived.wire_bytes, "distinct_uids": self.arrived.distinct,
            "receiver_cpu_seconds": self.arrived.cpu_seconds,
            "machine_cpu_seconds": self.used.machine,
        })
    }
}

const HEAD: &[&str] = &[
    "program",
    "gzip",
    "wall s",
    "events/s",
    "CPU s per million",
    "lowest to highest",
    "peak MiB",
    "rows",
    "distinct ids",
    "bytes a row",
    "wire bytes an event",
];

fn section(runs: &[Run]) -> Section {
    let (mut lines, mut goals) = (Vec::new(), Vec::new());
    for (level, (least_rate, wanted_rate)) in LEVELS.into_iter().zip(LEAST_RATE) {
        let of = |program: &str| -> Vec<&Run> {
            runs.iter().filter(|run| run.program == program && run.level == level).collect()
        };
        let (floor, earlier, product) = (of(FLOOR), of(EARLIER), of(PRODUCT));
        lines.extend([&floor, &earlier, &product].into_iter().filter_map(|runs| line(runs)));
        // Round by round: what slows a whole round down drops out.
        let ratio = |others: &[&Run], figure: fn(&Run) -> f64| {
            let ratios = product.iter().zip(others).map(|(product, other)| figure(product) / figure(other));
            median(&ratios.collect::<Vec<_>>())
        };
        let (cpu, rate) = (ratio(&floor, Run::cpu), ratio(&floor, Run::rate));
        let of = |what: &str| format!("{what}, gzip {level}, times the floor's");
        goals.push(Goal::new(of("processor time"), "at most 1.35", format!("{cpu:.2}"), cpu <= MOST_CPU));
        goals.push(Goal::new(of("events/s"), wanted_rate, format!("{rate:.2}"), rate >= least_rate));
        if !earlier.is_empty() {
            let cpu = ratio(&earlier, Run::cpu);
            let what = format!("processor time, gzip {level}, times the earlier program's");
            goals.push(Goal::new(what, "at most 1.02", format!("{cpu:.3}"), cpu <= MOST_OF_EARLIER));
        }
    }
    let peak = runs.iter().filter(|run| run.program == PRODUCT).map(|run| run.used.peak).max().unwrap_or(0);
    let below = peak < MOST_MEMORY;
    goals.push(Goal::new("peak memory of all runs, MiB", "below 64", format!("{:.1}", mib(peak)), below));
    let raw = runs.iter().map(Run::json).collect();
    Section { title: "Reference run (medians)", head: HEAD, lines, goals, note: note(runs), raw }
}

/// Says how busy other programs kept the machine.
fn note(runs: &[Run]) -> String {
    let wall: f64 = runs.iter().map(|run| run.used.wall).sum();
    let ours = |run: &Run| run.used.cpu + run.arrived.cpu_seconds.unwrap_or(0.0);
    let others = runs.iter().map(|run| run.used.machine - ours(run)).sum::<f64>() / wall;
    let warning = if others > MOST_OTHERS { ": wall times and events/s say little" } else { "" };
    format!("Other programs kept {others:.2} cores busy during the runs{warning}.")
}

/// Returns a contender's medians.
fn line(runs: &[&Run]) -> Option<Vec<String>> {
    let first = runs.first()?;
    let of = |figure: fn(&Run) -> f64| median(&runs.iter().map(|run| figure(run)).collect::<Vec<_>>());
    let (lowest, highest) = extremes(&runs.iter().map(|run| run.cpu()).collect::<Vec<_>>());
    Some(vec![
        first.program.to_owned(),
        first.level.to_string(),
        format!("{:.2}", of(|run| run.used.wall)),
        format!("{:.0}", of(Run::rate)),
        format!("{:.2}", of(Run::cpu)),
        format!("{lowest:.2} to {highest:.2}"),
        format!("{:.1}", of(Run::memory)),
        first.events.to_string(),
        first.arrived.distinct.map_or("not counted".to_owned(), |distinct| distinct.to_string()),
        format!("{:.0}", of(|run| run.arrived.raw_bytes as f64 / run.events as f64)),
        format!("{:.1}", of(|run| run.arrived.wire_bytes as f64 / run.events as f64)),
    ])
}

//! The `http` sink next to a floor that maps nothing: it reads, parses, writes lines and compresses them.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tools_common::json::parse;

use super::measure::{Used, run};
use super::receiver::{Arrived, Receiver};
use super::report::{Goal, Section};
use super::{Bench, extremes, median};

/// Where the rest of the program weighs most: gzip at its cheapest.
const LEVEL: u32 = 1;
/// The most processor time, as a multiple of the floor's.
const MOST_CPU: f64 = 1.2;

/// Measures it, floor and program in turns.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let events = bench.options.events;
    let recording = bench.recording(events)?;
    // Into the page cache: the first contender isn't to pay for the disk.
    floor(bench, &recording)?;
    let (mut floors, mut products) = (Vec::new(), Vec::new());
    for round in 1..=bench.options.rounds {
        for (name, (used, arrived), runs) in [
            ("floor", floor(bench, &recording)?, &mut floors),
            ("nordpass-sentinel", product(bench, &recording)?, &mut products),
        ] {
            let cpu = used.cpu * 1e6 / events as f64;
            println!("round {round}: {name:<17} http, gzip {LEVEL}: {cpu:.2} CPU-seconds per million");
            runs.push((cpu, events as f64 / used.wall, arrived));
        }
    }
    Ok(section(&floors, &products))
}

/// A run's CPU seconds per million events, events a second, and what came of it.
type Run = (f64, f64, Arrived);

fn floor(bench: &Bench, recording: &Path) -> Result<(Used, Arrived), String> {
    let mut command = Command::new(&bench.programs.floor);
    command.arg(recording).args([&LEVEL.to_string(), "events"]);
    let used = run(command, &bench.folder)?;
    let arrived: Arrived = parse("what the floor says", &used.output)?;
    if arrived.rows != bench.options.events {
        return Err(format!("the floor wrote {} of {} events", arrived.rows, bench.options.events));
    }
    Ok((used, arrived))
}

fn product(bench: &Bench, recording: &Path) -> Result<(Used, Arrived), String> {
    let receiver = Receiver::start(&bench.programs.receiver, false)?;
    let mut command = Command::new(&bench.programs.product);
    command.args(["run", "--once"]).arg(Bench::pipeline("http.toml"));
    command.env("DATA_DIR", bench.state()?).env("RECORDING", recording).env("RECEIVER", &receiver.address);
    command.env("GZIP_LEVEL", LEVEL.to_string());
    let used = run(command, &bench.folder)?;
    Ok((used, receiver.events_arrived(bench.options.events)?))
}

fn section(floors: &[Run], products: &[Run]) -> Section {
    let figures = |runs: &[Run], figure: fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    let line = |name: &str, runs: &[Run]| {
        let cpu = figures(runs, |run| run.0);
        let (lowest, highest) = extremes(&cpu);
        vec![
            name.to_owned(),
            format!("{:.2}", median(&cpu)),
            format!("{lowest:.2} to {highest:.2}"),
            format!("{:.0}", median(&figures(runs, |run| run.1))),
            runs.first().map_or_else(String::new, |run| run.2.wire_bytes.to_string()),
        ]
    };
    // Round by round: what slows a whole round down drops out.
    let ratio = median(&products.iter().zip(floors).map(|(product, floor)| product.0 / floor.0).collect::<Vec<_>>());
    let what = format!("processor time of `http`, gzip {LEVEL}, times the floor's that maps nothing");
    let raw =
        |name: &str, run: &Run| json!({"program": name, "cpu_seconds_per_million": run.0, "events_per_second": run.1});
    Section {
        title: "Events over HTTP (medians)",
        head: &["program", "CPU s per million", "lowest to highest", "events/s", "wire bytes"],
        lines: vec![line("floor", floors), line("nordpass-sentinel", products)],
        goals: vec![Goal::new(what, "at most 1.20", format!("{ratio:.2}"), ratio <= MOST_CPU)],
        raw: floors
            .iter()
            .map(|run| raw("floor", run))
            .chain(products.iter().map(|run| raw("nordpass-sentinel", run)))
            .collect(),
        ..Section::default()
    }
}

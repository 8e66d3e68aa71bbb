//! A first connection over a slow network: how near it comes to what its concurrency allows.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tools_common::process::Simulator;

use super::report::{Goal, Section};
use super::{Bench, measure};

/// What each question to NordPass takes, in seconds.
const ROUND_TRIP: f64 = 0.2;
/// Events of a page: the program's default.
const PAGE: u64 = 100;
/// The program's default, and more.
const CONCURRENCIES: [u32; 2] = [4, 16];
/// Of what is possible.
const LEAST: f64 = 0.85;

/// Measures it.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let events = bench.options.size(100_000, 20_000);
    let (mut lines, mut goals, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for concurrency in CONCURRENCIES {
        println!("{events} events over a round trip of {ROUND_TRIP} s, {concurrency} pages side by side");
        let used = read(bench, events, concurrency)?;
        let ideal = events.div_ceil(PAGE) as f64 * ROUND_TRIP / f64::from(concurrency);
        let ratio = ideal / used.wall;
        lines.push(vec![
            concurrency.to_string(),
            format!("{ideal:.1}"),
            format!("{:.1}", used.wall),
            format!("{:.0} %", ratio * 100.0),
            format!("{:.0}", events as f64 / used.wall),
            format!("{:.2}", used.cpu),
        ]);
        let what = format!("backfill with {concurrency} pages side by side, of the ideal");
        goals.push(Goal::new(what, "at least 85 %", format!("{:.0} %", ratio * 100.0), ratio >= LEAST));
        raw.push(json!({"concurrency": concurrency, "ideal": ideal, "seconds": used.wall, "cpu": used.cpu}));
    }
    Ok(Section {
        title: "Seven days over a network with a round trip of 200 ms",
        head: &["concurrency", "ideal s", "s", "of the ideal", "events/s", "CPU s"],
        lines,
        goals,
        note: format!(
            "{events} events, {PAGE} a page, from the process's start to its end; all rows were accepted by the simulated Azure, \
             none twice. The ideal is the pages' round trips shared among those that are side by side, and nothing else."
        ),
        raw: Value::Array(raw),
    })
}

/// Runs `run --once`, and checks with the simulator's summary that all events arrived once.
fn read(bench: &Bench, events: u64, concurrency: u32) -> Result<measure::Used, String> {
    let faults = bench.folder.join("round-trip.toml");
    tools_common::write(&faults, format!("[[fault]]\nendpoint = \"nordpass\"\ndelay = \"{}ms\"\n", ROUND_TRIP * 1e3))?;
    let simulator = Simulator::start(&bench.programs.product, |command| {
        command.args(["--events", &events.to_string(), "--faults"]).arg(&faults).stderr(Stdio::null());
    })?;
    let mut command = Command::new(&bench.programs.product);
    command.args(["run", "--once", "--timeout", "10m"]).arg(Bench::pipeline("backfill.toml"));
    command.env("DATA_DIR", bench.state()?).env("CONCURRENCY", concurrency.to_string());
    simulator.connect(&mut command);
    let used = measure::run(command, &bench.folder)?;
    let summary = simulator.end()?;
    let count = |name: &str| summary[name].as_u64();
    // A few lie before the seven days by the time of the first question.
    let delivered = count("events_delivered").unwrap_or(0);
    if delivered * 1000 >= events * 999 && (count("events_lost"), count("events_duplicated")) == (Some(0), Some(0)) {
        Ok(used)
    } else {
        Err(format!("{events} events were to arrive once each, but: {summary}"))
    }
}

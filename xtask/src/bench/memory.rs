//! That memory doesn't grow with what has gone through: ten times the events.

use serde_json::json;

use super::report::{Goal, Section};
use super::rounds::{MOST_MEMORY, peak};
use super::{Bench, mib};

/// The level that lets the most rows through.
const LEVEL: u32 = 1;
/// As many times the events.
const TIMES: u64 = 10;
/// Peaks of equal runs differ by about this much.
const FLAT: f64 = 1.10;

/// Measures it.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let few = bench.options.events;
    let many = few * TIMES;
    println!("memory of {few} and of {many} events");
    let low = peak(bench, &bench.recording(few)?, LEVEL, few)?;
    let recording = bench.recording(many)?;
    let high = peak(bench, &recording, LEVEL, many);
    // It is large.
    let _ = std::fs::remove_file(&recording);
    let high = high?;
    let growth = high as f64 / low as f64;
    let mib = |bytes| format!("{:.1}", mib(bytes));
    let flat = format!("peak memory of {many} events, times that of {few}");
    Ok(Section {
        title: "Memory",
        head: &["events", "peak MiB"],
        lines: vec![vec![few.to_string(), mib(low)], vec![many.to_string(), mib(high)]],
        goals: vec![
            Goal::new(format!("peak memory of {many} events, MiB"), "below 64", mib(high), high < MOST_MEMORY),
            Goal::new(flat, "at most 1.10", format!("{growth:.2}"), growth <= FLAT),
        ],
        raw: json!([{"events": few, "peak_bytes": low}, {"events": many, "peak_bytes": high}]),
        ..Section::default()
    })
}

//! `cargo xtask bench`: how much the program costs, next to the least that its parts can cost (`benches/METHOD.md`).
//!
//! Each section measures one thing and adds its table and goals to the report, which is written again after each of
//! them. A goal that is missed is shown; an error is only what makes a figure wrong, such as a row that didn't arrive.

mod backfill;
mod http;
mod measure;
mod memory;
mod options;
mod organizations;
mod programs;
mod receiver;
mod report;
mod rounds;
mod size;
mod startup;

use std::fs;
use std::path::{Path, PathBuf};

pub use options::Options;
use programs::Programs;
use report::{Report, Section};
use tools_common::failed;

/// What all sections need.
struct Bench {
    options: Options,
    programs: Programs,
    /// `target/bench/`: the workload, the programs' states and logs, the results.
    folder: PathBuf,
}

/// Measures one thing.
type Measure = fn(&Bench) -> Result<Section, String>;

/// The sections with their names, in the order of the report.
const SECTIONS: &[(&str, Measure)] = &[
    ("reference", rounds::measure),
    ("http", http::measure),
    ("backfill", backfill::measure),
    ("organizations", organizations::measure),
    ("startup", startup::measure),
    ("size", size::measure),
    ("memory", memory::measure),
];

/// Measures all sections.
pub fn run(options: Options) -> Result<(), String> {
    let folder = tools_common::root().join("target/bench");
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    let mut report = Report::new(&options);
    let bench = Bench { programs: programs::build()?, options, folder };
    for (name, measure) in SECTIONS {
        if bench.options.wants(name) {
            report.sections.push(measure(&bench)?);
            report.write(&bench.folder)?;
        }
    }
    println!("\n{}\nwritten to target/bench/table.md and target/bench/results.json", report.text());
    Ok(())
}

impl Bench {
    /// Returns a recording of this many events, made at its first use.
    fn recording(&self, events: u64) -> Result<PathBuf, String> {
        let path = self.folder.join(format!("workload-{events}.ndjson"));
        if !path.exists() {
            println!("writing {events} events");
            // Complete, or not there.
            let part = path.with_extension("part");
            let mut command = std::process::Command::new(&self.programs.workload);
            tools_common::process::run(command.args(["--events", &events.to_string(), "--out"]).arg(&part))?;
            fs::rename(&part, &path).map_err(failed("rename", &part))?;
        }
        Ok(path)
    }

    /// Returns an empty folder for a run's state.
    fn state(&self) -> Result<PathBuf, String> {
        let path = self.folder.join("state");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed("empty", &path))?;
        }
        Ok(path)
    }

    /// Returns a pipeline file of the reference.
    fn pipeline(name: &str) -> PathBuf {
        tools_common::root().join(Path::new("benches/reference")).join(name)
    }
}

/// Returns MiB.
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Returns the lowest and the highest value.
fn extremes(values: &[f64]) -> (f64, f64) {
    let all = values.iter().copied();
    (all.clone().fold(f64::INFINITY, f64::min), all.fold(0.0, f64::max))
}

/// Returns the median.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_odd_and_even_numbers_of_values() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}

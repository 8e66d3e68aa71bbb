//! `cargo xtask instructions`: the instructions that the hot path takes for each event, against the committed baseline.
//!
//! Time depends on the machine and on what else it does; instructions hardly do. Valgrind counts those of a small program
//! that runs one stage on a thousand events, inside one function of it: what prepares the stage isn't counted.
//!
//! The program is built as for the tests, which costs nothing besides. So the counts are higher than those of a release, and
//! only good for comparing them: what somebody adds to the hot path shows all the same.

use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

use tools_common::process::{build_with_tests, output};

use crate::tools;

/// The stages, as the program names them.
const STAGES: [&str; 4] = ["parse", "map", "gzip_1", "gzip_6"];
/// The function of the program inside which valgrind counts.
const MEASURED: &str = "bench_instructions::measured";
/// Events that the program works on, all its repetitions together.
const EVENTS: u64 = 4_000;
/// Hash tables are laid out differently in each run, which is up to 2 % in `map`: the least of this many runs counts.
const RUNS: usize = 3;
/// How far a count may be above its baseline.
const TOLERANCE: f64 = 0.05;
const BASELINE: &str = "benches/instructions.toml";

/// Runs [`check`] as a step of the tests. A machine where valgrind can't be installed passes; CI's can.
pub fn step() -> Result<(), String> {
    match tools::valgrind() {
        Ok(()) => check(),
        Err(message) => {
            println!("instructions are not counted here: {message}");
            Ok(())
        }
    }
}

/// Compares the counts with the baseline.
pub fn check() -> Result<(), String> {
    let baseline = toml::from_str(&tools_common::read(BASELINE)?).map_err(|error| format!("{BASELINE}: {error}"))?;
    let counts = count()?;
    let (text, above, below) = compare(&counts, &baseline)?;
    print!("{text}");
    if above.is_empty() {
        if !below.is_empty() {
            println!("{} became cheaper: keep that with `cargo xtask instructions --accept`", below.join(", "));
        }
        return Ok(());
    }
    Err(format!(
        "more instructions than before: {}\nhint: if that is worth it, accept them with `cargo xtask instructions --accept`",
        above.join(", ")
    ))
}

/// Makes the counts the baseline.
pub fn accept() -> Result<(), String> {
    let mut text = String::from(
        "# Instructions for each event of the reference workload, by stage of the hot path. Written by\n\
         # `cargo xtask instructions --accept`; `cargo xtask test` fails when a count is more than 5 % above.\n",
    );
    for (stage, count) in count()? {
        // Writing to memory can't fail.
        let _ = writeln!(text, "{stage} = {count:.0}");
    }
    print!("{text}");
    tools_common::write(BASELINE, text)
}

/// Instructions for each event, by stage.
type Counts = BTreeMap<String, f64>;

fn count() -> Result<Counts, String> {
    tools::valgrind()?;
    let program = build_with_tests("bench-instructions")?;
    let least = |stage: &str| {
        let counts: Vec<u64> = (0..RUNS).map(|_| instructions(&program, stage)).collect::<Result<_, _>>()?;
        Ok((stage.to_owned(), counts.into_iter().min().unwrap_or(0) as f64 / EVENTS as f64))
    };
    STAGES.into_iter().map(least).collect()
}

/// Returns the instructions of a stage.
fn instructions(program: &Path, stage: &str) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--toggle-collect={MEASURED}"));
    let output = output(valgrind.arg(program).arg(stage))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = collected(&log).filter(|number| *number > 0);
    collected.ok_or_else(|| format!("valgrind counted nothing inside {MEASURED}:\n{log}"))
}

/// Returns the number in `==77== Collected : 1234567`.
fn collected(log: &str) -> Option<u64> {
    let number = log.lines().find_map(|line| line.split_once(" Collected : "))?.1;
    number.trim().parse().ok()
}

/// Returns a table, the stages that are above their baseline, and those that are as far below.
fn compare(counts: &Counts, baseline: &Counts) -> Result<(String, Vec<String>, Vec<String>), String> {
    let (mut text, mut above, mut below) = (String::new(), Vec::new(), Vec::new());
    for (stage, count) in counts {
        let known = baseline.get(stage).filter(|known| **known > 0.0);
        let known = known.ok_or_else(|| format!("{BASELINE} lacks `{stage}`"))?;
        let change = count / known - 1.0;
        let _ = writeln!(text, "{stage:>12}  {count:>9.0} instructions an event  {:>+6.1} %", 100.0 * change);
        if change > TOLERANCE {
            above.push(format!("{stage} {:+.1} %", 100.0 * change));
        } else if change < -TOLERANCE {
            below.push(stage.clone());
        }
    }
    Ok((text, above, below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valgrinds_number() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n"), Some(1_234_567));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn more_than_five_percent_above_is_too_much() {
        let read = |text| toml::from_str::<Counts>(text).expect("counts");
        let baseline = read("# a remark\nmap = 1000\nparse = 1000\n");
        let counts = read("map = 1051\nparse = 1049\n");
        let (_, above, below) = compare(&counts, &baseline).expect("both known");
        assert_eq!((above, below.len()), (vec!["map +5.1 %".to_owned()], 0));
        let (_, above, below) = compare(&read("map = 900\n"), &baseline).expect("known");
        assert_eq!((above.len(), below), (0, vec!["map".to_owned()]));
        assert!(compare(&read("other = 1\n"), &baseline).is_err());
    }
}

//! `cargo xtask fuzz`: the targets of `src/fuzz.rs`, with coverage as a guide (`fuzz/`).
//!
//! libFuzzer on the stable toolchain: the compiler's coverage counters without any sanitizer, since nearly all of the code is
//! safe. The program and its dependencies are built as they are (no `--cfg fuzzing`, which weakens what some of them
//! check). With `--target`, build scripts and macros aren't instrumented.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use clap::Args;
use clap::value_parser;
use tools_common::process::{self, cargo};
use tools_common::{failed, root};

/// What the compiler adds: counters for libFuzzer, and the checks of a debug build.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks";
/// The most memory of one process, in MiB.
const MOST_MEMORY: u32 = 2048;
/// The longest time that one input may take, in seconds.
const LONGEST: u32 = 25;

/// What is run for how long.
#[derive(Args, Debug)]
pub struct Options {
    /// Targets; all without any
    targets: Vec<String>,
    /// Minutes for each target
    #[arg(long, value_parser = value_parser!(u32).range(1..), default_value = "1")]
    minutes: u32,
    /// Targets that run side by side
    #[arg(long, value_parser = value_parser!(u32).range(1..=16), default_value = "1")]
    jobs: u32,
    /// Run one target on this file alone, as often as once
    #[arg(long)]
    input: Option<PathBuf>,
}

/// A target, as the program lists it.
struct Target {
    name: String,
    /// The longest input, in bytes.
    longest: String,
}

/// Builds the targets and runs them in turn. Stops at the first find.
pub fn run(options: &Options) -> Result<(), String> {
    let program = build()?;
    let all = list(&program)?;
    let unknown = options.targets.iter().find(|name| all.iter().all(|target| target.name != **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
        return Err(format!("there is no target `{name}`\nhint: the targets are {}", names.join(", ")));
    }
    if let Some(input) = &options.input {
        let [name] = &options.targets[..] else { return Err("with `--input`, name one target".to_owned()) };
        return process::run(
            Command::new(&program)
                .arg(fs::canonicalize(input).map_err(failed("find", input))?)
                .env("FUZZ_TARGET", name),
        );
    }
    let is_wanted = |target: &Target| options.targets.is_empty() || options.targets.contains(&target.name);
    let queue: Mutex<VecDeque<Target>> = Mutex::new(all.into_iter().filter(is_wanted).collect());
    let next = || queue.lock().ok()?.pop_front();
    let work = || -> Result<(), String> {
        while let Some(target) = next() {
            let result = fuzz(&program, &target, options.minutes);
            if result.is_err() {
                // Whoever runs beside it comes to its end; nothing new begins.
                if let Ok(mut queue) = queue.lock() {
                    queue.clear();
                }
            }
            println!("{}", result?);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        let ended =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a bug of this command".into())));
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Builds the crate in `fuzz/`. Returns the program's path.
fn build() -> Result<PathBuf, String> {
    let host = process::output(Command::new("rustc").arg("-vV"))?;
    let host = String::from_utf8_lossy(&host.stdout);
    let host =
        host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc doesn't say what this machine is")?;
    let folder = root().join("target/fuzz/build");
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        host,
        "--target-dir",
    ]);
    process::run(build.arg(&folder).env("RUSTFLAGS", FLAGS))?;
    Ok(folder.join(host).join("release/fuzz"))
}

fn list(program: &Path) -> Result<Vec<Target>, String> {
    let listed = process::output(Command::new(program).env("FUZZ_TARGET", "list"))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let targets = text.lines().filter_map(|line| line.split_once(' '));
    Ok(targets.map(|(name, longest)| Target { name: name.to_owned(), longest: longest.to_owned() }).collect())
}

/// Runs a target. Returns a line about it; the error says how to run the find again.
fn fuzz(program: &Path, target: &Target, minutes: u32) -> Result<String, String> {
    let Target { name, longest } = target;
    let folder = root().join("target/fuzz");
    let (finds, log) = (folder.join("corpus").join(name), folder.join("logs").join(format!("{name}.txt")));
    for folder in [&finds, &folder.join("logs"), &folder.join("crashes")] {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
    }
    let prefix = folder.join("crashes").join(format!("{name}-"));
    let output = File::create(&log).map_err(failed("create", &log))?;
    let mut command = Command::new(program);
    command.arg(&finds);
    // New inputs go to the first folder; these are only read.
    let given = ["corpus", "regressions"].map(|kind| root().join("fuzz").join(kind).join(name));
    command.args(given.iter().filter(|folder| folder.is_dir()));
    command.arg(format!("-artifact_prefix={}", prefix.display()));
    command.arg(format!("-dict={}", root().join("fuzz/words.dict").display()));
    command.args([format!("-max_total_time={}", minutes * 60), format!("-max_len={longest}")]);
    command.args([format!("-rss_limit_mb={MOST_MEMORY}"), format!("-timeout={LONGEST}")]);
    command.args(["-print_final_stats=1", "-verbosity=1"]).env("FUZZ_TARGET", name);
    let both = output.try_clone().map_err(failed("write", &log))?;
    let status = command.current_dir(root()).stdin(Stdio::null()).stdout(output).stderr(both).status();
    let status = status.map_err(failed("run", program))?;
    let text = fs::read(&log).map_err(failed("read", &log))?;
    let text = String::from_utf8_lossy(&text);
    if status.success() {
        return Ok(format!("{name:>18}  {}", summary(&text)));
    }
    let crash = text.lines().rev().find_map(|line| line.split_once("Test unit written to ").map(|(_, file)| file));
    let again = match crash.map(|file| file.strip_prefix(&format!("{}/", root().display())).unwrap_or(file)) {
        Some(file) => format!(
            "run it again: cargo xtask fuzz {name} --input {file}\nhint: keep it as fuzz/regressions/{name}/WHAT-IT-IS, and fix what it shows"
        ),
        None => "it wrote no input".to_owned(),
    };
    let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    let end = said[said.len().saturating_sub(25)..].join("\n");
    Err(format!(
        "{end}\n\nthe target `{name}` broke its promise ({status})\n{again}\nall it said is in target/fuzz/logs/{name}.txt"
    ))
}

/// How many inputs were run, and how far they reach.
fn summary(log: &str) -> String {
    let statistic = |name: &str| {
        let value = log.lines().rev().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        value.map_or("?", str::trim).to_owned()
    };
    let last = log.lines().rev().find(|line| line.starts_with('#') && line.contains("cov:")).unwrap_or_default();
    let word = |name: &str| last.split_whitespace().skip_while(|word| *word != name).nth(1).unwrap_or("?").to_owned();
    format!(
        "{} inputs, {} a second, {} edges reached, {} MiB at most",
        statistic("number_of_executed_units"),
        statistic("average_exec_per_sec"),
        word("cov:"),
        statistic("peak_rss_mb"),
    )
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_log_becomes_a_line() {
        let log = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n#99\tDONE   cov: 120 ft: 300 corp: 7/1b\n\
                   stat::number_of_executed_units: 99\nstat::average_exec_per_sec:     9\nstat::peak_rss_mb:              41\n";
        assert_eq!(summary(log), "99 inputs, 9 a second, 120 edges reached, 41 MiB at most");
        assert_eq!(summary(""), "? inputs, ? a second, ? edges reached, ? MiB at most");
    }
}

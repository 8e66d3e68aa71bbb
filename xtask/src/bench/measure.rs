//! What a process needs: time, processor time, memory. All from `/proc`, so that it takes no `unsafe` and no library.
#![expect(clippy::disallowed_methods, reason = "measuring is what this is for; nothing is decided by it")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tools_common::failed;
use tools_common::process::Running;

/// Clock ticks a second in `/proc`: Linux's constant for all programs.
const TICKS: f64 = 100.0;
/// How often the process is looked at. The peak of its memory is kept by the kernel, so only the last moment is missed.
const LOOK: Duration = Duration::from_millis(10);

/// What a run needed.
#[derive(Clone, Debug)]
pub struct Used {
    /// From its start to its end, in seconds.
    pub wall: f64,
    /// In user and kernel mode, all threads, in seconds.
    pub cpu: f64,
    /// The most resident memory, in bytes.
    pub peak: u64,
    /// What all processes of the machine used meanwhile, this one included, in seconds.
    pub machine: f64,
    /// What it wrote to standard output.
    pub output: String,
}

/// Runs a program to its end. Its error output goes to a file, which is named if it fails.
pub fn run(mut command: Command, folder: &Path) -> Result<Used, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let file = |path: &Path| File::create(path).map_err(failed("write", path));
    let (output, log) = (folder.join("output"), folder.join("log"));
    command.stdout(file(&output)?).stderr(file(&log)?);
    let before = machine();
    let began = Instant::now();
    let mut process = Running::start(&mut command)?;
    let proc = Path::new("/proc").join(process.0.id().to_string());
    let mut peak = 0;
    // Until it is waited for, an ended process keeps its figures.
    let cpu = loop {
        let stat = fs::read_to_string(proc.join("stat"))
            .map_err(|error| format!("can't look at {name}: {error}\nhint: this needs Linux"))?;
        let (ended, cpu) = ended(&stat).ok_or("/proc has an unknown form")?;
        if ended {
            break cpu;
        }
        peak = kib(&fs::read_to_string(proc.join("status")).unwrap_or_default(), "VmHWM:").unwrap_or(peak);
        sleep(LOOK);
    };
    let wall = began.elapsed().as_secs_f64();
    let machine = machine() - before;
    let status = process.0.wait().map_err(|error| format!("can't wait for {name}: {error}"))?;
    if !status.success() {
        return Err(format!("{name} failed ({status})\nhint: see {}", log.display()));
    }
    let output = fs::read_to_string(&output).unwrap_or_default();
    Ok(Used { wall, cpu, peak, machine, output })
}

/// A process that runs.
pub struct Look {
    /// Processor time so far, in seconds.
    pub cpu: f64,
    /// Resident memory now, in bytes.
    pub resident: u64,
}

/// Looks at a process that must still be there.
pub fn look(proc: &Path) -> Result<Look, String> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).unwrap_or_default();
    let (has_ended, cpu) = ended(&read("stat")).ok_or("the program has gone away")?;
    match kib(&read("status"), "VmRSS:") {
        Some(resident) if !has_ended => Ok(Look { cpu, resident }),
        _ => Err("the program has ended by itself".to_owned()),
    }
}

/// Returns the seconds that all processors have worked since the machine's start, or were taken from it by its host.
fn machine() -> f64 {
    busy(&fs::read_to_string("/proc/stat").unwrap_or_default()).unwrap_or(f64::NAN)
}

/// Returns the busy seconds from `/proc/stat`.
fn busy(stat: &str) -> Option<f64> {
    let words: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // The 4th and 5th are idle time; from the 9th on they are guests, which the first two contain.
    let working = words.get(..8)?.iter().enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    Some(working.map(|(_, ticks)| *ticks).sum::<u64>() as f64 / TICKS)
}

/// Returns from `/proc/PID/stat` whether the process has ended, and its processor time in seconds.
fn ended(stat: &str) -> Option<(bool, f64)> {
    // The name, in parentheses, may hold anything; the state follows it, and the times are the 12th and 13th after that.
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |place: usize| words.get(place)?.parse::<u64>().ok();
    Some((*words.first()? == "Z", (ticks(11)? + ticks(12)?) as f64 / TICKS))
}

/// Returns the KiB of a line of `/proc/PID/status`, in bytes.
fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_proc() {
        let stat = "77 (a) Z (b) Z 1 77 77 0 -1 4228108 150 0 0 0 120 30 0 0 20 0 1 0 99 0 0";
        let (ended, cpu) = ended(stat).expect("known");
        assert!(ended && (cpu - 1.5).abs() < 1e-9, "{cpu}");
        assert_eq!(kib("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n", "VmHWM:"), Some(2 << 20));
        assert_eq!(kib("Name:\tzombie\n", "VmHWM:"), None);
        let busy = busy("cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1\n").expect("known");
        assert!((busy - 1.71).abs() < 1e-9, "{busy}");
    }
}

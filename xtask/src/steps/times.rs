//! How long each step took last time, and how much processor time it needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use tools_common::root;

/// The seconds of each step's last run, in `target/xtask-steps.txt`: a line each.
pub struct Times(BTreeMap<String, f64>);

impl Times {
    /// Reads them. A first run, or a file that can't be read, has none.
    pub fn read() -> Self {
        let text = fs::read_to_string(file()).unwrap_or_default();
        let line = |line: &str| {
            let (name, seconds) = line.split_once(' ')?;
            Some((name.to_owned(), seconds.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Says how long the step took last time, for the line that announces it.
    pub fn last(&self, name: &str) -> String {
        self.0.get(name).map(|seconds| format!(", {seconds:.0} s last time")).unwrap_or_default()
    }

    /// Keeps a step's time, beside those that another process has kept meanwhile.
    pub fn keep(name: &str, seconds: f64) -> Result<(), String> {
        let mut times = Self::read();
        times.0.insert(name.to_owned(), seconds);
        let lines: Vec<_> = times.0.iter().map(|(name, seconds)| format!("{name} {seconds:.1}")).collect();
        tools_common::write(file(), lines.join("\n"))
    }
}

fn file() -> PathBuf {
    root().join("target/xtask-steps.txt")
}

/// What each step of a run took, as a table.
#[derive(Default)]
pub struct Table(String);

impl Table {
    /// Adds a line.
    pub fn add(&mut self, name: &str, seconds: f64) {
        // Writing to memory can't fail.
        let _ = writeln!(self.0, "{name:>12}  {seconds:>6.1} s");
    }

    /// The table, with how long the whole took and, where the system says it, the processor time of all of it.
    pub fn text(&self, total: f64) -> String {
        let cpu = children_cpu().map(|cpu| format!(", {cpu:.0} s of processor time")).unwrap_or_default();
        format!("{}{:>12}  {total:>6.1} s{cpu}", self.0, "total")
    }
}

/// The processor time of all programs that were run and waited for, in seconds.
fn children_cpu() -> Option<f64> {
    // Clock ticks of a hundredth of a second; `cutime` and `cstime` are fields 16 and 17 (proc_pid_stat(5)).
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(13);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

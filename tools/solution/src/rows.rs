//! Recordings to tables: the real program, the real transforms, the ingestion simulator that is as strict as Azure.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tools_common::process::{self, Running, Simulator, run};
use tools_common::{failed, root};

use crate::moment::Moment;
use crate::tables;

/// How many rounds of health rows are waited for: enough to see a count grow.
const HEALTH_ROUNDS: usize = 4;

/// The pipelines of the health rows, with the names of their instances: beside a source that works, one whose token is
/// refused, one with dead letters.
const HEALTH: [(&str, &str); 3] = [("health", "healthy"), ("health", "blind"), ("dead-letters", "letters")];

/// Runs the recordings (and a few seconds of the connector's health) through the program. Leaves `rows/TABLE.ndjson`
/// and `columns.json`, the tables' columns, in the folder `work`.
pub fn write(work: &Path) -> Result<(), String> {
    let program = process::product()?;
    let rows = work.join("rows");
    let moment = Moment::now();
    let simulator = Simulator::start(&program, |command| {
        command.args(["--events", "300", "--days", "1", "--out"]).arg(&rows);
    })?;
    run(pipeline("recordings", &program, &simulator, work).args(["--once", "--timeout", "600s"]))?;
    health(&program, &simulator, work, &rows.join("NordPassConnectorHealth_CL.ndjson"))?;
    simulator.end()?;
    // The recordings' own times are those of their files.
    moment.settle(&rows, 0)?;
    tools_common::write(work.join("columns.json"), tables::all_columns().to_string())
}

/// Runs the `health` source of each instance.
fn health(program: &Path, simulator: &Simulator, work: &Path, rows: &Path) -> Result<(), String> {
    let mut running = Vec::new();
    for (name, instance) in HEALTH {
        let mut command = pipeline(name, program, simulator, work);
        command.env("INSTANCE", instance);
        if instance == "blind" {
            command.env("NORDPASS_TOKEN", "revoked");
        }
        running.push(start(&mut command, &work.join(format!("health-{instance}.log")))?);
    }
    let done = || {
        let text = fs::read_to_string(rows).unwrap_or_default();
        let seen = |name: &str| {
            let (instance, component) = (format!("\"Instance\":\"{name}\""), "\"Component\":\"events\"");
            text.lines().filter(|line| line.contains(&instance) && line.contains(component)).count()
        };
        HEALTH.iter().all(|(_, instance)| seen(instance) >= HEALTH_ROUNDS)
    };
    // A busy machine takes its time: this only ends what would never end.
    wait(done, 6_000).ok_or_else(|| format!("no health rows in {} within 10 minutes", rows.display()))
}

/// Returns a command that runs a pipeline of this crate on a simulator. What it keeps is in `work`.
pub fn pipeline(name: &str, program: &Path, simulator: &Simulator, work: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("run").arg(root().join(format!("tools/solution/pipelines/{name}.toml")));
    simulator.connect(&mut command);
    command.env("ROOT", root()).env("WORK", work);
    command
}

/// Starts a pipeline, with its log in a file.
pub fn start(pipeline: &mut Command, log: &Path) -> Result<Running, String> {
    let file = fs::File::create(log).map_err(failed("write", log))?;
    Running::start(pipeline.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file))
}

/// Waits for a condition, at most this many tenths of a second. Returns `None` if it never holds.
pub fn wait(done: impl Fn() -> bool, tenths: usize) -> Option<()> {
    for _ in 0..tenths {
        if done() {
            return Some(());
        }
        #[expect(clippy::disallowed_methods, reason = "this waits for another process, outside any runtime")]
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

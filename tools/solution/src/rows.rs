//! Recordings to tables: the real program, the real transforms, the ingestion simulator that is as strict as Azure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tools_common::process::{self, Running, Simulator, run};
use tools_common::root;

use crate::moment::Moment;
use crate::tables;

/// How many rounds of health rows are waited for: enough to see a count grow.
const HEALTH_ROUNDS: usize = 4;

/// Runs the recordings (and a few seconds of the connector's health) through the program. Leaves `rows/TABLE.ndjson`
/// and `columns.json`, the tables' columns, in the folder `work`.
pub fn write(work: &Path) -> Result<(), String> {
    let program = process::product()?;
    let rows = work.join("rows");
    let moment = Moment::now();
    let simulator = Simulator::start(&program, |command| {
        command.args(["--events", "300", "--days", "1", "--out"]).arg(&rows);
    })?;
    let connection = &simulator.connection;
    let pipeline = save(work, "recordings.toml", &recordings(connection, work))?;
    run(Command::new(&program).args(["run", "--once", "--timeout", "600s"]).arg(pipeline))?;
    health(&program, connection, work, &rows.join("NordPassConnectorHealth_CL.ndjson"))?;
    simulator.end()?;
    // The recordings' own times are those of their files.
    moment.settle(&rows, 0)?;
    save(work, "columns.json", &tables::all_columns().to_string())?;
    Ok(())
}

/// Returns a pipeline of every recording through both transforms: the ASIM tables and the official one get the same events.
fn recordings(connection: &Value, work: &Path) -> String {
    let fixtures = root().join("tests/fixtures");
    let recorded =
        ["every-pair", "metadata-shapes", "unknown-pairs"].map(|name| fixtures.join(format!("recorded/{name}.ndjson")));
    let mut paths = vec![fixtures.join("scenarios/*.ndjson"), work.join("month.ndjson")];
    paths.extend(recorded);
    format!(
        "data_dir = {}\n\
         [sources.recordings]\ntype = \"file\"\npaths = {}\n\
         [transforms.asim]\ntype = \"asim\"\ninputs = [\"recordings\"]\n\
         [transforms.event_log]\ntype = \"event_log\"\ninputs = [\"recordings\"]\n{}",
        json!(work.join("state")),
        json!(paths),
        sentinel(connection, |input| input != "health"),
    )
}

/// Runs the `health` source three times: beside a source that works, one whose token is refused, one with dead letters.
fn health(program: &Path, connection: &Value, work: &Path, rows: &Path) -> Result<(), String> {
    let nordpass = |token: &Value| {
        let endpoint = &connection["nordpass_endpoint"];
        format!("type = \"nordpass\"\nendpoint = {endpoint}\ntoken = {token}\npoll_interval = \"1s\"\nlag = \"1s\"\n")
    };
    let letters = json!([root().join("tests/fixtures/recorded/not-events.ndjson")]);
    let runs = [
        ("healthy", nordpass(&connection["nordpass_token"])),
        ("blind", nordpass(&json!("revoked"))),
        ("letters", format!("type = \"file\"\npaths = {letters}\n")),
    ];
    let mut running = Vec::new();
    for (name, source) in &runs {
        let text = format!(
            "data_dir = {}\n\
             [sources.events]\n{source}[sinks.nowhere]\ntype = \"blackhole\"\ninputs = [\"events\"]\n\
             [sources.health]\ntype = \"health\"\ninterval = \"1s\"\ninstance = \"{name}\"\n{}",
            json!(work.join(format!("state-{name}"))),
            sentinel(connection, |input| input == "health"),
        );
        let pipeline = save(work, &format!("health-{name}.toml"), &text)?;
        running.push(start(program, &pipeline)?);
    }
    let done = || {
        let text = fs::read_to_string(rows).unwrap_or_default();
        let seen = |name: &str| {
            let (instance, component) = (format!("\"Instance\":\"{name}\""), "\"Component\":\"events\"");
            text.lines().filter(|line| line.contains(&instance) && line.contains(component)).count()
        };
        runs.iter().all(|(name, _)| seen(name) >= HEALTH_ROUNDS)
    };
    // A busy machine takes its time: this only ends what would never end.
    wait(done, 6_000).ok_or_else(|| format!("no health rows in {} within 10 minutes", rows.display()))
}

/// Starts the program on a pipeline file; its log goes beside that.
pub fn start(program: &Path, pipeline: &Path) -> Result<Running, String> {
    let log = pipeline.with_extension("log");
    let log = fs::File::create(&log).map_err(|error| format!("can't write {}: {error}", log.display()))?;
    Running::start(
        Command::new(program).arg("run").arg(pipeline).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log),
    )
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

/// Returns a sink for the streams of the inputs that `wanted` chooses.
pub fn sentinel(connection: &Value, wanted: impl Fn(&str) -> bool) -> String {
    let streams: Vec<_> = tables::streams().into_iter().filter(|stream| wanted(&stream.input)).collect();
    let inputs: Vec<_> = streams.iter().map(|stream| &stream.input).collect();
    let lines: Vec<_> = streams.iter().map(|stream| format!("\"{}\" = \"{}\"\n", stream.input, stream.name)).collect();
    format!(
        "[sinks.sentinel]\ntype = \"sentinel\"\ninputs = {}\nendpoint = {}\ndcr_immutable_id = {}\n\
         [sinks.sentinel.batch]\ntimeout = \"200ms\"\n\
         [sinks.sentinel.credential]\nkind = \"token\"\ntoken = {}\n\
         [sinks.sentinel.streams]\n{}",
        json!(inputs),
        connection["ingestion_endpoint"],
        connection["dcr_immutable_id"],
        connection["ingestion_token"],
        lines.concat(),
    )
}

/// Writes a file of the folder `work`. Returns its path.
pub fn save(work: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = work.join(name);
    tools_common::write(&path, text)?;
    Ok(path)
}

//! Recordings to tables: the real program, the real transforms, the ingestion simulator that is as strict as Azure.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE, Schema, columns};
use serde_json::{Map, Value, json};
use tools_common::process::{self, Running, run};
use tools_common::root;

/// How many rounds of health rows are waited for: enough to see a count grow.
const HEALTH_ROUNDS: usize = 4;

/// Where recordings, rows and reports of this step are.
pub fn folder() -> PathBuf {
    root().join("target/solution")
}

/// An empty folder.
pub fn begin(work: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).map_err(|error| format!("can't make {}: {error}", work.display()))
}

/// Runs the recordings (and a few seconds of the connector's health) through the program. Leaves `rows/TABLE.ndjson`
/// and `columns.json`, the tables' columns as the catalogue has them.
pub fn write(work: &Path) -> Result<(), String> {
    let program = process::product()?;
    let rows = work.join("rows");
    let mut simulator = Command::new(&program);
    simulator.args(["simulate", "--until-stdin-closes", "--events", "300", "--days", "1", "--out"]).arg(&rows);
    simulator.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut simulator = Running(simulator.spawn().map_err(|error| format!("can't start the simulator: {error}"))?);
    let mut output = BufReader::new(simulator.0.stdout.take().ok_or("the simulator has no output")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| format!("the simulator says nothing: {error}"))?;
    let simulated: Value = serde_json::from_str(&line).map_err(|error| format!("the simulator's line: {error}"))?;

    let pipeline = save(work, "recordings.toml", &recordings(&simulated, work))?;
    run(Command::new(&program).args(["run", "--once", "--timeout", "120s"]).arg(pipeline))?;
    health(&program, &simulated, work, &rows)?;

    // At the end of its input it writes the last rows and ends.
    drop(simulator.0.stdin.take());
    simulator.0.wait().map_err(|error| format!("the simulator doesn't end: {error}"))?;
    let table = |name: &str| {
        let columns: Map<_, _> =
            columns(name).iter().map(|(name, kind)| ((*name).to_owned(), json!(kind.name()))).collect();
        (name.to_owned(), Value::Object(columns))
    };
    let names = Schema::ALL.map(Schema::table).into_iter().chain([EVENT_LOG_TABLE, HEALTH_TABLE]);
    let tables: Map<_, _> = names.map(table).collect();
    save(work, "columns.json", &Value::Object(tables).to_string())?;
    Ok(())
}

/// Every recording through both transforms: the ASIM tables and the official one get the same events.
fn recordings(simulated: &Value, work: &Path) -> String {
    let root = root();
    let recorded = root.join("tests/fixtures/recorded");
    let paths = json!([
        root.join("tests/fixtures/scenarios/*.ndjson"),
        recorded.join("every-pair.ndjson"),
        recorded.join("metadata-shapes.ndjson"),
        recorded.join("unknown-pairs.ndjson"),
        work.join("month.ndjson"),
    ]);
    let streams: Vec<_> =
        Schema::ALL.iter().map(|schema| (format!("asim.{}", schema.output()), schema.stream().to_owned())).collect();
    let streams = streams.into_iter().chain([("event_log".to_owned(), format!("Custom-{EVENT_LOG_TABLE}"))]);
    format!(
        "data_dir = {}\n\
         [sources.recordings]\ntype = \"file\"\npaths = {paths}\n\
         [transforms.asim]\ntype = \"asim\"\ninputs = [\"recordings\"]\n\
         [transforms.event_log]\ntype = \"event_log\"\ninputs = [\"recordings\"]\n{}",
        json!(work.join("state")),
        sentinel(simulated, streams),
    )
}

/// Three short lives with the `health` source: one that works, one whose token is refused, one with dead letters.
fn health(program: &Path, simulated: &Value, work: &Path, rows: &Path) -> Result<(), String> {
    let refused = json!({"nordpass_endpoint": simulated["nordpass_endpoint"], "nordpass_token": "revoked"});
    let letters = root().join("tests/fixtures/recorded/not-events.ndjson");
    let letters = format!("type = \"file\"\npaths = {}\n", json!([letters]));
    let lives = [("healthy", nordpass(simulated)), ("blind", nordpass(&refused)), ("letters", letters)];
    let mut running = Vec::new();
    for (name, source) in &lives {
        let text = format!(
            "data_dir = {}\n\
             [sources.events]\n{source}[sinks.nowhere]\ntype = \"blackhole\"\ninputs = [\"events\"]\n\
             [sources.health]\ntype = \"health\"\ninterval = \"1s\"\ninstance = \"{name}\"\n{}",
            json!(work.join(format!("state-{name}"))),
            sentinel(simulated, [("health".to_owned(), format!("Custom-{HEALTH_TABLE}"))].into_iter()),
        );
        let pipeline = save(work, &format!("health-{name}.toml"), &text)?;
        let log = fs::File::create(work.join(format!("health-{name}.log"))).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("run").arg(pipeline).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        running.push(Running(command.spawn().map_err(|error| format!("can't start the program: {error}"))?));
    }
    let path = rows.join(format!("{HEALTH_TABLE}.ndjson"));
    for _ in 0..300 {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let seen = |name: &str| {
            let (instance, component) = (format!("\"Instance\":\"{name}\""), "\"Component\":\"events\"");
            text.lines().filter(|line| line.contains(&instance) && line.contains(component)).count()
        };
        if lives.iter().all(|(name, _)| seen(name) >= HEALTH_ROUNDS) {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "this program has no tasks that it could hold up")]
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("no health rows in {} within 30 s", path.display()))
}

fn nordpass(simulated: &Value) -> String {
    let (endpoint, token) = (&simulated["nordpass_endpoint"], &simulated["nordpass_token"]);
    format!("type = \"nordpass\"\nendpoint = {endpoint}\ntoken = {token}\npoll_interval = \"1s\"\nlag = \"1s\"\n")
}

/// A sink for the streams of some inputs.
fn sentinel(simulated: &Value, streams: impl Iterator<Item = (String, String)>) -> String {
    let streams: Vec<_> = streams.collect();
    let inputs: Vec<_> = streams.iter().map(|(input, _)| input).collect();
    let lines: Vec<_> = streams.iter().map(|(input, stream)| format!("\"{input}\" = \"{stream}\"\n")).collect();
    format!(
        "[sinks.sentinel]\ntype = \"sentinel\"\ninputs = {}\nendpoint = {}\ndcr_immutable_id = {}\n\
         [sinks.sentinel.batch]\ntimeout = \"200ms\"\n\
         [sinks.sentinel.credential]\nkind = \"token\"\ntoken = {}\n\
         [sinks.sentinel.streams]\n{}",
        json!(inputs),
        simulated["ingestion_endpoint"],
        simulated["dcr_immutable_id"],
        simulated["ingestion_token"],
        lines.concat(),
    )
}

fn save(work: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = work.join(name);
    fs::write(&path, text).map_err(|error| format!("can't write {}: {error}", path.display()))?;
    Ok(path)
}

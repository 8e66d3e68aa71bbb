//! Rows to look at: the demo's events through the real program into all tables.
//!
//! Two organizations: one that the simulator generates, and a recording of events that the catalogue doesn't know. Both
//! transforms run side by side, so the ASIM tables and the official one have the same events. A third source has a token
//! that is refused, so that the health rows have something to say.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::moment::Moment;
use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE, Schema, columns};
use serde_json::{Map, Value, json};
use tools_common::process::{self, Running};

/// How much of it.
pub struct Demo {
    /// Generated events of seven days.
    pub events: u32,
    /// Rounds of health rows, one a second.
    pub rounds: usize,
}

/// Leaves `rows/TABLE.ndjson` and `columns.json` in `work`.
pub fn write(work: &Path, demo: &Demo) -> Result<(), String> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).map_err(|error| format!("can't make {}: {error}", work.display()))?;
    let program = process::product()?;
    let rows = work.join("rows");
    let moment = Moment::now();
    let recording = save(work, "history.ndjson", &moment.history(7, demo.events as usize))?;
    let (mut azure, main) = simulator(&program, |command| {
        command.arg("--recording").arg(&recording).arg("--keep-times").arg("--out").arg(&rows);
    })?;
    let recording = save(work, "other-organization.ndjson", &moment.ending(&other_organization()?)?)?;
    let (_other, unknown) = simulator(&program, |command| {
        command.arg("--recording").arg(&recording).arg("--keep-times");
    })?;
    let pipeline = save(work, "pipeline.toml", &pipeline(work, &main, &unknown))?;
    let log = fs::File::create(work.join("pipeline.log")).map_err(|error| error.to_string())?;
    let mut command = Command::new(&program);
    command.arg("run").arg(pipeline).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let running = Running(command.spawn().map_err(|error| format!("can't start the program: {error}"))?);
    let wanted = demo.events as usize;
    let done = || lines(&rows, EVENT_LOG_TABLE) >= wanted && lines(&rows, HEALTH_TABLE) >= demo.rounds * 5;
    // A busy machine takes its time: this only ends what would never end.
    wait(done, 6_000 + demo.rounds * 10)
        .ok_or_else(|| format!("not all rows came: see {}", work.join("pipeline.log").display()))?;
    drop(running);
    // At the end of its input it writes the last rows and ends.
    drop(azure.0.stdin.take());
    azure.0.wait().map_err(|error| format!("the simulator doesn't end: {error}"))?;
    moment.settle(&rows, 8)?;
    let names = Schema::ALL.map(Schema::table).into_iter().chain([EVENT_LOG_TABLE, HEALTH_TABLE]);
    let tables: Map<_, _> = names.map(|name| (name.to_owned(), columns_of(name))).collect();
    save(work, "columns.json", &Value::Object(tables).to_string())?;
    Ok(())
}

/// The recording of unknown events, and what a technician of an MSP did who has no e-mail address: in the official table that
/// row has the member's address, so only there it counts whether staff come first.
fn other_organization() -> Result<String, String> {
    let path = tools_common::root().join("tests/fixtures/recorded/unknown-pairs.ndjson");
    let text = fs::read_to_string(&path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let first = text.lines().next().unwrap_or_default();
    let mut event: Value = serde_json::from_str(first).map_err(|error| format!("{}: {error}", path.display()))?;
    event["type"] = json!("groups");
    event["action"] = json!("group_updated");
    event["metadata"] =
        json!({"msp": {"user_uuid": "7c0de000-0000-4000-8000-000000000042", "user_email": "", "user_role": "admin"}});
    Ok(format!("{event}\n{text}"))
}

fn columns_of(table: &str) -> Value {
    Value::Object(columns(table).iter().map(|(name, kind)| ((*name).to_owned(), json!(kind.name()))).collect())
}

/// A simulator, and what it says of itself.
fn simulator(program: &Path, more: impl FnOnce(&mut Command)) -> Result<(Running, Value), String> {
    let mut command = Command::new(program);
    command.args(["simulate", "--until-stdin-closes"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    more(&mut command);
    let mut simulator = Running(command.spawn().map_err(|error| format!("can't start the simulator: {error}"))?);
    let mut output = BufReader::new(simulator.0.stdout.take().ok_or("the simulator has no output")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| format!("the simulator says nothing: {error}"))?;
    let said = serde_json::from_str(&line).map_err(|error| format!("the simulator's line: {error}"))?;
    Ok((simulator, said))
}

fn pipeline(work: &Path, main: &Value, unknown: &Value) -> String {
    let source = |name: &str, simulated: &Value, token: &Value| {
        format!(
            "[sources.{name}]\ntype = \"nordpass\"\nendpoint = {}\ntoken = {token}\n\
             poll_interval = \"2s\"\nlag = \"1s\"\nrequests_per_second = 1000\n",
            simulated["nordpass_endpoint"],
        )
    };
    let sources = [
        source("headquarters", main, &main["nordpass_token"]),
        source("subsidiary", unknown, &unknown["nordpass_token"]),
        source("revoked", main, &json!("no-longer-valid")),
    ];
    let asim = Schema::ALL.map(|schema| (format!("asim.{}", schema.output()), schema.stream().to_owned()));
    let custom = [("event_log", EVENT_LOG_TABLE), ("health", HEALTH_TABLE)];
    let custom = custom.map(|(input, table)| (input.to_owned(), format!("Custom-{table}")));
    let streams: Vec<_> = asim.into_iter().chain(custom).collect();
    let inputs: Vec<_> = streams.iter().map(|(input, _)| input).collect();
    let lines: Vec<_> = streams.iter().map(|(input, stream)| format!("\"{input}\" = \"{stream}\"")).collect();
    let lines = lines.join("\n");
    let read = "inputs = [\"headquarters\", \"subsidiary\", \"revoked\"]";
    format!(
        "data_dir = {}\n{}\
         [sources.health]\ntype = \"health\"\ninterval = \"1s\"\ninstance = \"demo\"\n\
         [transforms.asim]\ntype = \"asim\"\n{read}\n\
         [transforms.event_log]\ntype = \"event_log\"\n{read}\n\
         [sinks.sentinel]\ntype = \"sentinel\"\ninputs = {}\nendpoint = {}\ndcr_immutable_id = {}\n\
         [sinks.sentinel.batch]\ntimeout = \"200ms\"\n\
         [sinks.sentinel.credential]\nkind = \"token\"\ntoken = {}\n\
         [sinks.sentinel.streams]\n{lines}",
        json!(work.join("state")),
        sources.concat(),
        json!(inputs),
        main["ingestion_endpoint"],
        main["dcr_immutable_id"],
        main["ingestion_token"],
    )
}

fn lines(rows: &Path, table: &str) -> usize {
    fs::read_to_string(rows.join(format!("{table}.ndjson"))).map_or(0, |text| text.lines().count())
}

/// Waits for a condition, at most so many tenths of a second.
fn wait(done: impl Fn() -> bool, tenths: usize) -> Option<()> {
    for _ in 0..tenths {
        if done() {
            return Some(());
        }
        #[expect(clippy::disallowed_methods, reason = "this waits for another process, outside any runtime")]
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

/// Writes a file of the work folder.
pub fn save(work: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = work.join(name);
    fs::write(&path, text).map_err(|error| format!("can't write {}: {error}", path.display()))?;
    Ok(path)
}

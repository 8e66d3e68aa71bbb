//! Rows to look at: the demo's events through the real program into all tables.
//!
//! Two organizations: one that the simulator generates, and a recording of events that the catalogue doesn't know. Both
//! transforms run side by side, so the ASIM tables and the official one have the same events. A third source has a token
//! that is refused, so that the health rows have something to say.

use std::fs;
use std::path::Path;

use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE};
use serde_json::{Value, json};
use tools_common::process::{self, Simulator};

use crate::moment::Moment;
use crate::rows::{save, sentinel, start, wait};
use crate::tables;

/// How much of it.
pub struct Demo {
    /// Generated events of seven days.
    pub events: usize,
    /// Rounds of health rows, one a second.
    pub rounds: usize,
}

/// Leaves `rows/TABLE.ndjson` and `columns.json` in `work`.
pub fn write(work: &Path, demo: &Demo) -> Result<(), String> {
    tools_common::empty(work)?;
    let program = process::product()?;
    let rows = work.join("rows");
    let moment = Moment::now();
    let history = save(work, "history.ndjson", &moment.history(7, demo.events))?;
    let azure = Simulator::start(&program, |command| {
        command.arg("--recording").arg(&history).arg("--keep-times").arg("--out").arg(&rows);
    })?;
    let recording = save(work, "other-organization.ndjson", &moment.ending(&other_organization()?)?)?;
    let other = Simulator::start(&program, |command| {
        command.arg("--recording").arg(&recording).arg("--keep-times");
    })?;
    let pipeline = save(work, "pipeline.toml", &pipeline(work, &azure.connection, &other.connection))?;
    let running = start(&program, &pipeline)?;
    let done = || lines(&rows, EVENT_LOG_TABLE) >= demo.events && lines(&rows, HEALTH_TABLE) >= demo.rounds * 5;
    // A busy machine takes its time: this only ends what would never end.
    wait(done, 6_000 + demo.rounds * 10)
        .ok_or_else(|| format!("not all rows came: see {}", pipeline.with_extension("log").display()))?;
    drop(running);
    azure.end()?;
    moment.settle(&rows, 8)?;
    save(work, "columns.json", &tables::all_columns().to_string())?;
    Ok(())
}

/// Returns a recording of unknown events, and what a technician of an MSP did who has no e-mail address: in the official table
/// that row has the member's address, so only there it counts whether staff come first.
fn other_organization() -> Result<String, String> {
    let text = tools_common::read("tests/fixtures/recorded/unknown-pairs.ndjson")?;
    let first = text.lines().next().unwrap_or_default();
    let mut event: Value = serde_json::from_str(first).map_err(|error| format!("unknown-pairs.ndjson: {error}"))?;
    event["type"] = json!("groups");
    event["action"] = json!("group_updated");
    event["metadata"] =
        json!({"msp": {"user_uuid": "7c0de000-0000-4000-8000-000000000042", "user_email": "", "user_role": "admin"}});
    Ok(format!("{event}\n{text}"))
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
    let inputs = "inputs = [\"headquarters\", \"subsidiary\", \"revoked\"]";
    format!(
        "data_dir = {}\n{}\
         [sources.health]\ntype = \"health\"\ninterval = \"1s\"\ninstance = \"demo\"\n\
         [transforms.asim]\ntype = \"asim\"\n{inputs}\n\
         [transforms.event_log]\ntype = \"event_log\"\n{inputs}\n{}",
        json!(work.join("state")),
        sources.concat(),
        sentinel(main, |_| true),
    )
}

fn lines(rows: &Path, table: &str) -> usize {
    fs::read_to_string(rows.join(format!("{table}.ndjson"))).map_or(0, |text| text.lines().count())
}

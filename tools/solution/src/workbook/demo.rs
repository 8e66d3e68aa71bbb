//! Rows to look at: the demo's events through the real program into all tables.
//!
//! Two organizations: one that the simulator generates, and a recording of events that the catalogue doesn't know. Both
//! transforms run side by side, so the ASIM tables and the official one have the same events. A third source has a token
//! that is refused, so that the health rows have something to say.

use std::{fs, path::Path};

use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE};
use serde_json::{Value, json};
use tools_common::json::{parse, text};
use tools_common::process::{self, Simulator};

use crate::moment::Moment;
use crate::rows::{pipeline, start, wait};
use crate::tables;

/// How much of it.
pub struct Demo {
    /// Generated events of seven days.
    pub events: usize,
    /// Rounds of health rows, one a second.
    pub rounds: usize,
    /// Whether there are names that a query, a page or a spreadsheet might take for code.
    pub hostile: bool,
}

/// Leaves `rows/TABLE.ndjson` and `columns.json` in `work`.
pub fn write(work: &Path, demo: &Demo) -> Result<(), String> {
    tools_common::empty(work)?;
    let program = process::product()?;
    let rows = work.join("rows");
    let moment = Moment::now();
    let recorded = |name: &str, text: String| {
        let path = work.join(name);
        tools_common::write(&path, text).map(|()| path)
    };
    let history = recorded("history.ndjson", moment.history(7, demo.events))?;
    let azure = Simulator::start(&program, |command| {
        command.arg("--recording").arg(&history).arg("--keep-times").arg("--out").arg(&rows);
    })?;
    let mut others = other_organization()?;
    if demo.hostile {
        others += &tools_common::read("tests/fixtures/recorded/hostile-names.ndjson")?;
    }
    let events = demo.events + others.lines().count();
    let recording = recorded("other-organization.ndjson", moment.ending(&others)?)?;
    let other = Simulator::start(&program, |command| {
        command.arg("--recording").arg(&recording).arg("--keep-times");
    })?;
    let log = work.join("pipeline.log");
    let mut pipeline = pipeline("demo", &program, &azure, work);
    for (variable, name) in [("OTHER_ENDPOINT_URL", "nordpass_endpoint"), ("OTHER_TOKEN", "nordpass_token")] {
        pipeline.env(variable, text(&other.connection[name]));
    }
    let running = start(&mut pipeline, &log)?;
    let done = || lines(&rows, EVENT_LOG_TABLE) >= events && lines(&rows, HEALTH_TABLE) >= demo.rounds * 5;
    // A busy machine takes its time: this only ends what would never end.
    wait(done, 6_000 + demo.rounds * 10).ok_or_else(|| format!("not all rows came: see {}", log.display()))?;
    drop(running);
    azure.end()?;
    moment.settle(&rows, 8)?;
    tools_common::write(work.join("columns.json"), tables::all_columns().to_string())
}

/// Returns a recording of unknown events, and what a technician of an MSP did who has no e-mail address: in the official table
/// that row has the member's address, so only there it counts whether staff come first.
fn other_organization() -> Result<String, String> {
    let text = tools_common::read("tests/fixtures/recorded/unknown-pairs.ndjson")?;
    let mut event: Value = parse("unknown-pairs.ndjson", text.lines().next().unwrap_or_default())?;
    event["type"] = json!("groups");
    event["action"] = json!("group_updated");
    event["metadata"] =
        json!({"msp": {"user_uuid": "7c0de000-0000-4000-8000-000000000042", "user_email": "", "user_role": "admin"}});
    Ok(format!("{event}\n{text}"))
}

fn lines(rows: &Path, table: &str) -> usize {
    fs::read_to_string(rows.join(format!("{table}.ndjson"))).map_or(0, |text| text.lines().count())
}

//! `docs/reference/health.md`, from the catalogue's columns.

use std::fmt::Write;

use nordpass_env::catalogue::{HEALTH_TABLE, columns};

const INTRODUCTION: &str = "\
# The connector's health in Sentinel

<!-- Generated from crates/env/src/catalogue/columns.rs and src/sources/health. Don't edit. -->

A source of type `health` writes one row per minute for each source and sink of the pipeline set to the custom table
`NordPassConnectorHealth_CL`. For an example, see `pipelines/with-health.toml`. The rule needs the stream
`Custom-NordPassConnectorHealth_CL` with these columns:

| column | type | meaning |
|---|---|---|
";

const EPILOGUE: &str = "
A row omits columns that don't apply to its component. No row contains an event, an address or a secret. Counts start at 0
with each start of the program, which `RunId` identifies.

The rows never delay other components: each reader has at most one round in flight, and a sink that was stuck gets the
latest state instead of the rounds it missed. No rows arrive during an Azure outage, so also alert on silence:

```kusto
NordPassConnectorHealth_CL
| summarize arg_max(TimeGenerated, *) by Instance, Component
| where TimeGenerated < ago(15m) or State in (\"waiting\", \"failed\") or LagSeconds > 3600
```
";

/// The reference page, whole.
pub fn reference_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (name, kind) in columns(HEALTH_TABLE) {
        let _ = writeln!(page, "| `{name}` | {} | {} |", kind.name(), meaning(name));
    }
    page + EPILOGUE
}

fn meaning(column: &str) -> &'static str {
    match column {
        "TimeGenerated" => "When the row was created.",
        "Component" => "The component's name in the pipeline file.",
        "ComponentKind" => "`source` or `sink`.",
        "ComponentType" => "Its type in the pipeline file.",
        "State" => "`starting`, `working`, `waiting`, `failed` or `finished`, as in `/ready`.",
        "Reason" => "What it waits for or why it failed, and what an operator can do.",
        "WaitingSince" => "When it started waiting.",
        "NextTry" => "When it tries again, as known when the row was created.",
        "Cursor" => "Sources: everything before this time is delivered and committed.",
        "LagSeconds" => "Sources: the age of the cursor.",
        "LastSuccess" => "When something was last read, passed on or delivered.",
        "LastErrorKind" => "The kind of the last failed attempt, as in the metric `sentinel_errors_total`.",
        "LastError" => "When an attempt last failed.",
        "Events" => "Records read or received since the start.",
        "Rows" => "Sinks: records delivered since the start.",
        "Bytes" => "Sinks: JSON bytes delivered since the start, before compression.",
        "BytesWire" => "Sinks: bytes delivered since the start, after compression.",
        "DeadLetters" => "Dead letters written since the start.",
        "Gaps" => "Sources: periods whose events the API no longer had, since the start.",
        "GapFrom" => {
            "Sources: where the latest gap begins, including gaps of earlier starts. Its events are no longer \
             available."
        }
        "GapTo" => "Sources: where the latest gap ends.",
        "Errors" => "Failed attempts since the start. Each is retried.",
        "TokenState" => {
            "Components with a token or credential: `valid`, `refused` by the other side, `missing` (none to send), or \
             `unknown` before the first try."
        }
        "Version" => "The program's version.",
        "Instance" => "Identifies the connector: the setting `instance`, or the host's name and a hash of `data_dir`.",
        "RunId" => "Identifies the start of the program.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_meaning() {
        for (name, _) in columns(HEALTH_TABLE) {
            assert!(meaning(name).ends_with('.'), "{name}");
        }
    }

    /// The page's query, and the one in the pipeline file, name columns of the table.
    #[test]
    fn the_queries_name_real_columns() {
        let file = include_str!("../../../pipelines/with-health.toml");
        for word in ["TimeGenerated", "Instance", "Component", "State", "LagSeconds"] {
            assert!(columns(HEALTH_TABLE).iter().any(|(name, _)| *name == word), "{word}");
            assert!(file.contains(word) && EPILOGUE.contains(word), "{word}");
        }
    }
}

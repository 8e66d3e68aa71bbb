//! `docs/reference/health.md`, from the catalogue's columns.

use std::fmt::Write;

use nordpass_env::catalogue::{HEALTH_TABLE, columns};

const INTRODUCTION: &str = "\
# The connector's health in Sentinel

<!-- Generated from crates/env/src/catalogue/columns.rs and src/sources/health. Don't edit. -->

A source of type `health` writes one row for each source and sink of the pipeline set each minute, for the custom table
`NordPassConnectorHealth_CL`. `pipelines/with-health.toml` runs it. The rule needs the stream
`Custom-NordPassConnectorHealth_CL` with these columns:

| column | type | meaning |
|---|---|---|
";

const EPILOGUE: &str = "
What doesn't apply to a component is left out of its row. No row holds an event, an address or a secret. Counts begin at 0
with each start; `RunId` tells which start.

The rows lease_guard nothing up: to each reader at most one round is under way, and a sink that was stuck gets the latest state and
not what it missed. So during an outage of Azure no rows come, and silence is an alarm of its own:

```kusto
NordPassConnectorHealth_CL
| summarize arg_max(TimeGenerated, *) by Instance, ComponentReporter
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
        "TimeGenerated" => "When the row was made.",
        "ComponentReporter" => "The component's name in the pipeline file.",
        "ComponentKind" => "`source` or `sink`.",
        "ComponentType" => "Its type in the pipeline file.",
        "State" => "`starting`, `working`, `waiting`, `failed` or `finished`, as in `/ready`.",
        "Reason" => "What it waits for or why it failed, in a sentence, with what an operator can do.",
        "WaitingSince" => "Since when it waits.",
        "NextTry" => "When it tries again, as known when the row was made.",
        "Cursor" => "A source's: everything before this time is delivered and committed.",
        "LagSeconds" => "A source's: the age of its cursor.",
        "LastSuccess" => "When something was last read, passed on or delivered.",
        "LastErrorKind" => "The kind of the last failed attempt, as in the metric `sentinel_errors_total`.",
        "LastError" => "When an attempt last failed.",
        "Events" => "Records read or received since the start.",
        "Rows" => "A sink's: records delivered since the start.",
        "Bytes" => "A sink's: JSON bytes delivered since the start, before compression.",
        "BytesWire" => "A sink's: bytes delivered since the start, after compression.",
        "DeadLetters" => "Dead letters written since the start.",
        "Gaps" => "A source's: times for which the API no longer had events, since the start.",
        "GapFrom" => {
            "A source's: where the latest gap begins, of this or an earlier start. Its events can't be read any more."
        }
        "GapTo" => "A source's: where the latest gap ends.",
        "Errors" => "Failed attempts since the start; each is tried again.",
        "TokenState" => {
            "Of a component with a token or credential: `valid`, `refused` by the other side, `missing` (there is none to \
             send), or `unknown` before the first try."
        }
        "Version" => "The program's version.",
        "Instance" => "Which connector: the setting `instance`, or the host's name and a hash of `data_dir`.",
        "RunId" => "Which start of the program.",
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
        for word in ["TimeGenerated", "Instance", "ComponentReporter", "State", "LagSeconds"] {
            assert!(columns(HEALTH_TABLE).iter().any(|(name, _)| *name == word), "{word}");
            assert!(file.contains(word) && EPILOGUE.contains(word), "{word}");
        }
    }
}

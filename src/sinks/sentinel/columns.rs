//! Columns that a stream of the rule doesn't declare. Azure accepts such rows and drops the columns without a word, so the sink
//! counts them and says it once.
//!
//! The streams of this program's own tables are known, and what the operator has added to them is in the pipeline file. Only rows
//! that a transform has changed are looked at: the mapping makes no others.

use std::borrow::Cow;
use std::collections::BTreeSet;

use nordpass_env::catalogue::{self, EVENT_LOG_TABLE, HEALTH_TABLE, Schema};

use crate::event::{Chunk, Entry, Scan, raw_entries, unescape};
use crate::telemetry::{ComponentReporter, metrics};

/// The most names that are told apart. A transform that makes names of values would make one of each.
const MOST_NAMES: usize = 32;
/// Longer names are cut, in characters. Azure's own limit for a column is 45.
const LONGEST_NAME: usize = 64;
/// Stands for all names beyond the first ones.
const OTHERS: &str = "(others)";

/// The columns that a sink's streams declare, and those that it has seen beside them.
pub struct Columns {
    /// Of each stream; `None` if they aren't known.
    declared: Vec<Option<BTreeSet<String>>>,
    /// The undeclared ones that were named, with their streams.
    named: BTreeSet<(usize, String)>,
}

impl Columns {
    /// For these streams. `added` are the columns that the operator has added to them.
    pub fn new(streams: &[String], added: &[String]) -> Self {
        let declared = streams.iter().map(|stream| {
            let columns = catalogue::columns(table_of(stream)?).iter().map(|(column, _)| (*column).to_owned());
            Some(columns.chain(added.iter().cloned()).collect())
        });
        Self { declared: declared.collect(), named: BTreeSet::new() }
    }

    /// Counts the undeclared columns of a chunk's rows.
    pub fn look_at(&mut self, number: usize, stream: &str, chunk: &Chunk, telemetry: &ComponentReporter) {
        let Some(Some(declared)) = self.declared.get(number) else { return };
        let mut found: Vec<Cow<'_, str>> = Vec::new();
        for record in chunk.records.iter() {
            undeclared(chunk.body(record), declared, &mut found);
        }
        for name in found {
            let mut shown: String = name.escape_debug().take(LONGEST_NAME).collect();
            let is_new = !self.named.contains(&(number, shown.clone()));
            if is_new && self.named.len() >= MOST_NAMES {
                OTHERS.clone_into(&mut shown);
            } else if is_new {
                tracing::warn!(
                    component = telemetry.name(),
                    stream,
                    column = shown,
                    "the stream doesn't declare this column, so Azure drops it: declare it in the rule and its table, then list it \
                     in `added_columns`; or don't set it"
                );
                self.named.insert((number, shown.clone()));
            }
            telemetry.add_labelled(&metrics::UNDECLARED_COLUMNS, &shown, 1);
        }
    }
}

/// The table of one of this program's own streams.
fn table_of(stream: &str) -> Option<&'static str> {
    let asim = Schema::ALL.into_iter().find(|schema| schema.stream() == stream).map(Schema::table);
    let named = stream.strip_prefix("Custom-");
    asim.or_else(|| [EVENT_LOG_TABLE, HEALTH_TABLE].into_iter().find(|table| named == Some(*table)))
}

/// Appends the names of a row's columns that aren't declared.
fn undeclared<'a>(row: &'a str, declared: &BTreeSet<String>, found: &mut Vec<Cow<'a, str>>) {
    let before = found.len();
    let scanned = Scan::whole_object(row, |Entry { key, .. }| {
        if !declared.contains(key) {
            found.push(Cow::Borrowed(key));
        }
    });
    if scanned.is_some() {
        return;
    }
    // Names with escapes, or whatever else the fast scan leaves to this one.
    found.truncate(before);
    let _ = raw_entries(row, |quoted, _| {
        let key = unescape(quoted.get(1..quoted.len() - 1).unwrap_or_default());
        if !declared.contains(&*key) {
            found.push(key);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Origin, Record, Span, Text};
    use crate::telemetry::{ComponentKind, Telemetry};

    fn chunk(rows: &[&str]) -> Chunk {
        let mut text = String::new();
        let mut records = Vec::new();
        for row in rows {
            let start = text.len();
            text.push_str(row);
            let body = Span::new(start, text.len());
            records.push(Record { id: EventId(1), time: 0, organization: "".into(), body });
        }
        Chunk::of_rows(Text::from(text), records, Origin { source: "s".into(), run: 0, sequence: 0 }, None).0
    }

    fn counted(columns: &mut Columns, number: usize, rows: &[&str]) -> Vec<String> {
        let telemetry = Telemetry::new();
        let reporter = telemetry.component(ComponentKind::Sink, "sentinel");
        columns.look_at(number, "Custom-NordPassAuditEvent", &chunk(rows), &reporter);
        let text = telemetry.render();
        let lines = text.lines().filter(|line| line.starts_with("sentinel_undeclared_columns_total{"));
        let mut found: Vec<String> = lines
            .filter_map(|line| {
                let (_, rest) = line.split_once("column=\"")?;
                let (column, rest) = rest.split_once("\"}")?;
                Some(format!("{column} {}", rest.trim()))
            })
            .collect();
        found.sort();
        found
    }

    fn columns(added: &[&str]) -> Columns {
        let streams = ["Custom-NordPassAuditEvent", "Custom-NordPassEventLogs_CL", "Custom-Theirs"];
        Columns::new(&streams.map(str::to_owned), &added.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_stream_does_not_declare_is_counted_by_column() {
        let rows =
            [r#"{"Operation":"a","Tenant":1,"AdditionalFields":{"Site":1}}"#, r#"{"Tenant":2,"user_email":"x"}"#];
        assert_eq!(counted(&mut columns(&[]), 0, &rows), ["Tenant 2", "user_email 1"]);
        assert_eq!(counted(&mut columns(&["Tenant"]), 0, &rows), ["user_email 1"]);
        assert_eq!(counted(&mut columns(&["Tenant"]), 1, &rows), ["AdditionalFields 1", "Operation 1"]);
        assert!(counted(&mut columns(&[]), 2, &rows).is_empty(), "nobody here knows what that stream declares");
    }

    #[test]
    fn names_are_few_short_and_harmless() {
        let many: Vec<String> = (0..100).map(|number| format!(r#""column{number:03}":1"#)).collect();
        let row = format!("{{{}}}", many.join(","));
        let found = counted(&mut columns(&[]), 0, &[&row]);
        assert_eq!(found.len(), MOST_NAMES + 1);
        assert!(found.contains(&format!("{OTHERS} {}", 100 - MOST_NAMES)), "{found:?}");
        let long = format!(r#"{{"{}":1,"a\u001b[31m\n":2}}"#, "n".repeat(500));
        let found = counted(&mut columns(&[]), 0, &[&long]);
        assert!(found.contains(&format!("{} 1", "n".repeat(LONGEST_NAME))), "{found:?}");
        assert!(found.iter().all(|name| name.chars().all(|c| !c.is_control())), "{found:?}");
    }
}

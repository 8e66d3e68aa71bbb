//! The tables that rows go to, and the streams of a data collection rule that lead there.

use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE, Schema, columns};
use serde_json::{Map, Value, json};

/// A stream of a data collection rule.
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The stream that goes on to the table.
    pub output: String,
    /// The table.
    pub table: &'static str,
}

/// Tables of our own. The ASIM tables are part of Microsoft Sentinel.
pub const CUSTOM: [&str; 2] = [EVENT_LOG_TABLE, HEALTH_TABLE];

/// Returns a stream for every table.
pub fn streams() -> Vec<Stream> {
    let asim = Schema::ALL.map(|schema| Stream {
        name: schema.stream().to_owned(),
        output: format!("Microsoft-{}", schema.table()),
        table: schema.table(),
    });
    let custom = CUSTOM.map(|table| {
        let name = format!("Custom-{table}");
        Stream { output: name.clone(), name, table }
    });
    asim.into_iter().chain(custom).collect()
}

/// Returns a table's columns in the form of Azure's schemas.
pub fn schema(table: &str) -> Value {
    columns(table).iter().map(|(name, kind)| json!({"name": name, "type": kind.name()})).collect()
}

/// Returns the columns of all tables with their types, as the Python beside the content reads them.
pub fn all_columns() -> Value {
    let types = |table| columns(table).iter().map(|(name, kind)| ((*name).to_owned(), json!(kind.name())));
    let tables =
        streams().into_iter().map(|stream| (stream.table.to_owned(), Value::Object(types(stream.table).collect())));
    Value::Object(tables.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_fills_every_table() {
        let pipeline = tools_common::read("tools/solution/pipelines/demo.toml").expect("the pipeline");
        for stream in streams() {
            assert!(pipeline.contains(&format!("= \"{}\"\n", stream.name)), "{}", stream.name);
        }
    }
}

//! Whether a row's values have the types of its columns. Azure drops a row that has another one, or the value.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use nordpass_env::catalogue::{ColumnType, EVENT_LOG_TABLE, HEALTH_TABLE, Schema, columns};
use vrl::value::{ObjectMap, Value};

/// The types by column. A name has one type in all tables.
static TYPES: LazyLock<HashMap<&'static str, ColumnType>> = LazyLock::new(|| {
    let tables = Schema::ALL.into_iter().map(Schema::table).chain([EVENT_LOG_TABLE, HEALTH_TABLE]);
    tables.flat_map(columns).copied().collect()
});

/// Whether every value fits its column. Columns of the operator's own may have any, and null is in all of them.
pub fn fit(row: &ObjectMap) -> bool {
    row.iter().all(|(name, value)| match TYPES.get(name.as_str()) {
        None => true,
        Some(_) if value.is_null() => true,
        Some(_) if name.as_str() == "AdditionalFields" => value.is_object(),
        Some(kind) => fits(*kind, value),
    })
}

fn fits(kind: ColumnType, value: &Value) -> bool {
    match (kind, value) {
        (ColumnType::Dynamic, _)
        | (ColumnType::String, Value::Bytes(_) | Value::String(_) | Value::Timestamp(_))
        | (ColumnType::Long, Value::Integer(_))
        | (ColumnType::Real, Value::Integer(_) | Value::Float(_))
        | (ColumnType::Boolean, Value::Boolean(_))
        | (ColumnType::Datetime, Value::Timestamp(_)) => true,
        (ColumnType::Int, Value::Integer(number)) => i32::try_from(*number).is_ok(),
        (ColumnType::Datetime, Value::Bytes(text)) => std::str::from_utf8(text).is_ok_and(is_time),
        (ColumnType::Datetime, Value::String(text)) => is_time(text),
        _ => false,
    }
}

fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_type_in_all_tables() {
        for table in Schema::ALL.into_iter().map(Schema::table).chain([EVENT_LOG_TABLE, HEALTH_TABLE]) {
            for (name, kind) in columns(table) {
                assert_eq!(TYPES[name], *kind, "{table}: {name}");
            }
        }
    }
}

//! Reads JSON whose shape is only partly known: what isn't there is empty.

use serde_json::Value;

/// Returns the elements of a list.
pub fn items(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the members of an object.
pub fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Writes JSON on indented lines, with a line break at its end.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Returns a text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! Reads JSON whose shape is only partly known: what isn't there is empty.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads JSON; `name` is what an error calls it.
pub fn parse<T: DeserializeOwned>(name: &str, text: impl AsRef<[u8]>) -> Result<T, String> {
    serde_json::from_slice(text.as_ref()).map_err(|error| format!("{name} isn't JSON of the expected form: {error}"))
}

/// Reads a JSON file of the repository.
pub fn read<T: DeserializeOwned>(path: &str) -> Result<T, String> {
    parse(path, crate::bytes(path)?)
}

/// Returns the elements of a list.
pub fn items(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns the members of an object.
pub fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Returns an object with more members, which replace those of the same name.
pub fn with(mut value: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (value.as_object_mut(), more) {
        members.extend(more);
    }
    value
}

/// Writes JSON on indented lines, with a line break at its end.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Returns a text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

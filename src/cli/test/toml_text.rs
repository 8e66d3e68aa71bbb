//! JSON records as lines of a pipeline file.

use std::fmt::Write as _;

use serde_json::Value;

/// Of more records only the number is written.
const MOST: usize = 20;

/// What an output gave, as the lines of its `[[tests.outputs]]` behind `from`.
pub(super) fn expected_lines(given: &[Value]) -> String {
    match given {
        [] => "none = true\n".to_owned(),
        [one] => format!("records = 1\n\n[tests.outputs.equals]\n{}", lines(one)),
        more if more.len() > MOST => format!("records = {}\n", more.len()),
        more => more.iter().fold(String::new(), |text, record| text + "\n[[tests.outputs.equals]]\n" + &lines(record)),
    }
}

/// The keys of a record, one on each line.
fn lines(record: &Value) -> String {
    let mut lines = String::new();
    for (name, value) in record.as_object().into_iter().flatten() {
        if let Some(value) = inline(value) {
            let _ = writeln!(lines, "{} = {value}", key(name));
        }
    }
    lines
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { string(name) }
}

/// A JSON string, which TOML reads alike, but for one character.
fn string(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A value on one line; `None` for what TOML doesn't have.
fn inline(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_u64() && !number.is_i64() => return None,
        Value::Number(number) => number.to_string(),
        Value::String(text) => string(text),
        Value::Array(values) => format!("[{}]", values.iter().map(inline).collect::<Option<Vec<_>>>()?.join(", ")),
        // A test names only some keys.
        Value::Object(object) => {
            let entries: Vec<String> =
                object.iter().filter_map(|(name, value)| Some(format!("{} = {}", key(name), inline(value)?))).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_alike() {
        let record = json!({
            "a": "x\"\\\n\u{7f}ü", "b c": 5, "d": 1.5, "e": true, "f": {"g": [1, {"h": "i"}]}, "j": [], "k": {}, "l": 1e300,
        });
        let text = lines(&record);
        let read: Value = serde_json::to_value(toml::from_str::<toml::Table>(&text).expect("TOML")).expect("JSON");
        assert_eq!(read, record, "{text}");
    }

    #[test]
    fn what_toml_does_not_have_is_left_out() {
        let record = json!({"a": null, "b": [1, null], "c": {"d": null, "e": 1}, "f": u64::MAX});
        assert_eq!(lines(&record), "c = { e = 1 }\n");
    }
}

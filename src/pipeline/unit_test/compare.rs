//! Compares a record with what a test expects of it, key by key.

use serde_json::Value;

use super::Object;
use crate::settings::nearest::nearest;

/// A key that isn't as expected.
pub struct Difference {
    /// The key; with dots where it is inside of tables.
    pub key: String,
    /// Its value as expected; `None` if the record shouldn't have the key.
    pub expected: Option<Value>,
    /// Its value; `None` if the record doesn't have the key.
    pub actual: Option<Value>,
    /// A key that the record has and that was perhaps meant.
    pub near: Option<String>,
}

/// In what a record differs from a table that it should contain.
pub fn differences(expected: &Object, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    object(expected, actual, "", &mut found);
    found
}

/// Which of these keys a record has that it shouldn't have.
pub fn unwanted(keys: &[String], actual: &Value) -> Vec<Difference> {
    let difference = |key: &String| {
        let actual = Some(at(actual, key)?);
        Some(Difference { key: key.clone(), expected: None, actual, near: None })
    };
    keys.iter().filter_map(difference).collect()
}

/// The value of a key, in which dots lead into tables.
fn at(value: &Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(keys) => keys.get(key).cloned().or_else(|| {
            let (first, rest) = key.split_once('.')?;
            at(keys.get(first)?, rest)
        }),
        // The official table has JSON in strings.
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ Value::Object(_)) => at(&inner, key),
            _ => None,
        },
        _ => None,
    }
}

fn object(expected: &Object, actual: &Value, path: &str, found: &mut Vec<Difference>) {
    let empty = Object::new();
    let keys = actual.as_object().unwrap_or(&empty);
    for (key, expected) in expected {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match keys.get(key) {
            Some(actual) => value(expected, actual, &path, found),
            None => {
                let unexpected = keys.keys().map(String::as_str);
                let near = nearest(key, unexpected).map(str::to_owned);
                found.push(Difference { key: path, expected: Some(expected.clone()), actual: None, near });
            }
        }
    }
}

fn value(expected: &Value, actual: &Value, path: &str, found: &mut Vec<Difference>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(_)) => return object(expected, actual, path, found),
        // The official table has JSON in strings.
        (Value::Object(keys), Value::String(text)) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                return object(keys, &inner, path, found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (number, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                value(expected, actual, &format!("{path}.{number}"), found);
            }
            return;
        }
        _ if are_equal(expected, actual) => return,
        _ => {}
    }
    found.push(Difference {
        key: path.to_owned(),
        expected: Some(expected.clone()),
        actual: Some(actual.clone()),
        near: None,
    });
}

/// 1 and 1.0 are one number.
#[expect(clippy::float_cmp, reason = "a test states a number as it is in the record")]
fn are_equal(expected: &Value, actual: &Value) -> bool {
    match (expected.as_f64(), actual.as_f64()) {
        (Some(a), Some(b)) if expected.is_f64() || actual.is_f64() => a == b,
        _ => expected == actual,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(expected: &Value, actual: &Value) -> Vec<String> {
        let found = differences(expected.as_object().expect("an object"), actual);
        found.into_iter().map(|difference| difference.key).collect()
    }

    #[test]
    fn what_a_test_does_not_name_does_not_matter() {
        let row = json!({"a": 1, "b": {"c": "x", "d": [1, {"e": 2, "f": 3}]}, "g": "{\"h\":true}", "i": 2.0});
        for same in [
            json!({"a": 1}),
            json!({"a": 1.0, "i": 2}),
            json!({"b": {"c": "x"}}),
            json!({"b": {"d": [1, {"e": 2}]}}),
            json!({"g": {"h": true}}),
            json!({"g": "{\"h\":true}"}),
        ] {
            assert!(keys(&same, &row).is_empty(), "{same}");
        }
        for (other, key) in [
            (json!({"a": "1"}), "a"),
            (json!({"b": {"c": "y"}}), "b.c"),
            (json!({"b": {"d": [1, {"e": 3}]}}), "b.d.1.e"),
            (json!({"b": {"d": [1]}}), "b.d"),
            (json!({"b": "x"}), "b"),
            (json!({"g": {"h": false}}), "g.h"),
            (json!({"nowhere": 1}), "nowhere"),
        ] {
            assert_eq!(keys(&other, &row), [key]);
        }
    }

    #[test]
    fn a_key_that_should_be_gone_is_found_wherever_it_is() {
        let row = json!({"a": {"b": null, "c.d": 1}, "e": "{\"f\":{\"g\":1}}", "h": "text"});
        for (key, is_there) in
            [("a", true), ("a.b", true), ("a.c.d", true), ("e.f.g", true), ("e.f.x", false), ("h.x", false)]
        {
            assert_eq!(unwanted(&[key.to_owned()], &row).len(), usize::from(is_there), "{key}");
        }
    }

    #[test]
    fn a_mistyped_key_gets_the_one_that_was_meant() {
        let expected = json!({"SrcIpAdr": "203.0.113.9"});
        let found = differences(expected.as_object().expect("an object"), &json!({"SrcIpAddr": "203.0.113.9"}));
        assert_eq!(found[0].near.as_deref(), Some("SrcIpAddr"));
    }
}

//! One row against its stream's columns, as strictly as Azure and a little more.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::dcr::Stream;
use crate::probe::{Object, probe_of_object};
use nordpass_env::catalogue::ColumnType;

/// A longer value of one field is cut, without an error.
pub const FIELD_BYTES: usize = 64 * 1024;

/// The column of which Azure keeps the event's time.
const TIME: &str = "TimeGenerated";

/// A row that can be accepted.
#[derive(Debug, Default)]
pub struct Checked {
    /// Its probe, as it came.
    pub probe: Option<String>,
    /// Columns that the stream doesn't declare: they are ignored.
    pub dropped: Vec<String>,
    /// Values that were cut.
    pub truncated: u64,
    /// `TimeGenerated` was too old, too far ahead or missing, and is the time of receipt now.
    pub time_replaced: bool,
    /// The row as the table has it.
    pub stored: Option<String>,
}

/// What the check needs to know besides the row.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The stream it was sent to.
    pub stream: &'a Stream,
    /// Refuse columns that the stream doesn't declare, instead of ignoring them.
    pub strict: bool,
    /// Make the row as the table has it.
    pub store: bool,
    /// The time of receipt.
    pub now: Timestamp,
}

/// Checks one row; the error says which column is wrong.
pub fn check(row: &str, rules: Rules<'_>) -> Result<Checked, String> {
    let object = Object::read(row).ok_or("is not a JSON object")?;
    let mut checked = Checked::default();
    let mut stored = String::new();
    if rules.store {
        stored.reserve(row.len() + 80);
        stored.push('{');
    }
    let mut time = None;
    for (name, value) in &object.0 {
        let value = value.get();
        let Some(&kind) = rules.stream.columns.get(&**name) else {
            if rules.strict {
                return Err(format!("has the column `{name}`, which the stream doesn't declare"));
            }
            checked.dropped.push(name.to_string());
            continue;
        };
        if !fits(kind, value) {
            return Err(format!("has a value in the column `{name}` that is no {}", kind.name()));
        }
        if *name == TIME {
            time = Some(value);
            continue;
        }
        let kept = kept(kind, value);
        checked.truncated += u64::from(matches!(kept, Cow::Owned(_)));
        if rules.store && value != "null" {
            entry(&mut stored, name, &kept);
        }
    }
    checked.probe = probe_of_object(&object);
    if rules.stream.columns.contains_key(TIME) {
        checked.time_replaced = !time.is_some_and(|time| time_counts(time, rules.now));
        if rules.store {
            write_time(&mut stored, time, checked.time_replaced, rules.now);
        }
    }
    if rules.store {
        stored.push('}');
        checked.stored = Some(stored);
    }
    Ok(checked)
}

/// Older than two days, or more than one day ahead: replaced by the time of receipt.
fn time_counts(time: &str, now: Timestamp) -> bool {
    let time = time.trim_matches('"').parse::<Timestamp>().map(Timestamp::as_second);
    time.is_ok_and(|time| (now.as_second() - 172_800..=now.as_second() + 86_400).contains(&time))
}

/// What was sent is kept aside, so that a test can still see it.
fn write_time(stored: &mut String, sent: Option<&str>, replaced: bool, now: Timestamp) {
    let received = format!("\"{}\"", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    match sent {
        Some(sent) if !replaced => entry(stored, TIME, sent),
        sent => {
            entry(stored, TIME, &received);
            if let Some(sent) = sent.filter(|sent| *sent != "null") {
                entry(stored, "_TimeGeneratedSent", sent);
            }
        }
    }
    entry(stored, "_TimeReceived", &received);
}

fn entry(stored: &mut String, name: &str, value: &str) {
    let comma = if stored.len() > 1 { "," } else { "" };
    let _ = write!(stored, r#"{comma}"{name}":{value}"#);
}

/// Whether a value can be in a column. `null` always can.
fn fits(kind: ColumnType, value: &str) -> bool {
    let first = value.as_bytes().first().copied().unwrap_or_default();
    value == "null"
        || match kind {
            ColumnType::Dynamic => true,
            ColumnType::String => first == b'"',
            ColumnType::Int => value.parse::<i32>().is_ok(),
            ColumnType::Long => value.parse::<i64>().is_ok(),
            ColumnType::Real => first == b'-' || first.is_ascii_digit(),
            ColumnType::Boolean => value == "true" || value == "false",
            ColumnType::Datetime => first == b'"' && value.trim_matches('"').parse::<Timestamp>().is_ok(),
        }
}

/// The value, or what is left of one that is too long. A cut dynamic value is text: it is no JSON any more.
fn kept(kind: ColumnType, value: &str) -> Cow<'_, str> {
    if value.len() <= FIELD_BYTES {
        return Cow::Borrowed(value);
    }
    let text = match kind {
        ColumnType::String => serde_json::from_str::<String>(value).unwrap_or_default(),
        _ => value.to_owned(),
    };
    if text.len() <= FIELD_BYTES {
        return Cow::Borrowed(value);
    }
    let end = text.floor_char_boundary(FIELD_BYTES);
    Cow::Owned(serde_json::to_string(&text[..end]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-23T12:00:00Z";

    fn stream() -> Stream {
        use ColumnType::{Boolean, Datetime, Dynamic, Int, Long, Real, String};
        let columns = [
            (TIME, Datetime),
            ("s", String),
            ("i", Int),
            ("l", Long),
            ("r", Real),
            ("b", Boolean),
            ("metadata", Dynamic),
        ];
        let columns: BTreeMap<_, _> = columns.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Stream { table: "T_CL".to_owned(), columns }
    }

    fn checked(row: &Value, strict: bool) -> Result<Checked, String> {
        let stream = stream();
        let now = NOW.parse().expect("a time");
        check(&row.to_string(), Rules { stream: &stream, strict, store: true, now })
    }

    fn stored(row: &Value) -> Value {
        let stored = checked(row, false).expect("accepted").stored.expect("stored");
        serde_json::from_str(&stored).unwrap_or_else(|error| panic!("{error}: {stored}"))
    }

    #[test]
    fn every_type_refuses_the_others() {
        for (column, good, bad) in [
            ("s", json!("x"), json!(5)),
            ("s", json!(""), json!({})),
            ("i", json!(-2_147_483_648), json!(2_147_483_648_i64)),
            ("i", json!(1), json!("1")),
            ("i", json!(1), json!(1.5)),
            ("l", json!(2_147_483_648_i64), json!(1e30)),
            ("r", json!(1.5), json!("1.5")),
            ("b", json!(true), json!("true")),
            (TIME, json!(NOW), json!(1_794_787_200)),
            (TIME, json!(NOW), json!("yesterday")),
        ] {
            assert!(checked(&json!({column: good}), false).is_ok(), "{column}: {good}");
            let error = checked(&json!({column: bad}), false).expect_err(column);
            assert!(error.contains(&format!("`{column}`")), "{error}");
            assert!(checked(&json!({column: null}), false).is_ok());
        }
        for value in [json!(5), json!("x"), json!([1]), json!({"a":null})] {
            assert!(checked(&json!({"metadata": value}), false).is_ok());
        }
        assert!(checked(&json!(["no object"]), false).is_err());
    }

    #[test]
    fn undeclared_columns_are_dropped_or_refused() {
        let row = json!({"s":"x","other":1,TIME:NOW});
        let row_checked = checked(&row, false).expect("accepted");
        assert_eq!(row_checked.dropped, ["other"]);
        assert_eq!(stored(&row).get("other"), None);
        assert!(checked(&row, true).expect_err("strict").contains("`other`"));
    }

    #[test]
    fn long_values_are_cut() {
        let long = "é".repeat(40_000);
        let row = json!({"s":long,"metadata":{"probe":"p","text":long},TIME:NOW});
        let row_checked = checked(&row, false).expect("accepted");
        assert_eq!((row_checked.truncated, row_checked.probe.as_deref()), (2, Some("p")));
        let stored = stored(&row);
        assert_eq!(stored["s"].as_str().map(str::len), Some(FIELD_BYTES));
        assert!(
            stored["metadata"].as_str().is_some_and(|text| text.starts_with("{\"probe\"") && text.len() <= FIELD_BYTES)
        );

        let fits = json!({"s":"\"".repeat(FIELD_BYTES),TIME:NOW});
        assert_eq!(checked(&fits, false).expect("accepted").truncated, 0, "escapes don't count");
    }

    #[test]
    fn times_outside_the_window_are_replaced() {
        for (time, counts) in [
            ("2026-11-21T12:00:00Z", true),
            ("2026-11-21T11:59:59Z", false),
            ("2026-11-24T12:00:00Z", true),
            ("2026-11-24T12:00:01Z", false),
        ] {
            let row = json!({TIME: time});
            assert_eq!(checked(&row, false).expect("accepted").time_replaced, !counts, "{time}");
            let stored = stored(&row);
            assert_eq!(stored[TIME], if counts { time } else { NOW });
            assert_eq!(stored.get("_TimeGeneratedSent").is_some(), !counts);
            assert_eq!(stored["_TimeReceived"], NOW);
        }
        assert!(checked(&json!({"s":"x"}), false).expect("accepted").time_replaced, "missing");
    }
}

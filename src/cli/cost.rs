//! What rows take in a month: the one way in which `replay` and `estimate` reckon.

use serde_json::Value;

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;
/// Days of a month.
pub(super) const MONTH: f64 = 30.0;
/// A recording of less than this many seconds says little about a month.
const SHORTEST_SPAN: i64 = 3_600;

/// GB (10^9 bytes) of a month with this many bytes a day.
pub(super) fn gb_a_month(bytes_a_day: f64) -> f64 {
    bytes_a_day * MONTH / 1e9
}

/// Events of a day in a recording, by the Unix times of its earliest and latest event; `None` if it is too short to say.
pub(super) fn events_a_day(events: u64, span: Option<(i64, i64)>) -> Option<f64> {
    let (from, to) = span?;
    let seconds = to.checked_sub(from)?;
    (seconds >= SHORTEST_SPAN).then(|| events as f64 / seconds as f64 * DAY)
}

/// The bytes of a row that Azure bills: the values as strings, without the names of the columns
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/cost-logs>).
pub(super) fn billed_bytes(row: &str) -> u64 {
    let Ok(Value::Object(columns)) = serde_json::from_str(row) else { return row.len() as u64 };
    let length = |value: Value| match value {
        Value::Null => 0,
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    };
    columns.into_iter().map(|(_, value)| length(value) as u64).sum()
}

/// 0 where there is nothing to divide by.
pub(super) fn ratio(dividend: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { dividend / divisor } else { 0.0 }
}

pub(super) fn round(number: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (number * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_are_billed() {
        assert_eq!(billed_bytes(r#"{"a":"xy\"","b":12,"c":{"d": 1},"e":null}"#), 3 + 2 + 7);
        assert_eq!(billed_bytes("nonsense"), 8);
    }

    #[test]
    fn a_month_is_thirty_days() {
        assert!((gb_a_month(1e9) - 30.0).abs() < 1e-9);
        assert_eq!(events_a_day(500, Some((0, 43_200))), Some(1000.0));
        assert_eq!((events_a_day(500, Some((0, 60))), events_a_day(500, None)), (None, None));
    }
}

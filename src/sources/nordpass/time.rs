//! Seconds and days. All times are in Unix seconds (UTC).

use std::time::Duration;

use jiff::Timestamp;

/// Seconds in a day.
pub const DAY: i64 = 86_400;
/// How far back the API shows events, in days.
pub const API_DAYS: i64 = 90;
/// How far back the longest sweep goes, in days.
pub const SWEPT_DAYS: i64 = 7;

/// The whole seconds of a duration.
pub fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Converts a Unix time for display.
pub fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

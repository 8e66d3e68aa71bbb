//! Whether this machine's clock agrees with those of the services that it asks.

use http::{HeaderMap, header::DATE};

/// By how many seconds clocks may differ before it counts as wrong: what Entra ID accepts in an assertion's times.
const CLOCK_TOLERANCE: i64 = 300;

/// What a response's `Date` says, in Unix seconds.
pub fn date(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    i64::try_from(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// How two clocks differ, as people say it; `ahead` in seconds, negative when this machine's is behind.
pub fn clocks(ahead: i64, whose: &str) -> String {
    let (minutes, word) = (ahead.unsigned_abs() / 60, if ahead > 0 { "ahead of" } else { "behind" });
    let span = match minutes {
        0 => format!("{} s", ahead.unsigned_abs()),
        1..=119 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes / 60),
    };
    format!("this machine's clock is {span} {word} {whose}'s")
}

/// A sentence about a clock that is off by more than is tolerated; `ahead` in seconds, negative when it is behind.
pub fn clock_is_wrong(ahead: Option<i64>, whose: &str) -> Option<String> {
    let ahead = ahead.filter(|ahead| ahead.abs() > CLOCK_TOLERANCE)?;
    Some(format!("{}: set it and synchronise it with a time server (timedatectl status)", clocks(ahead, whose)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_are_nobody_s_fault() {
        assert_eq!(clock_is_wrong(None, "Entra"), None);
        assert_eq!(clock_is_wrong(Some(300), "Entra"), None);
        assert_eq!(
            clock_is_wrong(Some(-600), "Entra").as_deref(),
            Some(
                "this machine's clock is 10 minutes behind Entra's: set it and synchronise it with a time server \
                 (timedatectl status)"
            )
        );
        assert!(clock_is_wrong(Some(7_300), "Azure").is_some_and(|text| text.contains("2 hours ahead of Azure's")));
    }
}

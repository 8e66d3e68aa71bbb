//! Every shape in which `Retry-After` comes.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::reply::http_date;

/// A shape of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// An HTTP date, this far ahead.
    Date(Duration),
    /// An HTTP date of an hour ago.
    Past,
    /// More seconds than anybody waits.
    Huge,
    /// Neither a number nor a date.
    Junk,
}

impl RetryAfter {
    /// The header's value.
    pub fn value(&self, now: Timestamp) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(ahead) => http_date(now.checked_add(*ahead).unwrap_or(now).as_second()),
            Self::Past => http_date(now.as_second() - 3600),
            Self::Huge => "99999999999999999999".to_owned(),
            Self::Junk => "in a moment; maybe".to_owned(),
        }
    }
}

impl FromStr for RetryAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "past" => Ok(Self::Past),
            "huge" => Ok(Self::Huge),
            "junk" => Ok(Self::Junk),
            _ => match text.strip_prefix("date:") {
                Some(ahead) => duration(ahead).map(Self::Date),
                None => duration(text).map(|wait| Self::Seconds(wait.as_secs())),
            },
        }
        .map_err(|error| format!("{error}; or one of `date:30s`, `past`, `huge`, `junk`"))
    }
}

/// A duration such as `500ms`, `2s`, `1m 30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("`{text}` is no duration such as `500ms`, `2s` or `5m`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_read_and_written() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        for (text, value) in [
            ("5s", "5"),
            ("2m", "120"),
            ("date:30s", "Fri, 15 Jan 2027 08:00:30 GMT"),
            ("past", "Fri, 15 Jan 2027 07:00:00 GMT"),
            ("huge", "99999999999999999999"),
            ("junk", "in a moment; maybe"),
        ] {
            assert_eq!(text.parse::<RetryAfter>().expect(text).value(now), value);
        }
        for text in ["", "soon", "date:", "-5s"] {
            assert!(text.parse::<RetryAfter>().is_err(), "{text}");
        }
    }
}

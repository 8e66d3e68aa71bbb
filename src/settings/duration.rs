//! Durations as people write them: `60s`, `10m`, `7d`, `500ms`, `1h30m`.

use std::{fmt::Write, time::Duration};

/// The units, longest first, with their milliseconds.
const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Matches what [`parse`] reads; for the JSON Schema.
pub(crate) const PATTERN: &str = r"^([0-9]+(ms|[smhd]))+$";

/// Reads a duration, or says in a sentence's end why it isn't one, and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err(DurationError::Negative);
    }
    if rest.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::Malformed);
        }
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err(DurationError::NoUnit);
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::Malformed);
        };
        milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor))
            .and_then(|part| milliseconds.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Writes a duration the way [`parse_duration`] reads it; parts below a millisecond are left out.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        if rest >= *milliseconds {
            let _ = write!(text, "{}{unit}", rest / milliseconds);
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Why a text isn't a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It begins with a minus sign.
    #[error("a duration can't be negative")]
    Negative,
    /// A number without `ms`, `s`, `m`, `h` or `d`.
    #[error("the unit is missing: write for example \"60s\", \"10m\" or \"1h30m\"")]
    NoUnit,
    /// More than 64 bits of milliseconds.
    #[error("this duration is too long")]
    TooLong,
    /// Anything else.
    #[error("write whole numbers with ms, s, m, h or d, for example \"500ms\", \"60s\" or \"1h30m\"")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, milliseconds) in [
            ("60s", 60_000),
            ("10m", 600_000),
            ("7d", 604_800_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("0s", 0),
            (" 5s\n", 5_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        for (text, error) in [
            ("", DurationError::Malformed),
            ("-5s", DurationError::Negative),
            ("60", DurationError::NoUnit),
            ("1h30", DurationError::NoUnit),
            ("s", DurationError::Malformed),
            ("1.5h", DurationError::Malformed),
            ("5 s", DurationError::Malformed),
            ("10min", DurationError::Malformed),
            ("99999999999999999999s", DurationError::TooLong),
            ("18446744073709551615d", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["60s", "1d12h", "1h30m", "500ms", "0s", "2m1s5ms"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(90)), "1m30s");
    }
}

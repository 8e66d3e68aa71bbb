//! Unix seconds as text.

/// `YYYY-MM-DDTHH:MM:SSZ`. Days become a date by Howard Hinnant's algorithm.
#[expect(clippy::cast_possible_truncation, reason = "digits")]
pub fn rfc3339(seconds: u64) -> [u8; 20] {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut out = *b"0000-00-00T00:00:00Z";
    let numbers = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, rest / 3600),
        (14, rest / 60 % 60),
        (17, rest % 60),
    ];
    for (at, value) in numbers {
        out[at] += (value / 10) as u8;
        out[at + 1] += (value % 10) as u8;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times() {
        assert_eq!(&rfc3339(0), b"1970-01-01T00:00:00Z");
        assert_eq!(&rfc3339(1_794_787_199), b"2026-11-15T23:59:59Z");
        assert_eq!(&rfc3339(1_709_208_000), b"2024-02-29T12:00:00Z");
    }
}

//! Sizes as people write them: `1MB`, `512 KiB`, or a plain number of bytes.

/// The units with their bytes: powers of ten as networks count, powers of two as memory does.
const UNITS: &[(&str, i64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Matches what [`parse_size`] reads; for the JSON Schema.
pub(crate) const PATTERN: &str = r"^[0-9]+ ?([kKMG]B|[KMG]iB|B)?$";

/// Reads a size in bytes; `None` if it isn't one, or isn't a 64-bit number of bytes.
pub fn parse_size(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    number.parse::<i64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_ten_and_of_two() {
        for (text, bytes) in [
            ("1MB", 1_000_000),
            ("1 MB", 1_000_000),
            ("512KiB", 512 << 10),
            ("8MiB", 8 << 20),
            ("2GiB", 2 << 30),
            ("3GB", 3_000_000_000),
            ("10kB", 10_000),
            ("10KB", 10_000),
            ("7B", 7),
            (" 42 ", 42),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "MB", "-1MB", "1.5MB", "1mb", "1Mb", "1 M", "1  MB", "9223372036854775807kB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}

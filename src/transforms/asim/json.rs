//! Writes rows as JSON text, directly into the output.
//!
//! Values keep their spelling. Two things are repaired, because a destination would refuse the whole batch for them: a raw line
//! end between tokens (a row is one line) and half of a surrogate pair (`"\ud800"`: JSON by its grammar, but not text).

/// The output of a row.
pub struct Out<'o> {
    text: &'o mut String,
    /// Nothing that is copied needs repair. This is checked once for the whole event: checking each of its forty pieces would
    /// take a quarter of the mapping's time.
    verbatim: bool,
}

impl<'o> Out<'o> {
    /// Writes a row of pieces of one event.
    pub fn new(text: &'o mut String, event: &str) -> Self {
        Self { text, verbatim: is_verbatim(event) }
    }

    /// Writes pieces of any text: each is checked.
    pub fn mending(text: &'o mut String) -> Self {
        Self { text, verbatim: false }
    }

    /// Appends JSON that this program wrote.
    pub fn push_str(&mut self, json: &str) {
        self.text.push_str(json);
    }

    /// Appends the content of a JSON string, or any whole JSON value, that is part of a checked event.
    pub fn copy(&mut self, json: &str, inside_string: bool) {
        if self.verbatim || is_verbatim(json) {
            self.text.push_str(json);
        } else {
            mend(self.text, json, inside_string);
        }
    }

    /// Appends a whole JSON value.
    pub fn value(&mut self, json: &str) {
        self.copy(json, false);
    }

    /// Appends a text field. `opening` is everything before the content: `,"Name":"`.
    pub fn field(&mut self, opening: &str, content: &str) {
        self.text.push_str(opening);
        self.copy(content, true);
        self.text.push('"');
    }
}

/// Whether there is neither an escape nor a line end.
fn is_verbatim(json: &str) -> bool {
    memchr::memchr3(b'\\', b'\n', b'\r', json.as_bytes()).is_none()
}

/// The slow path of [`Out::copy`]: finds where strings begin and end.
fn mend(out: &mut String, json: &str, mut inside_string: bool) {
    let bytes = json.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let skipped = match byte {
            b'\\' if inside_string => match surrogate(bytes, at) {
                Surrogate::Lone => {
                    out.push_str(&json[copied..at]);
                    out.push_str("\\ufffd");
                    at += 6;
                    copied = at;
                    continue;
                }
                Surrogate::Pair => 12,
                Surrogate::No => 2,
            },
            b'"' => {
                inside_string = !inside_string;
                1
            }
            b'\n' | b'\r' if !inside_string => {
                out.push_str(&json[copied..at]);
                copied = at + 1;
                1
            }
            _ => 1,
        };
        at += skipped;
    }
    out.push_str(json.get(copied..).unwrap_or_default());
}

enum Surrogate {
    No,
    Pair,
    Lone,
}

/// The kind of the escape at `at`.
fn surrogate(bytes: &[u8], at: usize) -> Surrogate {
    let unit = |at: usize| -> Option<u16> {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match unit(at) {
        Some(0xD800..=0xDBFF) => match unit(at + 6) {
            Some(0xDC00..=0xDFFF) => Surrogate::Pair,
            _ => Surrogate::Lone,
        },
        Some(0xDC00..=0xDFFF) => Surrogate::Lone,
        _ => Surrogate::No,
    }
}

/// The content of a string or the digits of a number, as the content of a JSON string; empty for anything else.
pub fn content(json: &str) -> &str {
    match json.as_bytes() {
        [b'"', .., b'"'] => &json[1..json.len() - 1],
        [b'0'..=b'9' | b'-', ..] => json,
        _ => "",
    }
}

/// The content of a string; `None` for anything else.
pub fn string(json: &str) -> Option<&str> {
    json.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest))
}

/// A time as text: `2025-01-30T16:39:46Z`.
pub type TimeText = [u8; 20];

/// Unix seconds as RFC 3339 in UTC, clamped to the years 1970 to 9999.
pub fn time(seconds: i64) -> TimeText {
    const LAST: i64 = 253_402_300_799;
    let seconds = seconds.clamp(0, LAST).unsigned_abs();
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days since 1970-03-01 shifted to the era that begins in the year 0 (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], clock / 3_600);
    digits(&mut text[14..16], clock / 60 % 60);
    digits(&mut text[17..19], clock % 60);
    text
}

fn digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
        number /= 10;
    }
}

/// ASCII bytes as text.
pub fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(json: &str) -> String {
        let mut out = String::new();
        Out::new(&mut out, json).value(json);
        out
    }

    #[test]
    fn spelling_is_kept() {
        for json in
            [r#"{"a" : 1.50, "b":"\u00e9\n\"\\"}"#, r#""\ud83d\ude00""#, "[1e400, 123456789012345678901]", r#""é 😀""#]
        {
            assert_eq!(copied(json), json);
        }
    }

    #[test]
    fn a_row_stays_one_line() {
        assert_eq!(copied("{\r\n  \"a\\n\": [\n1]\n}"), "{  \"a\\n\": [1]}");
        assert_eq!(copied("{\"a\\\\\":\n1}"), "{\"a\\\\\":1}");
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        assert_eq!(copied(r#""a\ud800b""#), r#""a\ufffdb""#);
        assert_eq!(copied(r#""\udc00\uD83D\uDE00\ud83d""#), r#""\ufffd\uD83D\uDE00\ufffd""#);
        assert_eq!(copied(r#""\\ud800""#), r#""\\ud800""#, "an escaped backslash, not an escape");
    }

    #[test]
    fn times_agree_with_the_library() {
        let random = nordpass_env::SeededRandom::new(3);
        let mut moments =
            vec![0, 1, 86_399, 86_400, 951_782_399, 951_782_400, 951_868_800, 1_738_255_186, 253_402_300_799];
        for _ in 0..5_000 {
            let any = nordpass_env::Random::next_u64(&random) % 253_402_300_799;
            moments.push(i64::try_from(any).expect("in range"));
        }
        for moment in moments {
            let library = jiff::Timestamp::from_second(moment).map(|time| time.to_string());
            // The library stops one day before the year 10000.
            if let Ok(library) = library {
                assert_eq!(ascii(&time(moment)), library);
            }
        }
        assert_eq!(ascii(&time(-5)), "1970-01-01T00:00:00Z");
        assert_eq!(ascii(&time(i64::MAX)), "9999-12-31T23:59:59Z");
    }
}

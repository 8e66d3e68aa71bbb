//! One moment for all generated rows, so that what a check finds doesn't depend on the day on which it runs.
//!
//! The program and the simulators follow the machine's clock. So events are moved to end now, and afterwards the times in
//! the rows are moved back.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use nordpass_env::{Clock as _, SystemClock};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{SimulatedEvent, recording};

use crate::has_shape;

/// Wednesday, 2026-11-25, 16:30 UTC: office hours before it, far from the edges of an hour, a day and a month.
const MOMENT: i64 = 1_795_624_200;
const DAY: i64 = 86_400;

/// When rows are made, in Unix seconds: what counts as [`MOMENT`] in them.
pub struct Moment(i64);

impl Moment {
    /// Begins making rows.
    pub fn now() -> Self {
        Self(SystemClock.now_seconds())
    }

    /// Returns a recording of generated events of the seven days before the moment. A reader that starts some minutes later still
    /// gets all of them.
    pub fn history(&self, seed: u64, count: usize) -> String {
        let events = Generator::new(seed, Options::default()).history(MOMENT - 7 * DAY + 600, MOMENT, count);
        let newest = events.last().map_or(MOMENT, |event| event.timestamp);
        ndjson(&recording::ending_at(&events, newest + self.ahead()))
    }

    /// Returns a recording whose newest event happens at the moment.
    pub fn ending(&self, text: &str) -> Result<String, String> {
        Ok(ndjson(&recording::ending_at(&recording::parse(text, MOMENT)?, self.0)))
    }

    /// Moves back all times in the rows of a folder. Times before `days` before the moment are none of the clock's.
    pub fn settle(&self, rows: &Path, days: i64) -> Result<(), String> {
        let (since, by) = (self.0 - days * DAY, -self.ahead());
        for name in tools_common::files(rows)? {
            let path = rows.join(name);
            let text = tools_common::read(&path)?;
            tools_common::write(&path, renumbered(&moved(&text, since, by), since, by))?;
        }
        Ok(())
    }

    fn ahead(&self) -> i64 {
        self.0 - MOMENT
    }
}

fn ndjson(events: &[SimulatedEvent]) -> String {
    events.iter().flat_map(|event| [event.json(), "\n"]).collect()
}

/// Returns a text in which all times from `since` on, as `2026-11-25T16:30:00`, are moved by these seconds.
fn moved(text: &str, since: i64, by: i64) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices('T') {
        let begin = at.checked_sub(DATE).filter(|begin| *begin >= done);
        let time = begin.and_then(|begin| second(text.get(begin..at + CLOCK)?)).filter(|second| *second >= since);
        if let Some(second) = time {
            let later = Timestamp::from_second(second + by).unwrap_or_default();
            let _ = write!(out, "{}{}", &text[done..at - DATE], later.strftime("%Y-%m-%dT%H:%M:%S"));
            done = at + CLOCK;
        }
    }
    out + &text[done..]
}

/// The same for the official table's `timestamp`, which is a number.
fn renumbered(text: &str, since: i64, by: i64) -> String {
    const NAME: &str = "\"timestamp\":";
    let mut parts = text.split(NAME);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.bytes().take_while(u8::is_ascii_digit).count());
        let second = digits.parse::<i64>().ok().filter(|second| *second >= since);
        let number = second.map_or_else(|| digits.to_owned(), |second| (second + by).to_string());
        out.extend([NAME, &number, rest]);
    }
    out
}

/// How long `2026-11-25` is, and `T16:30:00`.
const DATE: usize = 10;
const CLOCK: usize = 9;

/// Returns the Unix second of a time in UTC without its end.
fn second(time: &str) -> Option<i64> {
    let plain = has_shape(time, "0000-00-00T00:00:00");
    plain.then(|| format!("{time}Z").parse::<Timestamp>().ok())?.map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_and_nothing_else() {
        let since = second("2026-11-29T00:00:00").expect("a time");
        let text = r#"{"TimeGenerated":"2026-11-29T23:59:59.123Z","Text":"TT 2026-11-28T23:59:59Z é2026-11-30T00:00:00","At":1795910400}"#;
        let expected = r#"{"TimeGenerated":"2026-12-01T00:00:01.123Z","Text":"TT 2026-11-28T23:59:59Z é2026-12-01T00:00:02","At":1795910400}"#;
        assert_eq!(moved(text, since, DAY + 2), expected);
        assert_eq!(moved("2026-13-29T00:00:00Z T", since, DAY), "2026-13-29T00:00:00Z T");
        let text = r#"{"timestamp":1795910400,"a":{"timestamp":17,"timestamp":"b"}}"#;
        assert_eq!(renumbered(text, since, 5), r#"{"timestamp":1795910405,"a":{"timestamp":17,"timestamp":"b"}}"#);
    }

    #[test]
    fn rows_of_any_day_are_the_same() {
        let days = [MOMENT, MOMENT + DAY + 5, MOMENT + 400 * DAY];
        let [first, second, third] = days.map(|now| {
            let moment = Moment(now);
            let recording = moment.history(7, 300);
            let times = recording.lines().map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let at = event["timestamp"].as_i64().expect("a time");
                assert!((now - 7 * DAY..now).contains(&at), "{at} isn't within the seven days before {now}");
                format!("{}\n", Timestamp::from_second(at).expect("a time"))
            });
            moved(&times.collect::<String>(), now - 8 * DAY, -moment.ahead())
        });
        assert!(first == second && second == third && first.lines().count() == 300);
    }
}

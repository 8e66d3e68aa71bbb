//! Decides where a first run begins after the official connector ([ADR 0014](../../../docs/adr/0014-taking-over.md)).
//!
//! Its cursor is its own clock at the end of its last successful run. That run requested everything since the cursor
//! before and delivered what NordPass showed at that moment. An event from shortly before the cursor may have become
//! visible later, and the connector missed it for good. One from after the cursor may have been delivered by a later
//! run that failed in the end. So what is near the cursor is read again, and every event that may have been delivered
//! is marked in its row. Nothing is lost, and nothing is duplicated without a mark.

use super::time::timestamp;
use crate::component::{Cursor, Found, Predecessor};
use crate::event::Takeover;

/// Before 2020 there was neither an official connector nor an API.
const FIRST_PLAUSIBLE: i64 = 1_577_836_800;

/// Clock differences up to this many seconds aren't reported.
const SKEW: i64 = 60;

/// If the cursor was written less than this many seconds ago, the connector may still run.
const STILL_RUNS: i64 = 180;

/// The inputs of the decision, in Unix seconds and seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The latest second that may be requested.
    pub now: i64,
    /// The earliest second that the API shows.
    pub oldest: i64,
    /// Where a first connection would begin otherwise.
    pub lookback: i64,
    /// How far before the cursor to read again.
    pub overlap: i64,
}

/// Where to begin, and what to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The start of the history.
    pub origin: i64,
    /// Which events are marked.
    pub takeover: Takeover,
    /// What was found, and what follows.
    pub message: String,
    /// Whether it needs attention and is logged as a warning.
    pub odd: bool,
}

impl Decision {
    /// Logs the decision.
    pub fn log(&self, component: &str) {
        let from = timestamp(self.origin).to_string();
        if self.odd {
            tracing::warn!(component, from, "taking over: {}", self.message);
        } else {
            tracing::info!(component, from, "taking over: {}", self.message);
        }
    }
}

/// Decides where to begin. The error says why that isn't possible.
pub fn decide(predecessor: &Predecessor, times: Times) -> Result<Decision, String> {
    let Predecessor { place, found, .. } = predecessor;
    let until = times.now.saturating_add(SKEW);
    // Without a cursor it is unknown what the official connector delivered, so everything is marked.
    let from_lookback = |what: String| Decision {
        origin: times.lookback,
        takeover: Takeover { cursor: times.lookback - 1, until },
        message: format!(
            "{what}; reading `initial_lookback` as at a first connection, and marking its rows as possibly delivered \
             before. If the official connector did run here, stop this program, check [checkpoint.takeover] and start \
             over"
        ),
        odd: true,
    };
    match found {
        Found::Nothing => Ok(from_lookback(format!("there is no cursor of the official connector at {place}"))),
        Found::Empty => {
            Ok(from_lookback(format!("the official connector's cursor at {place} is empty, as before its first run")))
        }
        Found::Other(bytes) => Err(format!(
            "{place} has {bytes} bytes; the official connector's cursor has 8, so this isn't one. Nothing was \
             read.\nhint: correct [checkpoint.takeover], or remove it to start with `initial_lookback`"
        )),
        Found::Cursor(cursor) if cursor.seconds < FIRST_PLAUSIBLE => Err(format!(
            "the official connector's cursor at {place} says {}, a time before NordPass had this API: it is damaged. \
             Nothing was read.\nhint: restore the blob, or remove [checkpoint.takeover] to start with \
             `initial_lookback`",
            cursor.seconds
        )),
        Found::Cursor(cursor) => Ok(from_cursor(*cursor, place, times, until)),
    }
}

fn from_cursor(cursor: Cursor, place: &str, times: Times, until: i64) -> Decision {
    let Times { now, oldest, lookback, overlap } = times;
    let said = cursor.seconds;
    // Of the function's clock, Azure's when the blob was written, and ours, the earliest can't skip anything.
    let trusted = said.min(cursor.written.unwrap_or(now)).min(now);
    let mut notes = Vec::new();
    let mut odd = false;
    if said > trusted.saturating_add(SKEW) {
        odd = true;
        let whose =
            if cursor.written.is_some_and(|written| written < now) { "when Azure says it was written" } else { "now" };
        notes.push(format!(
            "it is {} s later than {}, {whose}, which is used instead: the function's clock was wrong",
            said - trusted,
            timestamp(trusted)
        ));
    }
    let origin = if trusted <= oldest {
        odd = true;
        notes.push(
            "it is older than the 90 days that NordPass shows: events in between are lost, and reported as a gap"
                .to_owned(),
        );
        trusted
    } else {
        if trusted < lookback {
            notes.push("it is older than `initial_lookback`: everything since then is read nevertheless".to_owned());
        }
        trusted.saturating_sub(overlap).max(oldest)
    };
    if cursor.written.is_some_and(|written| now - written < STILL_RUNS) {
        odd = true;
        notes.push(
            "it was written less than three minutes ago: make sure that the official connector is stopped, or its \
             events arrive twice from now on"
                .to_owned(),
        );
    }
    notes.push(format!(
        "reading from {overlap} s before it, and marking the rows of events that the official connector may have \
         delivered"
    ));
    let message = format!("the official connector's cursor at {place} says {}; {}", timestamp(said), notes.join("; "));
    Decision { origin, takeover: Takeover { cursor: trusted, until }, message, odd }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;
    const TIMES: Times = Times { now: NOW, oldest: NOW - 90 * DAY + 120, lookback: NOW - 7 * DAY, overlap: 600 };

    fn decided(found: Found) -> Result<Decision, String> {
        decide(&Predecessor { place: "container/blob".into(), found, overlap: None }, TIMES)
    }

    fn cursor(seconds: i64, written: Option<i64>) -> Decision {
        decided(Found::Cursor(Cursor { seconds, written })).expect("a decision")
    }

    #[test]
    fn the_overlap_before_the_cursor_is_read_again_and_marked() {
        let found = cursor(NOW - 3_600, Some(NOW - 3_600));
        assert_eq!((found.origin, found.odd), (NOW - 3_600 - 600, false), "{}", found.message);
        assert_eq!(found.takeover, Takeover { cursor: NOW - 3_600, until: NOW + SKEW });
        let marks = [NOW - 3_601, NOW - 3_600, NOW - 3_599, NOW + SKEW].map(|time| found.takeover.mark(time));
        assert_eq!(marks, [Some("likely"), Some("likely"), Some("possible"), None]);
    }

    #[test]
    fn each_odd_cursor_has_its_own_words() {
        for (found, origin, words) in [
            (Found::Nothing, NOW - 7 * DAY, "there is no cursor"),
            (Found::Empty, NOW - 7 * DAY, "is empty"),
            (cursor_found(NOW - 20 * DAY, None), NOW - 20 * DAY - 600, "older than `initial_lookback`"),
            (cursor_found(NOW - 100 * DAY, None), NOW - 100 * DAY, "reported as a gap"),
            (cursor_found(NOW - 90 * DAY + 300, None), NOW - 90 * DAY + 120, "older than `initial_lookback`"),
            (cursor_found(NOW + 500, None), NOW - 600, "500 s later than"),
            (cursor_found(NOW - 600, Some(NOW - 7_200)), NOW - 7_800, "when Azure says it was written"),
            (cursor_found(NOW - 30, Some(NOW - 30)), NOW - 630, "make sure that the official connector is stopped"),
            (cursor_found(i64::MAX, None), NOW - 600, "s later than"),
        ] {
            let decision = decided(found).expect("a decision");
            assert_eq!(decision.origin, origin, "{}", decision.message);
            assert!(decision.message.contains(words), "{}", decision.message);
        }
        for (found, words) in [
            (Found::Other(10), "has 10 bytes"),
            (cursor_found(0, None), "it is damaged"),
            (cursor_found(i64::MIN, None), "it is damaged"),
        ] {
            let reason = decided(found).expect_err("nothing to decide");
            assert!(reason.contains(words) && reason.contains("hint:"), "{reason}");
        }
    }

    fn cursor_found(seconds: i64, written: Option<i64>) -> Found {
        Found::Cursor(Cursor { seconds, written })
    }

    #[test]
    fn without_a_cursor_everything_is_marked() {
        let takeover = decided(Found::Nothing).expect("a decision").takeover;
        assert_eq!([NOW - 7 * DAY, NOW].map(|time| takeover.mark(time)), [Some("possible"), Some("possible")]);
    }
}

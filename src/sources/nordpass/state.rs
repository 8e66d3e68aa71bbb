//! The source's document in the checkpoint, kept besides the ids: at most 3,500 bytes.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::time::{API_DAYS, DAY};
use crate::{event::Takeover, state::TimeRanges};

const VERSION: u32 = 1;
/// The checkpoint's limit is 3,500. Documents normally stay well under it.
const MAX_BYTES: usize = 3_300;
/// Times in a document are less than this many seconds from 1970, which is 35,000 years.
const FARTHEST: u64 = 1 << 40;
/// Totals further apart than this many days aren't kept side by side; the API shows far fewer.
const MOST_DAYS: u64 = 1_000;

/// A source's state. Times are Unix seconds (UTC).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where the history begins: the first connection's time minus `initial_lookback`.
    pub origin: i64,
    /// Times that are read, delivered and committed.
    pub covered: TimeRanges,
    /// Covered times not proven complete yet. The sweeps try again.
    #[serde(default)]
    pub unproven: TimeRanges,
    /// Short hashes of the organizations seen. The source of an organization that the organizations file lists is pinned to them.
    #[serde(default)]
    pub organizations: Vec<String>,
    /// When the last 24 hours were last swept.
    #[serde(default)]
    pub swept_day: i64,
    /// When the last 7 days were last swept.
    #[serde(default)]
    pub swept_week: i64,
    /// When the days were last audited.
    #[serde(default)]
    pub audited: i64,
    /// The day number (since 1970) of the first entry of `totals`.
    #[serde(default)]
    pub first_day: i64,
    /// The API's `total` of each day, as last audited; -1 if there is none yet.
    #[serde(default)]
    totals: Vec<i64>,
    /// Times that the API no longer had when we tried to read them.
    #[serde(default)]
    pub gaps: TimeRanges,
    /// Which events the official connector may have delivered, if this source took over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
    /// The rest of a weekly sweep that continues from run to run: from and to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week_left: Option<(i64, i64)>,
}

/// A change of the state, applied once everything that it depends on is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The first connection.
    Begin {
        /// Where the history begins.
        origin: i64,
        /// The current time.
        now: i64,
        /// Which events the official connector may have delivered.
        takeover: Option<Takeover>,
    },
    /// A range was read, and whether it is proven complete.
    Covered(Range<i64>, bool),
    /// A sweep of the last 24 hours began then.
    SweptDay(i64),
    /// A sweep of the last 7 days began then.
    SweptWeek(i64),
    /// The rest of a weekly sweep: from and to.
    WeekLeft(i64, i64),
    /// The audit of all days began then.
    Audited(i64),
    /// A day (number since 1970) has this total, and was read again if it changed.
    Total(i64, u64),
    /// An unseen organization: this range must be read again.
    Organization(String, Range<i64>),
    /// A late event was found in this covered range, which stays uncovered until the event is delivered.
    Uncovered(Range<i64>),
    /// The API no longer has this range.
    Gap(Range<i64>),
}

/// The written form.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    state: State,
}

impl State {
    /// Decodes a document. Fails if it is damaged or of another version.
    pub fn decode(document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let damaged = |_| "the source's document in the checkpoint is damaged".to_owned();
        let Version { version } = serde_json::from_slice(document).map_err(damaged)?;
        if version != VERSION {
            return Err(format!("the source's document has version {version}; this program supports {VERSION}"));
        }
        let Document { state, .. } = serde_json::from_slice(document).map_err(damaged)?;
        if state.is_plausible() {
            Ok(state)
        } else {
            Err("the source's document in the checkpoint is damaged".to_owned())
        }
    }

    /// Whether all times are such that sums and differences of them can't overflow.
    fn is_plausible(&self) -> bool {
        let ranges = [&self.covered, &self.unproven, &self.gaps].into_iter().flat_map(TimeRanges::iter);
        let mut times = vec![self.origin, self.swept_day, self.swept_week, self.audited, self.first_day];
        times.extend(ranges.flat_map(|range| [range.start, range.end]));
        times.extend(self.takeover.into_iter().flat_map(|takeover| [takeover.cursor, takeover.until]));
        times.extend(self.week_left.into_iter().flat_map(|(from, to)| [from, to]));
        times.into_iter().all(|time| time.unsigned_abs() < FARTHEST)
    }

    /// Encodes the document. If it is too long, gives up precision in the safe direction: forgets covered times (which
    /// are read again), and joins unproven ones and gaps.
    pub fn encode(&self) -> Vec<u8> {
        let mut document = Document { version: VERSION, state: self.clone() };
        loop {
            let bytes = serde_json::to_vec(&document).unwrap_or_default();
            if bytes.len() <= MAX_BYTES {
                return bytes;
            }
            let state = &mut document.state;
            let longest = [state.covered.iter().len(), state.unproven.iter().len(), state.gaps.iter().len()];
            if longest[2] > 8 {
                state.gaps.join_closest();
            } else if longest[1] >= longest[0] && longest[1] > 1 {
                state.unproven.join_closest();
            } else if longest[0] > 1 {
                state.covered.drop_shortest();
            } else if state.organizations.len() > 1 || state.totals.is_empty() {
                // The first one last: the source may be pinned to it.
                if state.organizations.pop().is_none() {
                    return bytes;
                }
            } else {
                // Audited anew, which reads the days that have changed.
                state.totals.clear();
            }
        }
    }

    /// Applies a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Begin { origin, now, takeover } => {
                (self.origin, self.takeover) = (origin, takeover);
                (self.swept_day, self.swept_week, self.audited) = (now, now, now);
            }
            Change::Covered(range, proven) => {
                self.covered.insert(range.clone());
                if proven {
                    self.unproven.remove(&range);
                } else {
                    self.unproven.insert(range);
                }
            }
            Change::SweptDay(at) => self.swept_day = at,
            Change::SweptWeek(at) => (self.swept_week, self.week_left) = (at, None),
            Change::WeekLeft(from, to) => self.week_left = Some((from, to)),
            Change::Audited(at) => self.audited = at,
            Change::Total(day, total) => self.set_total(day, total),
            Change::Organization(hash, range) => {
                if !self.organizations.contains(&hash) {
                    self.organizations.push(hash);
                }
                self.covered.remove(&range);
            }
            Change::Uncovered(range) => self.covered.remove(&range),
            Change::Gap(range) => {
                self.covered.insert(range.clone());
                self.gaps.insert(range);
            }
        }
    }

    /// Forgets what the API no longer shows at `now`, because it isn't requested again.
    pub fn forget(&mut self, now: i64) {
        let oldest = now - (API_DAYS + 1) * DAY;
        // One covered interval over all of the past keeps the state small and is equivalent.
        let first = self.covered.iter().next().map(|range| range.start);
        if let Some(first) = first.filter(|first| *first < oldest) {
            self.covered.insert(first..oldest);
        }
        self.unproven.remove(&(0..oldest));
        let first_day = oldest.div_euclid(DAY);
        let outdated = usize::try_from(first_day - self.first_day).unwrap_or(0).min(self.totals.len());
        if outdated > 0 {
            self.totals.drain(..outdated);
            self.first_day = first_day;
        }
    }

    /// A day's total as last audited.
    pub fn total(&self, day: i64) -> Option<u64> {
        let at = usize::try_from(day - self.first_day).ok()?;
        u64::try_from(*self.totals.get(at)?).ok()
    }

    fn set_total(&mut self, day: i64, total: u64) {
        if self.totals.is_empty() || day.abs_diff(self.first_day) > MOST_DAYS {
            self.totals.clear();
            self.first_day = day;
        }
        while day < self.first_day {
            self.totals.insert(0, -1);
            self.first_day -= 1;
        }
        let at = usize::try_from(day - self.first_day).unwrap_or(0);
        if self.totals.len() <= at {
            self.totals.resize(at + 1, -1);
        }
        self.totals[at] = i64::try_from(total).unwrap_or(-1);
    }

    /// The second up to which everything from `origin` is covered, not counting `late` events in flight.
    pub fn cursor(&self, late: &TimeRanges) -> i64 {
        let mut covered = self.covered.clone();
        late.iter().for_each(|range| covered.insert(range.clone()));
        covered.end_of(self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was() {
        let mut state = State::default();
        for change in [
            Change::Begin { origin: 100, now: 700, takeover: Some(Takeover { cursor: 110, until: 700 }) },
            Change::Covered(100..200, true),
            Change::Covered(300..400, false),
            Change::Total(20_000, 17),
            Change::Total(19_998, 3),
            Change::Organization("ab".into(), 150..160),
            Change::Gap(10..20),
        ] {
            state.apply(change);
        }
        assert_eq!(State::decode(&state.encode()), Ok(state.clone()));
        assert_eq!((state.total(20_000), state.total(19_999), state.total(19_998)), (Some(17), None, Some(3)));
        assert_eq!(state.cursor(&TimeRanges::default()), 150);
    }

    /// Shortening it never ended: there was nothing left that it could give up.
    #[test]
    fn a_document_of_many_totals_is_shortened_too() {
        let mut state = State::default();
        for day in 0..999 {
            state.apply(Change::Total(20_000 + day, u64::MAX >> 1));
        }
        let document = state.encode();
        assert!(document.len() <= MAX_BYTES, "{}", document.len());
        State::decode(&document).expect("a state");
    }

    /// It would read another organization's events with this one's state.
    #[test]
    fn a_document_that_is_shortened_keeps_its_organization() {
        let mut state = State::default();
        for number in 0..400 {
            state.apply(Change::Organization(format!("{number:012}"), 0..0));
        }
        for day in 0..999 {
            state.apply(Change::Total(20_000 + day, u64::MAX >> 1));
        }
        let kept = State::decode(&state.encode()).expect("a state");
        assert_eq!(kept.organizations.first().map(String::as_str), Some("000000000000"));
    }

    /// A day far from the others took memory for all between them.
    #[test]
    fn totals_far_apart_arent_kept_side_by_side() {
        let mut state = State::default();
        for day in [20_000, 1 << 38, 20_001, 20_003] {
            state.apply(Change::Total(day, 5));
        }
        assert_eq!((state.total(20_001), state.total(20_002), state.totals.len()), (Some(5), None, 3));
    }

    /// They overflowed when the next time was computed from them.
    #[test]
    fn times_that_are_no_times_are_damage() {
        let document = |field: &str| format!(r#"{{"version":1,"origin":0,"covered":[],{field}}}"#);
        State::decode(document(r#""audited":1748000000"#).as_bytes()).expect("a state");
        for field in [
            r#""audited":-9223372036854775808"#,
            r#""first_day":9223372036854775807"#,
            r#""gaps":[[-9223372036854775808,0]]"#,
            r#""takeover":{"cursor":0,"until":9223372036854775807}"#,
            r#""week_left":[0,1099511627776]"#,
        ] {
            assert!(State::decode(document(field).as_bytes()).is_err_and(|error| error.contains("damaged")), "{field}");
        }
    }

    #[test]
    fn a_fragmented_state_stays_small_and_safe() {
        let mut state = State::default();
        for at in 0..500 {
            state.apply(Change::Covered(1_700_000_000 + at * 100..1_700_000_000 + at * 100 + 50, at % 2 == 0));
        }
        let document = state.encode();
        assert!(document.len() <= MAX_BYTES, "{}", document.len());
        let kept = State::decode(&document).expect("a state");
        let claimed = kept.covered.iter().all(|range| state.covered.holes(range.clone()) == TimeRanges::default());
        assert!(claimed, "nothing counts as covered that wasn't");
        let unproven = state.unproven.iter().all(|range| kept.unproven.holes(range.clone()) == TimeRanges::default());
        assert!(unproven, "nothing unproven was forgotten");
    }

    #[test]
    fn damage_and_newer_versions_are_refused() {
        assert!(State::decode(b"{").expect_err("damaged").contains("damaged"));
        assert!(State::decode(br#"{"version":2}"#).expect_err("newer").contains("version 2"));
    }

    #[test]
    fn old_days_are_forgotten() {
        let mut state = State::default();
        state.apply(Change::Total(20_000, 1));
        state.apply(Change::Total(20_100, 2));
        state.forget(20_101 * DAY);
        assert_eq!((state.total(20_000), state.total(20_100)), (None, Some(2)));
        assert!(state.totals.len() <= 92);
    }
}

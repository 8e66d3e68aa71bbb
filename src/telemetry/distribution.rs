//! A distribution of measured values: how many there were, their sum, and quantiles of the latest.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The quantiles that are shown, in thousandths.
pub(super) const QUANTILES: [u16; 7] = [0, 500, 900, 950, 990, 999, 1_000];

/// Quantiles are those of the values that are younger than this.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Quantiles are those of this many values at most: the latest. A distribution then takes 16 KiB at most, however busy it is
/// and whether or not anybody scrapes it.
const LATEST: usize = 1_024;

/// Values, and when each was measured.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    count: u64,
    sum: f64,
    latest: VecDeque<(Timestamp, f64)>,
}

/// What is shown of a distribution.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    /// The values at [`QUANTILES`]; 0 each if there was no value lately.
    pub quantiles: [f64; QUANTILES.len()],
    /// The sum of all values since the start.
    pub sum: f64,
    /// The number of all values since the start.
    pub count: u64,
}

impl Distribution {
    /// Adds a value that was measured at `now`.
    pub fn record(&mut self, value: f64, now: Timestamp) {
        while self.latest.front().is_some_and(|(at, _)| !is_recent(*at, now)) {
            self.latest.pop_front();
        }
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back((now, value));
        self.count += 1;
        self.sum += value;
    }

    /// Adds another distribution's values.
    pub fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.latest.extend(&other.latest);
    }

    /// Sums the values up as of `now`.
    pub fn summary(&self, now: Timestamp) -> Summary {
        let recent = self.latest.iter().filter(|(at, _)| is_recent(*at, now));
        let mut values: Vec<f64> = recent.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let quantiles = QUANTILES.map(|quantile| {
            let rank = (usize::from(quantile) * values.len()).div_ceil(1_000);
            values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        });
        Summary { quantiles, sum: self.sum, count: self.count }
    }
}

/// A value from the future is recent: the clock was set back.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn quantiles_are_those_of_the_last_minute_and_sums_of_all() {
        let mut values = Distribution::default();
        assert_eq!(values.summary(at(0)), Summary { quantiles: [0.0; 7], sum: 0.0, count: 0 });
        values.record(1_000.0, at(0));
        for value in (1..=100).rev() {
            values.record(f64::from(value), at(30));
        }
        let expected = [1.0, 50.0, 90.0, 95.0, 99.0, 100.0, 100.0];
        assert_eq!(values.summary(at(60)), Summary { quantiles: expected, sum: 6_050.0, count: 101 });
        let expected = [1.0, 51.0, 91.0, 96.0, 100.0, 1_000.0, 1_000.0];
        assert_eq!(values.summary(at(59)), Summary { quantiles: expected, sum: 6_050.0, count: 101 });
        assert_eq!(values.summary(at(90)), Summary { quantiles: [0.0; 7], sum: 6_050.0, count: 101 });
    }

    #[test]
    fn its_memory_has_a_bound_without_scrapes() {
        let mut values = Distribution::default();
        for value in 0..10_000 {
            values.record(f64::from(value), at(0));
        }
        assert!(values.latest.len() <= LATEST && values.latest.capacity() <= 2 * LATEST);
        assert_eq!(values.latest.front(), Some(&(at(0), f64::from(10_000 - 1_024))));
        assert_eq!(values.count, 10_000);
        values.record(1.0, at(600));
        assert_eq!(values.latest.len(), 1, "what is older than a minute goes with the next value");
    }

    #[test]
    fn a_clock_that_is_set_back_hides_no_value() {
        let mut values = Distribution::default();
        values.record(5.0, at(3_600));
        values.record(7.0, at(0));
        let expected = [5.0, 5.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        assert_eq!(values.summary(at(0)), Summary { quantiles: expected, sum: 12.0, count: 2 });
    }
}

//! When things happen: office hours on working days are busy, nights and weekends are quiet.

use crate::dice::Dice;

const HOUR: i64 = 3600;

/// `count` times in `[from, to)`, ascending.
pub fn times(dice: &mut Dice, from: i64, to: i64, count: usize) -> Vec<i64> {
    let last = (to - 1).max(from);
    let mut edges = vec![(from, 0.0)];
    let mut at = from;
    let mut total = 0.0;
    while at < to {
        let next = ((at.div_euclid(HOUR) + 1) * HOUR).min(to);
        total += activity(at) * (next - at) as f64;
        edges.push((next, total));
        at = next;
    }
    let mut hour = 0;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        // Stratified, so that the times come out sorted and no hour is empty by chance.
        let share = (number as f64 + dice.fraction()) / count as f64 * total;
        while hour + 2 < edges.len() && share >= edges[hour + 1].1 {
            hour += 1;
        }
        let Some(&[(begin, before), (end, after)]) = edges.get(hour..hour + 2).and_then(|two| two.first_chunk()) else {
            times.push(from);
            continue;
        };
        let within = if after > before { (share - before) / (after - before) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "within one hour")]
        let offset = (within * (end - begin) as f64) as i64;
        times.push((begin + offset).min(last));
    }
    times
}

/// How busy a second is, relative to a quiet night.
fn activity(at: i64) -> f64 {
    let hour = at.rem_euclid(24 * HOUR) / HOUR;
    // 1970-01-01 was a Thursday: day 0 of this count is a Monday.
    let weekday = (at.div_euclid(24 * HOUR) + 3).rem_euclid(7);
    let by_hour = match hour {
        8..=11 | 13..=16 => 24.0,
        7 | 12 | 17 => 14.0,
        6 | 18..=21 => 4.0,
        _ => 1.0,
    };
    if weekday < 5 { by_hour } else { 1.0 + by_hour / 16.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_tiny_ranges() {
        let mut dice = Dice::new(1);
        assert_eq!(times(&mut dice, 100, 100, 3), [100, 100, 100]);
        assert_eq!(times(&mut dice, 100, 101, 2), [100, 100]);
        assert!(times(&mut dice, 100, 50, 0).is_empty());
    }
}

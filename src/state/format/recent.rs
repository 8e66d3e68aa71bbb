//! The latest known ids in memory, so that live polls read no file for their overlap.

use std::{collections::BTreeMap, ops::Range};

use crate::component::KnownId;

/// Maximum ids kept: 1 MiB.
pub const KEPT_IDS: usize = 32_768;

/// All known ids from some second on. If there are too many, the oldest minutes are dropped.
#[derive(Debug)]
pub struct Recent {
    from: i64,
    minutes: BTreeMap<i64, Vec<KnownId>>,
    count: usize,
}

impl Recent {
    /// For a first run: no ids are known, so memory is complete.
    pub fn of_first_run() -> Self {
        Self { from: i64::MIN, minutes: BTreeMap::new(), count: 0 }
    }

    /// For ids on disk that weren't read yet.
    pub fn unread() -> Self {
        Self { from: i64::MAX, ..Self::of_first_run() }
    }

    /// Every known id from this second on is in memory.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// Adds new ids, sorted by time. Those before [`Recent::from`] stay on disk only.
    pub fn add(&mut self, ids: &[KnownId]) {
        let ids = &ids[ids.partition_point(|known| known.time < self.from)..];
        // Before copying: only the end of a large batch can stay.
        if ids.len() > KEPT_IDS {
            let kept = &ids[ids.len() - KEPT_IDS..];
            self.forget_before(minute_start(kept[0].time).saturating_add(60));
            return self.add(kept);
        }
        for ids in ids.chunk_by(|a, b| minute_start(a.time) == minute_start(b.time)) {
            self.minutes.entry(minute_start(ids[0].time)).or_default().extend_from_slice(ids);
            self.count += ids.len();
        }
        while self.count > KEPT_IDS {
            let Some((minute, dropped)) = self.minutes.pop_first() else { break };
            self.count -= dropped.len();
            self.from = self.from.max(minute.saturating_add(60));
        }
    }

    /// Adds what was read from disk: every known id from `from` on that isn't in memory yet.
    pub fn extend_down(&mut self, from: i64, mut ids: Vec<KnownId>) {
        if from < self.from {
            self.from = from;
            ids.sort_unstable_by_key(|known| known.time);
            self.add(&ids);
        }
    }

    /// Drops everything before the minute of `time`.
    pub fn forget_before(&mut self, time: i64) {
        // Whole minutes, so that nothing stays below `from` that `extend_down` would add twice.
        let time = minute_start(time);
        self.from = self.from.max(time);
        while let Some(minute) = self.minutes.first_entry().filter(|minute| minute.key().saturating_add(60) <= time) {
            self.count -= minute.remove().len();
        }
    }

    /// Passes the kept ids of the range to `found`. Complete only from [`Recent::from`] on.
    pub fn read(&self, range: &Range<i64>, mut found: impl FnMut(KnownId)) {
        if range.is_empty() {
            return;
        }
        for ids in self.minutes.range(minute_start(range.start)..range.end).map(|(_, ids)| ids) {
            ids.iter().filter(|known| range.contains(&known.time) && known.time >= self.from).for_each(|&id| found(id));
        }
    }
}

fn minute_start(time: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    const KEPT: i64 = 32_768;

    fn ids(times: Range<i64>) -> Vec<KnownId> {
        times.map(|time| KnownId { time, id: EventId(time.cast_unsigned().into()) }).collect()
    }

    fn read(recent: &Recent, range: Range<i64>) -> Vec<i64> {
        let mut times = Vec::new();
        recent.read(&range, |known| times.push(known.time));
        times
    }

    #[test]
    fn keeps_the_latest_within_its_bound() {
        let mut recent = Recent::of_first_run();
        let end = 3 * KEPT;
        for start in (0..end).step_by(1000) {
            recent.add(&ids(start..(start + 1000).min(end)));
            assert!(recent.count <= KEPT_IDS);
        }
        assert!(recent.from() > end - KEPT && recent.from() <= end - KEPT + 120);
        assert_eq!(i64::try_from(read(&recent, recent.from()..end).len()), Ok(end - recent.from()));
        assert_eq!(recent.minutes.values().map(Vec::len).sum::<usize>(), recent.count);
    }

    #[test]
    fn one_batch_larger_than_the_bound_keeps_its_end() {
        let mut recent = Recent::of_first_run();
        recent.add(&ids(0..2 * KEPT));
        assert!(recent.count <= KEPT_IDS && recent.count > KEPT_IDS - 120);
        assert_eq!(i64::try_from(read(&recent, recent.from()..i64::MAX).len()), Ok(2 * KEPT - recent.from()));
        let mut burst = Recent::of_first_run();
        burst.add(&vec![KnownId { time: 7, id: EventId(7) }; KEPT_IDS + 1]);
        assert!(burst.from() > 7, "a second that doesn't fit isn't answered from memory");
    }

    #[test]
    fn answers_only_what_it_has() {
        let mut recent = Recent::unread();
        recent.add(&ids(100..200));
        assert_eq!(read(&recent, 0..i64::MAX), [] as [i64; 0]);
        recent.extend_down(150, ids(150..300));
        recent.add(&ids(140..160).iter().map(|k| KnownId { id: EventId(0), ..*k }).collect::<Vec<_>>());
        assert_eq!(recent.from(), 150);
        assert_eq!(read(&recent, 150..160).len(), 20);
        recent.forget_before(250);
        assert_eq!(read(&recent, 0..i64::MAX), (240..300).collect::<Vec<_>>());
        recent.extend_down(230, ids(230..240));
        assert_eq!(read(&recent, 0..i64::MAX), (230..300).collect::<Vec<_>>());
        assert_eq!(read(&recent, 5..5), [] as [i64; 0]);
        recent.forget_before(i64::MAX);
        assert_eq!(recent.count, 0);
    }
}

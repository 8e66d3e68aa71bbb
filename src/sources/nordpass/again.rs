//! Reading again: the sweeps and the audit, for events that became visible late.

use std::{ops::Range, time::Duration};

use super::error::ReadError;
use super::lanes::Lanes;
use super::query::Priority;
use super::slice::FIRST_SLICE;
use super::state::Change;
use super::time::{API_DAYS, DAY, SWEPT_DAYS};

/// When something was last read again, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct LastRead {
    /// The last 24 hours.
    pub day: i64,
    /// The last 7 days.
    pub week: i64,
    /// The totals of all days.
    pub audit: i64,
}

impl Lanes {
    /// The last 24 hours each hour, the last 7 days each day.
    pub(super) async fn sweeps(&self, mut last: LastRead) -> Result<(), ReadError> {
        // `last` is kept here, too: the committed state follows only once a sweep's events have arrived.
        loop {
            self.sleep(Duration::from_secs(60)).await?;
            let now = self.context.clock.now();
            if now - last.week >= DAY {
                self.sweep(now - SWEPT_DAYS * DAY, vec![Change::SweptWeek(now), Change::SweptDay(now)]).await?;
                (last.day, last.week) = (now, now);
            } else if now - last.day >= 3600 {
                self.sweep(now - DAY, vec![Change::SweptDay(now)]).await?;
                last.day = now;
            }
        }
    }

    /// For runs that follow each other, as those of a timer do: without this, none of them would ever read again. What is
    /// short comes first: a week may be more than one run has time for.
    pub(super) async fn due(&self, last: LastRead) -> Result<(), ReadError> {
        let now = self.context.clock.now();
        if now - last.day >= 3600 {
            self.sweep(now - DAY, vec![Change::SweptDay(now)]).await?;
        }
        self.audit_if_due(last.audit).await?;
        if now - last.week >= DAY {
            self.sweep_by_days(now).await?;
        }
        Ok(())
    }

    /// The last 7 days, the newest first, each for itself: where the end of a run cuts it off, the next goes on.
    async fn sweep_by_days(&self, now: i64) -> Result<(), ReadError> {
        let (origin, left) = {
            let state = self.state.borrow();
            (state.origin, state.week_left)
        };
        let Some(live) = self.backlog.lock().live else { return Ok(()) };
        let oldest = origin.max(now - SWEPT_DAYS * DAY);
        let (from, mut to) = left.filter(|(_, to)| *to > oldest).unwrap_or((oldest, live));
        let from = from.max(oldest);
        while from < to {
            let part = from.max(to - DAY)..to;
            to = part.start;
            let then = if from < to { Change::WeekLeft(from, to) } else { Change::SweptWeek(now) };
            if !self.read_again(part, vec![then]).await? {
                break;
            }
        }
        Ok(())
    }

    async fn sweep(&self, from: i64, then: Vec<Change>) -> Result<(), ReadError> {
        let origin = self.state.borrow().origin;
        let Some(to) = self.backlog.lock().live else { return Ok(()) };
        self.read_again(from.max(origin)..to, then).await.map(drop)
    }

    /// Reads a time again. If all of it was read, `then` holds as well once its events have arrived. Returns whether it was.
    async fn read_again(&self, range: Range<i64>, then: Vec<Change>) -> Result<bool, ReadError> {
        let group = self.commits.group();
        let read = self.read_slices(range, Priority::History, group, FIRST_SLICE).await?;
        let whole = read.is_whole();
        let mut changes = read.changes;
        if whole {
            changes.extend(then);
        }
        self.commits.close(group, changes, read.awaited);
        // An order that changes from answer to answer can use up each sweep's budget at the same busy moment, so that no
        // sweep ever comes to a late event behind it. What isn't proven is read again in parts.
        read.unproven.iter().for_each(|range| self.doubt(range.clone(), None));
        Ok(whole)
    }

    /// Each day's `total` once a day; a day that changed is read again. Where a day has no earlier one, it is compared with
    /// the known ids.
    pub(super) async fn audits(&self, mut last: LastRead) -> Result<(), ReadError> {
        loop {
            self.sleep(Duration::from_secs(300)).await?;
            last.audit = self.audit_if_due(last.audit).await?;
        }
    }

    /// Returns when the days were last audited, now included.
    async fn audit_if_due(&self, audited: i64) -> Result<i64, ReadError> {
        let now = self.context.clock.now();
        if now - audited < DAY {
            return Ok(audited);
        }
        let origin = self.state.borrow().origin;
        let today = now.div_euclid(DAY);
        let first = (today - API_DAYS + 1).max(origin.div_euclid(DAY));
        for day in first..today {
            let range = day * DAY..(day + 1) * DAY;
            let total = match self.reader.total(range.clone()).await {
                Ok(Some(total)) => total,
                // No audit of this day today; tomorrow's compares with the last one that came.
                Ok(None) | Err(ReadError::Unreadable(_) | ReadError::TooLarge) => continue,
                Err(error) => return Err(error),
            };
            let before = self.state.borrow().total(day);
            let changed = match before {
                Some(before) => before != total,
                None => !self.accounts_for(&range, total).await?,
            };
            let change = Change::Total(day, total);
            if changed {
                self.read_again(range.start.max(origin)..range.end, vec![change]).await?;
            } else {
                self.commits.apply(change);
            }
        }
        self.commits.apply(Change::Audited(now));
        Ok(now)
    }

    /// Whether the known ids are as many as the API counts. For a day's first audit: the answers that it was read from may
    /// have said that there was less, or nothing at all, and nothing else would ever ask again.
    async fn accounts_for(&self, range: &Range<i64>, total: u64) -> Result<bool, ReadError> {
        // The query is a second wider, and whether its bounds count isn't documented.
        let around = self.dedup.known(range.start - 1..range.end + 1).await?;
        let inside = around.iter().filter(|known| range.contains(&known.time)).count() as u64;
        Ok((inside..=around.len() as u64).contains(&total))
    }
}

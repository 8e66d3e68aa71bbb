//! Sweeps and audit: reads times again to find events that became visible late.

use std::{ops::Range, time::Duration};

use super::error::ReadError;
use super::lanes::Lanes;
use super::query::Priority;
use super::slice::FIRST_SLICE;
use super::state::Change;
use super::time::{API_DAYS, DAY, SWEPT_DAYS};

/// Times of the last sweeps and audit, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct LastRead {
    /// The sweep of the last 24 hours.
    pub day: i64,
    /// The sweep of the last 7 days.
    pub week: i64,
    /// The audit of all days' totals.
    pub audit: i64,
}

impl Lanes {
    /// Sweeps the last 24 hours each hour and the last 7 days each day.
    pub(super) async fn sweeps(&self, mut last: LastRead) -> Result<(), ReadError> {
        // Kept here, too: the committed state follows only once a sweep's events are delivered.
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

    /// Runs what is due, for processes that a timer starts. Otherwise none of them would ever sweep. Short tasks come
    /// first, because a week can take longer than one run.
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

    /// Sweeps the last 7 days one by one, newest first. The next run continues where this one is stopped.
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

    /// Reads a range again and returns whether all of it was read. If so, applies `then` once its events are delivered.
    async fn read_again(&self, range: Range<i64>, then: Vec<Change>) -> Result<bool, ReadError> {
        let group = self.commits.group();
        let read = self.read_slices(range, Priority::History, group, FIRST_SLICE).await?;
        let whole = read.is_whole();
        let mut changes = read.changes;
        if whole {
            changes.extend(then);
        }
        self.commits.close(group, changes, read.awaited);
        // If the order changes with every response, each sweep can spend its budget at the same busy moment and never
        // reach a late event after it. So unproven ranges are read again in parts.
        read.unproven.iter().for_each(|range| self.doubt(range.clone(), None));
        Ok(whole)
    }

    /// Requests each day's `total` once a day and reads changed days again. A day's first `total` is compared with the
    /// known ids.
    pub(super) async fn audits(&self, mut last: LastRead) -> Result<(), ReadError> {
        loop {
            self.sleep(Duration::from_secs(300)).await?;
            last.audit = self.audit_if_due(last.audit).await?;
        }
    }

    /// Returns the time of the last audit, including this one.
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
                // Skip this day. Tomorrow's audit compares with its last known total.
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

    /// Whether the known ids match the API's count. Needed for a day's first audit: the responses it was read from may
    /// have shown fewer events or none, and nothing else would check again.
    async fn accounts_for(&self, range: &Range<i64>, total: u64) -> Result<bool, ReadError> {
        // The query is padded by one second, and whether its bounds are inclusive is undocumented.
        let around = self.dedup.known(range.start - 1..range.end + 1).await?;
        let inside = around.iter().filter(|known| range.contains(&known.time)).count() as u64;
        Ok((inside..=around.len() as u64).contains(&total))
    }
}

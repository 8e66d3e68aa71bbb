//! Reading again: the sweeps and the audit, for events that became visible late.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::client::Priority;
use super::intervals::Intervals;
use super::lanes::Lanes;
use super::slice::{FIRST_SLICE, Trouble};
use super::state::{API_DAYS, Change, DAY, SWEPT_DAYS};

impl Lanes {
    /// The last 24 hours each hour, the last 7 days each day.
    pub(super) async fn sweeps(&self, swept: (i64, i64)) -> Result<(), Trouble> {
        // Kept here, too: the committed state follows only once a sweep's events have arrived.
        let (mut day, mut week) = swept;
        loop {
            self.sleep(Duration::from_secs(60)).await?;
            (day, week) = self.sweep_if_due((day, week)).await?;
        }
    }

    /// For runs that follow each other, as those of a timer do: without this, none of them would ever read again. What is
    /// short comes first: a week may be more than one run has time for.
    pub(super) async fn due(&self, (day, week): (i64, i64), audited: i64) -> Result<(), Trouble> {
        let now = self.reader.client.time().now();
        if now - day >= 3600 {
            self.sweep(now - DAY, vec![Change::SweptDay(now)]).await?;
        }
        self.audit_if_due(audited).await?;
        if now - week >= DAY {
            self.sweep_by_days(now).await?;
        }
        Ok(())
    }

    /// The last 7 days, the newest first, each for itself: where the end of a run cuts it off, the next goes on.
    async fn sweep_by_days(&self, now: i64) -> Result<(), Trouble> {
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
            let group = self.reader.ingester.emitter.group();
            let span = self.span(part, Priority::History, group, FIRST_SLICE).await?;
            let whole = span.inner.is_whole();
            let mut changes = span.inner.changes;
            if whole {
                changes.push(if from < to { Change::WeekLeft(from, to) } else { Change::SweptWeek(now) });
            }
            self.reader.ingester.emitter.close(group, changes, span.inner.awaited);
            self.doubts(&span.inner.unproven);
            if !whole {
                break;
            }
        }
        Ok(())
    }

    /// Answers when the last day and the last week were last swept, now included.
    async fn sweep_if_due(&self, (day, week): (i64, i64)) -> Result<(i64, i64), Trouble> {
        let now = self.reader.client.time().now();
        if now - week >= DAY {
            self.sweep(now - SWEPT_DAYS * DAY, vec![Change::SweptWeek(now), Change::SweptDay(now)]).await?;
            return Ok((now, now));
        }
        if now - day >= 3600 {
            self.sweep(now - DAY, vec![Change::SweptDay(now)]).await?;
            return Ok((now, week));
        }
        Ok((day, week))
    }

    async fn sweep(&self, from: i64, then: Vec<Change>) -> Result<(), Trouble> {
        let origin = self.state.borrow().origin;
        let Some(to) = self.backlog.lock().live else { return Ok(()) };
        let group = self.reader.ingester.emitter.group();
        let span = self.span(from.max(origin)..to, Priority::History, group, FIRST_SLICE).await?;
        let whole = span.inner.is_whole();
        let mut changes = span.inner.changes;
        if whole {
            changes.extend(then);
        }
        self.reader.ingester.emitter.close(group, changes, span.inner.awaited);
        self.doubts(&span.inner.unproven);
        Ok(())
    }

    /// An order that changes from answer to answer can use up each sweep's questions at the same busy moment, so that no
    /// sweep ever comes to a late event behind it. What isn't proven is read again in parts.
    fn doubts(&self, unproven: &Intervals) {
        unproven.iter().for_each(|range| self.doubt(range.clone(), None));
    }

    /// Each day's `total` once a day; a day that changed is read again. Where a day has no earlier one, it is compared with
    /// the known ids.
    pub(super) async fn audits(&self, mut audited: i64) -> Result<(), Trouble> {
        loop {
            self.sleep(Duration::from_secs(300)).await?;
            audited = self.audit_if_due(audited).await?;
        }
    }

    /// Answers when the days were last audited, now included.
    async fn audit_if_due(&self, audited: i64) -> Result<i64, Trouble> {
        let now = self.reader.client.time().now();
        if now - audited < DAY {
            return Ok(audited);
        }
        let emitter = &self.reader.ingester.emitter;
        let origin = self.state.borrow().origin;
        let today = now.div_euclid(DAY);
        let first = (today - API_DAYS + 1).max(origin.div_euclid(DAY));
        for day in first..today {
            let range = day * DAY..(day + 1) * DAY;
            let total = match self.reader.total(&range).await {
                Ok(Some(total)) => total,
                // No audit of this day today; tomorrow's compares with the last one that came.
                Ok(None) | Err(Trouble::Unreadable(_) | Trouble::TooLarge) => continue,
                Err(trouble) => return Err(trouble),
            };
            let group = emitter.group();
            let before = self.state.borrow().total(day);
            let changed = match before {
                Some(before) => before != total,
                None => !self.accounts_for(&range, total).await?,
            };
            let mut changes = vec![Change::Total(day, total)];
            let mut awaited = BTreeSet::new();
            let mut unproven = Intervals::default();
            if changed {
                let range = range.start.max(origin)..range.end;
                let span = self.span(range, Priority::History, group, FIRST_SLICE).await?;
                if !span.inner.is_whole() {
                    changes.clear();
                }
                changes.extend(span.inner.changes);
                (awaited, unproven) = (span.inner.awaited, span.inner.unproven);
            }
            emitter.close(group, changes, awaited);
            self.doubts(&unproven);
        }
        emitter.close(emitter.group(), vec![Change::Audited(now)], BTreeSet::new());
        Ok(now)
    }

    /// Whether the known ids are as many as the API counts. For a day's first audit: the answers that it was read from may
    /// have said that there was less, or nothing at all, and nobody else would ever ask again.
    async fn accounts_for(&self, range: &Range<i64>, total: u64) -> Result<bool, Trouble> {
        // The question is a second wider, and nobody knows whether its bounds count.
        let around = self.reader.ingester.known(range.start - 1..range.end + 1).await?;
        let inside = around.iter().filter(|known| range.contains(&known.time)).count() as u64;
        Ok((inside..=around.len() as u64).contains(&total))
    }
}

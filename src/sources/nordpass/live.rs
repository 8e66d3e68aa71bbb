//! The live lane: polls the newest events.

use std::time::Duration;

use tokio::time::Instant;

use super::time::{seconds, timestamp};
use super::{again::LastRead, error::ReadError, lanes::Lanes, query::Priority};

/// A backlog of more seconds than this goes to the history.
const LIVE_AT_MOST: i64 = 15 * 60;

impl Lanes {
    /// Polls the newest events, from `start` on. What is before it is history.
    pub(super) async fn live(&self, start: i64, last: LastRead) -> Result<(), ReadError> {
        let (settings, clock) = (&self.context.settings, &self.context.clock);
        let overlap = seconds(settings.overlap);
        let mut cursor = start;
        // Sources that start together would poll together forever, so the second poll is early by a random share.
        let mut early = self.context.env.random.fraction();
        let goal = clock.safe_now();
        loop {
            let began = Instant::now();
            let to = clock.safe_now().max(cursor - overlap);
            if to - cursor > LIVE_AT_MOST.max(2 * overlap) {
                let rest = to - overlap;
                // Includes the overlap: a late event may have become visible during the outage.
                self.backlog.add((cursor - overlap).max(self.state.borrow().origin).min(cursor)..rest);
                cursor = rest;
            }
            let from = (cursor - overlap).max(self.state.borrow().origin).min(to);
            if from >= to {
                self.client.wait_for_the_clock(cursor, settings.poll_interval).await?;
            } else {
                self.client.the_clock_is_right();
                cursor = cursor.max(self.poll(from, to).await?);
                self.backlog.lock().live = Some(cursor);
            }
            // If the server's clock is behind, it limits "everything up to the start".
            if self.once && cursor >= goal.min(clock.safe_now()) {
                if settings.again_with_once {
                    // Before the history can end, because it also reads what these leave in doubt.
                    self.due(last).await?;
                }
                self.backlog.lock().live_done = true;
                self.backlog.changed.notify_waiters();
                return Ok(());
            }
            let interval = settings.poll_interval.mul_f64(1.0 - std::mem::take(&mut early));
            let pause = interval.saturating_sub(began.elapsed());
            self.sleep(if self.once { pause.min(Duration::from_secs(1)) } else { pause }).await?;
        }
    }

    /// Reads the parts of a range that aren't deferred as unreadable. Returns how far it got.
    async fn poll(&self, from: i64, to: i64) -> Result<i64, ReadError> {
        let mut end = from;
        let mut unreadable = Vec::new();
        for part in self.backlog.readable(from..to).iter() {
            let group = self.commits.group();
            let read = self.read_slices(part.clone(), Priority::Live, group, part.end - part.start).await?;
            self.commits.close(group, read.changes, read.awaited);
            unreadable.extend(read.unreadable);
            if let Some(rest) = read.outage {
                self.backlog.add(rest);
            }
            end = read.end;
            if end < part.end {
                break;
            }
        }
        for range in unreadable {
            tracing::warn!(
                component = self.context.telemetry.name(),
                from = %timestamp(range.start),
                to = %timestamp(range.end),
                "can't read this period now; retrying it in parallel with live polls"
            );
            self.backlog.defer(range, Duration::from_secs(1));
        }
        Ok(end)
    }
}

//! Waits while one of the clocks is clearly wrong.

use std::time::Duration;

use super::query::{Priority, Query};
use super::{client::Client, endpoint::Attempt, error::ReadError, time::DAY};
use crate::http::{Again, Failure, Retry, clock_is_wrong};

/// Name of the status part while a clock is wrong.
const CLOCK: &str = "clock";
/// Smaller steps back than this, in seconds, aren't reported.
const STEP_BACK: i64 = 120;

impl Client {
    /// Waits until the server's time is known or a page arrives. This machine's clock may be wrong by months after a
    /// power cut, so nothing is decided by it alone.
    pub async fn learn_time(&self) -> Result<(), ReadError> {
        let retry = Retry::new(&self.context.env, &self.context.telemetry);
        match retry.run(self.context.ending(), || self.try_to_learn_time()).await {
            Err(Some(error)) => Err(error),
            Ok(()) | Err(None) => Ok(()),
        }
    }

    /// Stops without an error if the time is known but no page came: the source doesn't work yet.
    async fn try_to_learn_time(&self) -> Result<(), Failure<Option<ReadError>>> {
        let now = self.context.clock.safe_now();
        let attempt = self.attempt(&Query::smallest((now - 60, now)), Priority::Live).await;
        Err(match attempt.map_err(|error| Failure::Stop(Some(error)))? {
            Attempt::Page(_) => return Ok(()),
            _ if self.context.clock.is_known() => Failure::Stop(None),
            Attempt::Wait(again) => Again { kind: None, ..again }.into(),
            Attempt::Unreadable(reason) | Attempt::TimedOut(reason) => waits_for(reason),
            Attempt::TooLarge => waits_for("a response with one event is too large".to_owned()),
        })
    }

    /// Waits until the two clocks are within a day of each other, before the start of the history is fixed. A clock
    /// showing 1970 would make all the time since then a gap.
    pub async fn agree_on_the_day(&self) -> Result<(), ReadError> {
        let mut is_first = true;
        let attempt = || self.try_to_agree(std::mem::take(&mut is_first));
        Retry::part(&self.context.env, &self.context.telemetry, CLOCK).run(self.context.ending(), attempt).await
    }

    async fn try_to_agree(&self, is_first: bool) -> Result<(), Failure<ReadError>> {
        let clock = &self.context.clock;
        if !is_first {
            self.ask_for_the_time(clock.safe_now()).await?;
        }
        let Some(ahead) = clock.ahead().filter(|ahead| ahead.abs() >= DAY) else { return Ok(()) };
        let wrong = clock_is_wrong(Some(ahead), "NordPass").unwrap_or_default();
        let until = "The start of the history isn't decided until one of them is right";
        Err(waits_for(format!("{wrong}. {until}")))
    }

    /// For polls that can't continue because the clock is behind `read`, the end of what was read. Sends a small query,
    /// because only a response can bring a new time. `again` is the time until the next poll.
    pub async fn wait_for_the_clock(&self, read: i64, again: Duration) -> Result<(), ReadError> {
        self.ask_for_the_time(read).await?;
        if read - self.context.clock.safe_now() > STEP_BACK {
            let reason = "the earlier of this machine's clock and NordPass's is behind what was already read; polling \
                          continues once it is right: check this machine's time synchronisation (timedatectl status)";
            self.context.held_up(CLOCK, reason, again);
        }
        Ok(())
    }

    /// Ends the report: polls continue.
    pub fn the_clock_is_right(&self) {
        self.context.telemetry.status().released(CLOCK);
    }

    /// Requests one event of the second before `at` to get the response's `Date`.
    async fn ask_for_the_time(&self, at: i64) -> Result<(), ReadError> {
        match self.ask_by_any_clock(&Query::smallest((at - 1, at)), Priority::Live).await {
            Err(ReadError::TooLarge | ReadError::Unreadable(_)) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn waits_for<E>(reason: String) -> Failure<E> {
    Again { reason: Some(reason), ..Again::default() }.into()
}

//! Resends dead letters, each once.

use std::{future::poll_fn, io, pin::pin, task::Poll, time::Duration};

use super::folder::Lock;
use super::marks::{Mark, MarkState, MarksLog};
use super::read::DeadLetterFolder;
use super::stored::StoredDeadLetter;
use crate::component::{LeaseGuard, Letter, Resend, ResendOutcome};
use nordpass_env::Clock;

/// The outcome for a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Sent and accepted.
    Accepted {
        /// An earlier attempt was interrupted, so the record may be there twice, with one id.
        maybe_twice: bool,
    },
    /// Not sent, because an earlier `resend` was accepted.
    Before(Mark),
    /// Refused again.
    Refused {
        /// HTTP status.
        status: u16,
        /// The destination's error code.
        code: Option<String>,
    },
    /// Not accepted, for a reason that says nothing about the record.
    Unsent {
        /// The reason for waiting.
        reason: String,
    },
    /// It can't be sent.
    Impossible {
        /// Why.
        reason: String,
    },
}

impl Fate {
    /// For a dead letter whose component has no destination, which `reason` explains.
    pub fn without_destination(dead_letter: &StoredDeadLetter, reason: &str) -> Self {
        let reason = if dead_letter.stream.is_none() { NOT_A_RECORD } else { reason };
        Self::Impossible { reason: reason.to_owned() }
    }
}

/// Reasons why nothing more can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// Another process is sending these dead letters.
    #[error("another `dead-letters resend` is processing these dead letters")]
    Busy,
    /// The lease that excludes other processes has ended, or another process has written marks.
    #[error("the lease on the dead letters is lost, so another `dead-letters resend` may be running")]
    Lost,
    /// Dead letters or marks can't be read or written.
    #[error("can't read or mark the dead letters: {0}")]
    Disk(#[from] io::Error),
}

/// Resends the dead letters of one folder. Only one process at a time can.
pub struct Resending {
    folder: DeadLetterFolder,
    patience: Duration,
    force: bool,
    lock: Lock,
}

impl Resending {
    /// Takes the lock. `force` also sends what was accepted before.
    pub async fn begin(folder: DeadLetterFolder, patience: Duration, force: bool) -> Result<Self, ResendError> {
        let lock = folder.folder.lock("resend.lock").await.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ResendError::Busy,
            _ => ResendError::Disk(error),
        })?;
        Ok(Self { folder, patience, force, lock })
    }

    /// Releases the lock at once. If it is only dropped, its lease must still expire.
    pub async fn end(self) {
        self.lock.release().await;
    }

    /// Sends dead letters of one component one by one, and reports the outcome of each. If a destination is
    /// unavailable, the rest isn't tried.
    pub async fn send(
        &self,
        dead_letters: &[StoredDeadLetter],
        destination: &dyn Resend,
        clock: &dyn Clock,
        mut tell: impl FnMut(&StoredDeadLetter, Fate),
    ) -> Result<(), ResendError> {
        let Some(first) = dead_letters.first() else { return Ok(()) };
        // Read again now that the lock is held: another process may have sent some meanwhile.
        let mut log = MarksLog::open(&self.folder.folder, &first.component).await?;
        let mut unavailable: Option<String> = None;
        for dead_letter in dead_letters {
            let known = log.marks.of(&dead_letter.id, dead_letter.stream.as_deref()).cloned();
            let maybe_twice = match known {
                Some(mark) if mark.state == MarkState::Resent && !self.force => {
                    tell(dead_letter, Fate::Before(mark));
                    continue;
                }
                Some(mark) => matches!(mark.state, MarkState::Resending | MarkState::Resent),
                None => false,
            };
            let fate = match &unavailable {
                Some(reason) => Fate::Unsent { reason: format!("not tried: {reason}") },
                None => self.one(dead_letter, destination, clock, &mut log, maybe_twice).await?,
            };
            if let (Fate::Unsent { reason }, None) = (&fate, &unavailable) {
                unavailable = Some(reason.clone());
            }
            tell(dead_letter, fate);
        }
        Ok(())
    }

    async fn one(
        &self,
        dead_letter: &StoredDeadLetter,
        destination: &dyn Resend,
        clock: &dyn Clock,
        log: &mut MarksLog,
        maybe_twice: bool,
    ) -> Result<Fate, ResendError> {
        let Some(stream) = dead_letter.stream.as_deref() else {
            return Ok(Fate::Impossible { reason: NOT_A_RECORD.to_owned() });
        };
        let Some(record) = object(self.folder.record(dead_letter).await?) else {
            return Ok(Fate::Impossible { reason: NOT_A_RECORD.to_owned() });
        };
        let Some(id) = dead_letter.event_id() else {
            return Ok(Fate::Impossible { reason: "its id isn't one of this program's".to_owned() });
        };
        let organization = dead_letter.organization.as_deref();
        let letter = Letter { id, shown_id: dead_letter.shown_event_id(), organization, stream, record: &record };
        let request_id = destination.request_id();
        let mark = |state, status, code| {
            let (time, request_id) = (clock.now_seconds(), request_id.clone());
            Mark { state, time, request_id, status, code }
        };
        if !log.append(&dead_letter.id, Some(stream), mark(MarkState::Resending, None, None)).await? {
            return Err(ResendError::Lost);
        }
        let sending = destination.resend(letter, &request_id, self.patience);
        // If this is cancelled, "resending" stays the last mark: the record may have arrived.
        let outcome = while_held(&self.lock.lease_guard(), sending).await.ok_or(ResendError::Lost)?;
        let (fate, state) = match outcome {
            ResendOutcome::Accepted => (Fate::Accepted { maybe_twice }, mark(MarkState::Resent, None, None)),
            ResendOutcome::Refused { status, code } => {
                (Fate::Refused { status, code: code.clone() }, mark(MarkState::Refused, Some(status), code))
            }
            // "Resending" stays the last mark: the record may have arrived.
            ResendOutcome::Unavailable { reason, unsure: true } => return Ok(Fate::Unsent { reason }),
            // It wasn't sent this time, but an earlier attempt may have arrived.
            ResendOutcome::Unavailable { reason, .. } if maybe_twice => return Ok(Fate::Unsent { reason }),
            ResendOutcome::Unavailable { reason, .. } => (Fate::Unsent { reason }, mark(MarkState::Unsent, None, None)),
            ResendOutcome::Impossible { reason } if maybe_twice => return Ok(Fate::Impossible { reason }),
            ResendOutcome::Impossible { reason } => (Fate::Impossible { reason }, mark(MarkState::Unsent, None, None)),
        };
        if log.append(&dead_letter.id, Some(stream), state).await? { Ok(fate) } else { Err(ResendError::Lost) }
    }
}

/// Does the work while the lock is held; `None` if it no longer is. Checks this before each step of the work, not only
/// by a timer: the process may have been stopped, or the machine may have slept, in between.
async fn while_held<T>(lease_guard: &LeaseGuard, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut ended) = (pin!(work), pin!(lease_guard.ended()));
    poll_fn(|context| {
        if !lease_guard.is_held() || ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Why a source's dead letter can't be sent.
const NOT_A_RECORD: &str = "it isn't a JSON object, so it can't be a record of a table; it is kept as NordPass sent it";

/// The record's text if it is a JSON object, or a string that contains one, which preserves line ends.
fn object(record: String) -> Option<String> {
    let is_object =
        |text: &str| text.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_object(&record) {
        return Some(record);
    }
    serde_json::from_str::<String>(&record).ok().filter(|text| is_object(text))
}

#[cfg(test)]
mod tests;

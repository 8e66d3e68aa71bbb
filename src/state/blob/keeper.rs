//! Keeps a source's lease, and says so when it can't: before the lease can have ended.

use std::sync::Arc;

use tokio::time::Instant;

use super::place::reason;
use super::source::Source;
use crate::azure::blob::BlobError;
use crate::component::{LeaseRequested, LeaseState};
use crate::http::Backoff;

/// Keeps the lease until the source is dropped or lost. It may be read from `from` on.
pub(super) fn keep(source: &Arc<Source>, taken: LeaseRequested, from: Instant) {
    source.holder.set(state(source, taken, from));
    let keeper = Keeper { from, weak: Arc::downgrade(source), backoff: Backoff::new(source.base.env.random.clone()) };
    source.kept_by(tokio::spawn(keeper.run(taken.at + source.base.times.renew)).abort_handle());
}

struct Keeper {
    from: Instant,
    /// Whoever uses the source decides how long it is kept.
    weak: std::sync::Weak<Source>,
    backoff: Backoff,
}

/// What an attempt came to.
enum Outcome {
    StateBackend(LeaseRequested),
    /// Perhaps not any more, and why.
    Trouble(String),
    /// There is none any more, or there may be none: another may have had one in between.
    Ended(String),
    Lost,
}

impl Keeper {
    async fn run(mut self, mut next: Instant) {
        let mut ended = false;
        loop {
            tokio::time::sleep_until(next).await;
            let Some(source) = self.weak.upgrade() else { return };
            let times = source.base.times;
            let outcome = if ended { again(&source).await } else { renew(&source).await };
            let wait = self.backoff.next_wait().min(times.duration / 10);
            match outcome {
                Outcome::StateBackend(taken) => {
                    ended = false;
                    self.backoff.reset();
                    source.holder.set(state(&source, taken, self.from));
                    next = taken.at + times.renew;
                }
                Outcome::Trouble(reason) => {
                    // It lasts for the time that it was given; only when that is over the source is let go.
                    if !source.lease_guard.is_held() && Instant::now() >= self.from {
                        source.holder.set(LeaseState::Unsure(reason));
                    }
                    next = Instant::now() + wait;
                }
                Outcome::Ended(reason) => {
                    source.holder.set(LeaseState::Unsure(reason));
                    // At once: perhaps nobody else has noticed.
                    next = Instant::now() + if ended { wait } else { std::time::Duration::ZERO };
                    ended = true;
                }
                Outcome::Lost => {
                    source.holder.set(LeaseState::Lost);
                    return;
                }
            }
        }
    }
}

fn state(source: &Source, taken: LeaseRequested, from: Instant) -> LeaseState {
    let times = source.base.times;
    taken.state(from, times.duration.saturating_sub(times.margin))
}

fn now(source: &Source) -> LeaseRequested {
    LeaseRequested::now(source.base.env.clock.as_ref())
}

async fn renew(source: &Source) -> Outcome {
    let asked = now(source);
    match source.base.container.renew(&source.place.state, &source.lease).await {
        Ok(()) => Outcome::StateBackend(asked),
        Err(BlobError::Conflict { code, .. }) if code == "LeaseIdMismatchWithLeaseOperation" => Outcome::Lost,
        // Broken, or over: it may still be ours to take.
        Err(BlobError::Conflict { code, .. }) => Outcome::Ended(format!("it has ended ({code})")),
        Err(error @ (BlobError::NoBlob | BlobError::NoContainer)) => Outcome::Ended(reason(&error)),
        Err(error) => Outcome::Trouble(error.to_string()),
    }
}

/// Takes the lease again. If the state is as it was left, nobody had the source in between: whoever takes one writes that
/// into the state before anything else.
async fn again(source: &Source) -> Outcome {
    let asked = now(source);
    let seconds = source.base.times.duration.as_secs();
    match source.base.container.acquire(&source.place.state, &source.lease, seconds).await {
        Ok(()) => {}
        Err(BlobError::Conflict { code, .. }) if code == "LeaseAlreadyPresent" => return Outcome::Lost,
        // Being broken, for one: nobody else can have it before that is over.
        Err(BlobError::Conflict { code, .. }) => return Outcome::Ended(format!("it has ended ({code})")),
        Err(error) => return Outcome::Ended(reason(&error)),
    }
    match source.is_as_left().await {
        Ok(true) => Outcome::StateBackend(asked),
        Ok(false) => Outcome::Lost,
        Err(error) => Outcome::Ended(error.to_string()),
    }
}

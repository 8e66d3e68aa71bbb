//! Reading one given time, once: for `backfill`, and for the comparison and the fetch of `reconcile`.
//!
//! Known events are dropped as always, so only the difference is delivered. The ids of what was delivered are committed
//! and nothing else: the live cursor, the covered times and the sweeps stay as they are.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Priority;
use super::commit::CommitPolicy;
use super::lanes::Lanes;
use super::slice::{FIRST_SLICE, Trouble};
use super::state::DAY;
use super::{Settings, build};
use crate::component::{ComponentError, Context, Input, Output};
use crate::event::EventId;
use crate::http::Backoff;

/// How often seconds that can't be read are tried before the command gives up on them.
const TRIES: u32 = 5;

/// What a source is to read.
#[derive(Clone, Debug, Default)]
pub enum ReadMode {
    /// Everything, for as long as the program runs.
    #[default]
    Follow,
    /// These Unix seconds, once.
    Fetch(Range<i64>),
    /// These Unix seconds, once, only to compare; nothing is committed.
    Compare(Range<i64>, Arc<Counts>),
}

/// What a comparison counts while it reads.
#[derive(Debug, Default)]
pub struct Counts {
    acknowledged: AtomicU64,
    known: AtomicU64,
    unproven: AtomicBool,
}

impl ReadMode {
    /// The time, where one was given.
    pub(super) fn range(&self) -> Option<Range<i64>> {
        match self {
            Self::Follow => None,
            Self::Fetch(range) | Self::Compare(range, _) => Some(range.clone()),
        }
    }

    /// What of it is kept.
    pub(super) fn keeps(&self) -> CommitPolicy {
        match self {
            Self::Follow => CommitPolicy::All,
            Self::Fetch(_) => CommitPolicy::Ids,
            Self::Compare(..) => CommitPolicy::Nothing,
        }
    }
}

/// An event that NordPass has and that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its id.
    pub id: EventId,
    /// Its time in Unix seconds.
    pub time: i64,
    /// `type.action`.
    pub kind: String,
}

/// What a time holds at NordPass, and what of it was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Events that NordPass shows and that were acknowledged.
    pub acknowledged: u64,
    /// Events that NordPass shows and that weren't, by time.
    pub missing: Vec<Missing>,
    /// Events that were acknowledged and that NordPass doesn't show (any more).
    pub gone: u64,
    /// Whether a part of the time couldn't be proven complete: the API's own count doesn't add up.
    pub unproven: bool,
}

impl Lanes {
    /// Reads a time day by day, however often parts of it have to be asked for.
    pub(super) async fn range(&self, range: Range<i64>, mode: &ReadMode) -> Result<(), Trouble> {
        let ingester = &self.reader.ingester;
        let progress = ingester.telemetry.progress();
        progress.history_from.store(range.start, Ordering::Relaxed);
        progress.history_to.store(range.end, Ordering::Relaxed);
        let mut rest = days(&range);
        let mut backoff = Backoff::new(ingester.env.random.clone());
        let mut tries = 0;
        let mut unreadable = Vec::new();
        while let Some(piece) = rest.pop_front() {
            let group = ingester.emitter.group();
            let span = self.span(piece.clone(), Priority::History, group, FIRST_SLICE).await?;
            ingester.emitter.close(group, Vec::new(), span.inner.awaited);
            progress.history_at.store(span.end, Ordering::Relaxed);
            if let ReadMode::Compare(_, counts) = mode {
                let known = ingester.known(piece.start..span.end).await?.len() as u64;
                counts.known.fetch_add(known, Ordering::Relaxed);
                counts.acknowledged.fetch_add(span.inner.acknowledged, Ordering::Relaxed);
                counts.unproven.fetch_or(!span.inner.unproven.is_empty(), Ordering::Relaxed);
            }
            unreadable.extend(span.inner.unreadable);
            let left = span.inner.outage.or((span.end < piece.end).then_some(span.end..piece.end));
            match left {
                // An outage, or a server whose clock isn't that far yet: all of the rest waits.
                Some(left) => {
                    rest.push_front(left);
                    self.sleep(backoff.next_wait()).await?;
                }
                None => backoff.reset(),
            }
            if rest.is_empty() && !unreadable.is_empty() {
                tries += 1;
                if tries == TRIES {
                    break;
                }
                rest.extend(unreadable.drain(..));
                self.sleep(backoff.next_wait()).await?;
            }
        }
        self.signal.begin();
        match unreadable.first() {
            None => Ok(()),
            Some(first) => Err(Trouble::Unreadable(format!(
                "can't read {} seconds, the first at {} (Unix time); the others were read",
                unreadable.len(),
                first.start
            ))),
        }
    }
}

/// The UTC days of a time, the first and the last cut to it.
fn days(range: &Range<i64>) -> VecDeque<Range<i64>> {
    let mut days = VecDeque::new();
    let mut at = range.start;
    while at < range.end {
        let end = ((at.div_euclid(DAY) + 1) * DAY).min(range.end);
        days.push_back(at..end);
        at = end;
    }
    days
}

/// Asks NordPass what a time holds and compares it with what was acknowledged. Delivers nothing, commits nothing.
pub async fn compare(
    mut settings: Settings,
    context: Context,
    range: Range<i64>,
) -> Result<Comparison, ComponentError> {
    let counts = Arc::<Counts>::default();
    settings.mode = ReadMode::Compare(range, counts.clone());
    let (sender, mut input) = Input::new();
    let output = Output::new(vec![sender], context.telemetry.clone());
    let shutdown = context.shutdown.clone();
    let missing = Mutex::new(Vec::new());
    let collect = async {
        while let Some((_, chunk)) = input.receive().await {
            let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
            for event in chunk.events() {
                let kind = format!("{}.{}", event.text_of(&event.fields.kind), event.text_of(&event.fields.action));
                missing.push(Missing { id: event.record.id, time: event.record.time, kind });
            }
            drop(missing);
            chunk.ack.done();
        }
    };
    let (result, ()) = tokio::join!(build(settings).run(context, output), collect);
    result?;
    if shutdown.has_begun() {
        return Err(ComponentError::new("stopped before everything was compared"));
    }
    let mut missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
    missing.sort_by_key(|event| (event.time, event.id));
    let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
    Ok(Comparison {
        acknowledged,
        missing,
        gone: counts.known.load(Ordering::Relaxed).saturating_sub(acknowledged),
        unproven: counts.unproven.load(Ordering::Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_by_utc_days() {
        assert_eq!(days(&(10..20)), vec![Range { start: 10, end: 20 }]);
        assert_eq!(days(&(DAY - 1..2 * DAY + 1)), [DAY - 1..DAY, DAY..2 * DAY, 2 * DAY..2 * DAY + 1]);
        assert!(days(&(5..5)).is_empty());
    }
}

//! Compares NordPass's events in a time range with the acknowledged ones, for `reconcile`.

use std::{ops::Range, sync::Arc, sync::atomic::Ordering};

use super::mode::{Counts, Examine, ReadMode};
use super::settings::Settings;
use crate::component::{ComponentError, Context, Input, Output, Source};
use crate::event::EventId;
use nordpass_env::Mutex;

/// An event at NordPass that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its id.
    pub id: EventId,
    /// Its time in Unix seconds.
    pub time: i64,
    /// `type.action`.
    pub kind: String,
}

/// The result of comparing a time range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Number of acknowledged events that NordPass shows.
    pub acknowledged: u64,
    /// Events that NordPass shows and that weren't acknowledged, by time, without those that are unwanted.
    pub missing: Vec<Missing>,
    /// Number of acknowledged events that NordPass doesn't show (any more).
    pub gone: u64,
    /// Whether part of the range couldn't be proven complete: the API's own count doesn't add up.
    pub unproven: bool,
}

/// Reads a time range from NordPass and compares it with the acknowledged events. Delivers and commits nothing. `examine` sees
/// each event.
pub async fn compare(
    mut settings: Settings,
    context: Context,
    range: Range<i64>,
    examine: Arc<dyn Examine>,
) -> Result<Comparison, ComponentError> {
    let counts = Arc::new(Counts::new(examine.clone()));
    settings.mode = ReadMode::Compare(range, counts.clone());
    let (sender, mut input) = Input::new();
    let output = Output::new(vec![sender], context.telemetry.clone());
    let shutdown = context.shutdown.clone();
    let missing = Mutex::new(Vec::new());
    let collect = async {
        while let Some((_, chunk)) = input.receive().await {
            // What is only examined acknowledges nothing.
            let examined = chunk.detached();
            let mut missing = missing.lock();
            for (number, event) in chunk.events().enumerate() {
                if examine.is_unwanted(&examined.part(&[number])) {
                    continue;
                }
                let kind = format!("{}.{}", event.text_of(&event.fields.kind), event.text_of(&event.fields.action));
                missing.push(Missing { id: event.record.id, time: event.record.time, kind });
            }
            drop(missing);
            chunk.ack.done();
        }
    };
    let (result, ()) = tokio::join!(Box::new(settings).run(context, output), collect);
    result?;
    if shutdown.is_cancelled() {
        return Err(ComponentError::new("stopped before everything was compared"));
    }
    let mut missing = missing.into_inner();
    missing.sort_by_key(|event| (event.time, event.id));
    let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
    Ok(Comparison {
        acknowledged,
        missing,
        gone: counts.known.load(Ordering::Relaxed).saturating_sub(acknowledged),
        unproven: counts.unproven.load(Ordering::Relaxed),
    })
}

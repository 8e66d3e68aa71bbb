//! Delivers one batch: sends it until the destination has every record, or has refused a record by name.
//!
//! - Refused for its size: halve the batch. A record that the destination says is too large alone becomes a dead letter.
//! - Refused because records of a request are too far apart in time: split by time from then on.
//! - Refused for its content: halve until the refused record is alone. It becomes a dead letter only with a proof that *this* record is
//!   refused ([`super::evidence`]), or has it already. Without one it is handed back, and the sink tries it again later. If everything is refused, the
//!   records aren't at fault: wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::batch::{Encoded, Rows};
use super::evidence::{Attribution, RefusalEvidence};
use super::protocol::{Protocol, RecordClass, Refusal, RefusalKind};
use super::sender::{Sender, Sent};
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// After this many refused single records in a row, the rest of the batch waits: the records aren't at fault.
const REFUSED_IN_A_ROW: u32 = 3;

/// What all deliveries of a sink share.
pub struct Delivery<P> {
    /// Sends the batches.
    pub sender: Sender<P>,
    /// Where refused records go.
    pub dead_letters: Box<dyn DeadLetterWriter>,
    /// Clock, randomness, disk, network.
    pub env: Env,
    /// Metrics.
    pub telemetry: ComponentReporter,
}

/// Rows of one stream to deliver; or one row that was refused without a proof that it is the row's fault.
#[derive(Debug)]
pub struct Batch {
    /// Index of the stream.
    pub stream: usize,
    /// The rows.
    pub rows: Rows,
    /// Its body, if it is sent again.
    encoded: Option<Encoded>,
    /// What is known about a refused row.
    pub evidence: Option<RefusalEvidence>,
}

impl Batch {
    /// Creates a batch that wasn't sent yet.
    pub fn new(stream: usize, rows: Rows) -> Self {
        Self { stream, rows, encoded: None, evidence: None }
    }
}

/// A batch that is being delivered.
struct Work {
    stream: usize,
    /// Parts still to send, the next one last.
    parts: Vec<Batch>,
    refused_in_a_row: u32,
    backoff: Backoff,
}

impl<P: Protocol> Delivery<P> {
    /// Delivers a batch. Returns each row that was refused without a proof, alone.
    pub async fn deliver(self: &Arc<Self>, batch: Batch) -> Vec<Batch> {
        let stream = batch.stream;
        let mut work =
            Work { stream, parts: vec![batch], refused_in_a_row: 0, backoff: Backoff::new(self.env.random.clone()) };
        let (mut suspects, mut suspected) = (Vec::new(), None);
        let (state, max_body_bytes) = (self.sender.streams.get(stream), self.sender.protocol.max_body_bytes());
        while let Some(Batch { rows, encoded, evidence, .. }) = work.parts.pop() {
            let time_range = state.time_range.load(Ordering::Relaxed);
            if time_range < i64::MAX && rows.span() > time_range {
                let parts = rows.split_by_time(time_range).into_iter();
                work.parts.extend(parts.map(|rows| Batch::new(stream, rows)));
                continue;
            }
            let (rows, encoded) = match encoded {
                Some(encoded) => (rows, encoded),
                None => self.encode_aside(rows).await,
            };
            if encoded.body.len() > max_body_bytes && rows.len() > 1 {
                self.halve(rows, &mut work);
                continue;
            }
            let accepted = state.accepted();
            match self.sender.send(stream, &encoded, &self.sender.request_id(), None).await {
                Sent::Accepted => {
                    work.refused_in_a_row = 0;
                    work.backoff.reset();
                    self.on_accepted(stream, rows, &encoded);
                }
                Sent::Partial(classes) => self.on_partial(&mut work, rows, &classes, &encoded).await,
                // Only a send with a deadline gives up.
                Sent::GaveUp { .. } => {
                    work.parts.push(Batch { stream, rows, encoded: Some(encoded), evidence });
                }
                Sent::Refused(refusal) if rows.len() > 1 => self.on_refused(&mut work, rows, encoded, &refusal).await,
                Sent::Refused(refusal)
                    if refusal.proves_too_large(encoded.body.len(), max_body_bytes, self.sender.longest()) =>
                {
                    self.dead_letter(stream, rows, &refusal, "the record alone exceeds the size limit of a request")
                        .await;
                }
                // A process before this one had the proof, and ended before the record was acknowledged.
                Sent::Refused(refusal) if self.dead_letters.has(rows.record(0).id, &state.name).await => {
                    self.dead_letter(stream, rows, &refusal, "refused, as it was before").await;
                }
                // Any other 413 for one record may be a proxy's, so it needs the same proof as a 400.
                Sent::Refused(refusal) => {
                    // The batch may have been refused for another record, so begin here.
                    let evidence = evidence.unwrap_or_else(|| RefusalEvidence::new(self.sender.sent()));
                    match evidence.attribute(&self.sender, stream, accepted, &refusal, &encoded).await {
                        Attribution::Proven => {
                            let reason = format!("{} refuses this record and accepts others", P::NAME);
                            self.dead_letter(stream, rows, &refusal, &reason).await;
                        }
                        Attribution::SendAgain(evidence) => {
                            work.parts.push(Batch { stream, rows, encoded: Some(encoded), evidence: Some(evidence) });
                        }
                        Attribution::Open(evidence) => {
                            work.refused_in_a_row += 1;
                            suspects.push(Batch { evidence: Some(evidence), ..Batch::new(stream, rows) });
                            suspected = Some(refusal);
                        }
                    }
                }
            }
        }
        if let Some(refusal) = suspected {
            // They are retried after the next acceptance, or in turn with the other suspects.
            self.sender.waits(stream, &self.sender.protocol.refuses_one(&refusal, &state.name), None);
        }
        suspects
    }

    /// Encodes rows on any free core. A full batch takes some milliseconds, during which the sink's loop continues.
    async fn encode_aside(self: &Arc<Self>, rows: Rows) -> (Rows, Encoded) {
        let delivery = self.clone();
        let work = tokio::spawn(async move {
            let encoded = delivery.sender.protocol.encode(&rows);
            (rows, encoded)
        });
        match work.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the runtime cancels it, and that ends this future, too.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Handles several rows that were refused together.
    async fn on_refused(&self, work: &mut Work, rows: Rows, encoded: Encoded, refusal: &Refusal) {
        let stream = self.sender.streams.get(work.stream);
        if let RefusalKind::TimeRange(seconds) = refusal.kind
            && rows.span() > seconds
        {
            stream.time_range.store(seconds, Ordering::Relaxed);
            work.parts.push(Batch::new(work.stream, rows));
        } else if refusal.is_for_size() || work.refused_in_a_row < REFUSED_IN_A_ROW {
            self.halve(rows, work);
        } else {
            // The records aren't at fault: all of them are refused. Retry the rest later.
            let wait = work.backoff.next_wait();
            self.sender.waits(work.stream, &self.sender.protocol.refuses_all(refusal, &stream.name), Some(wait));
            tokio::time::sleep(wait).await;
            work.refused_in_a_row = 0;
            work.parts.push(Batch { encoded: Some(encoded), ..Batch::new(work.stream, rows) });
        }
    }

    /// Handles an answer that says something about each record.
    async fn on_partial(&self, work: &mut Work, rows: Rows, classes: &[RecordClass], encoded: &Encoded) {
        let [accepted, refused, again] = rows.split_into(|row| match classes.get(row) {
            Some(RecordClass::Accepted) => 0,
            Some(RecordClass::Refused) => 1,
            Some(RecordClass::Again) | None => 2,
        });
        if !accepted.is_empty() {
            work.refused_in_a_row = 0;
            work.backoff.reset();
            self.on_accepted(work.stream, accepted, encoded);
        }
        // Alone, a record gets its own refusal, and needs the same proof as any other.
        work.parts.extend(refused.singly().into_iter().map(|rows| Batch::new(work.stream, rows)));
        if !again.is_empty() {
            let wait = work.backoff.next_wait();
            let reason =
                format!("{} has taken a part of a batch for {}", P::NAME, self.sender.streams.get(work.stream).name);
            self.sender.waits(work.stream, &reason, Some(wait));
            tokio::time::sleep(wait).await;
            work.parts.push(Batch::new(work.stream, again));
        }
    }

    /// Splits rows in random order. If the same records always came first, a few bad ones in front could keep the good
    /// ones behind them waiting.
    fn halve(&self, rows: Rows, work: &mut Work) {
        let (first, second) = rows.split();
        let mut halves = [first, second];
        if self.env.random.next_u64() & 1 == 1 {
            halves.reverse();
        }
        work.parts.extend(halves.map(|rows| Batch::new(work.stream, rows)));
    }

    fn on_accepted(&self, stream: usize, rows: Rows, encoded: &Encoded) {
        self.sender.works(stream);
        let (state, telemetry) = (self.sender.streams.get(stream), &self.telemetry);
        let name = &state.label;
        let (count, json, wire) = (rows.len(), encoded.json_bytes, encoded.body.len());
        telemetry.add_labelled(&metrics::STREAM_ROWS, name, count as u64);
        telemetry.add_labelled(&metrics::STREAM_BYTES_JSON, name, json as u64);
        telemetry.add(&metrics::SENT, count as u64);
        telemetry.add(&metrics::BYTES_JSON, json as u64);
        telemetry.add(&metrics::BYTES_WIRE, wire as u64);
        telemetry.observe(&metrics::BATCH_ROWS, count as f64);
        telemetry.observe(&metrics::BATCH_BYTES, json as f64);
        telemetry.observe(&metrics::BATCH_WIRE_BYTES, wire as f64);
        rows.done();
    }

    /// Writes a single row to the dead letters, however long it takes.
    async fn dead_letter(&self, stream: usize, rows: Rows, refusal: &Refusal, reason: &str) {
        let Refusal { status, code, request_id, .. } = refusal;
        let dead_letter = DeadLetter {
            id: rows.record(0).id,
            shown_id: Some(rows.shown_id(0)).filter(|shown| *shown != rows.record(0).id),
            organization: rows.chunk(0).organization.as_ref().map(|organization| organization.id.clone()),
            stream: Some(self.sender.streams.get(stream).name.clone()),
            reason: reason.to_owned(),
            status: Some(*status),
            code: code.clone(),
            request_id: request_id.clone(),
            time: self.env.clock.now_seconds(),
            record: rows.text(0).to_owned(),
        };
        if self.dead_letters.write(std::slice::from_ref(&dead_letter), &self.env, &self.telemetry).await > 0 {
            let (component, id, code) = (self.telemetry.name(), dead_letter.id, code.as_deref());
            tracing::warn!(component, %id, status, code, "dead letter: {reason}");
        }
        // The stream works: the destination has answered, and the row is settled.
        self.sender.works(stream);
        rows.done();
    }
}

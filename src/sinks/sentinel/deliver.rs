//! Delivers one batch: sends it until Azure has every row, or has refused a row by name.
//!
//! - 413: halve the batch. A row that Azure says is too large alone becomes a dead letter.
//! - 400 because an auxiliary table requires all rows of a request within 30 minutes: split by time from then on.
//! - 400: halve until the refused row is alone. It becomes a dead letter only with a proof that Azure refuses *this*
//!   record ([`super::evidence`]). Without one it is handed back, and the sink tries it again later. If everything is
//!   refused, the rows aren't at fault: wait.

use std::sync::atomic::Ordering;

use super::batch::{Encoded, Rows};
use super::evidence::{Attribution, RefusalEvidence};
use super::protocol::{MAX_WIRE_BYTES, Refusal};
use super::sender::{Sender, Sent};
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// After this many refused single records in a row, the rest of the batch waits: the records aren't at fault.
const REFUSED_IN_A_ROW: u32 = 3;
/// The 30 minutes of an auxiliary table, minus a safety margin.
const TIME_RANGE_SECONDS: i64 = 29 * 60;

/// What all deliveries of a sink share.
pub struct Delivery {
    /// Sends the batches.
    pub sender: Sender,
    /// Where refused records go.
    pub dead_letters: Box<dyn DeadLetterWriter>,
    /// 0 to 9.
    pub gzip_level: u32,
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

impl Delivery {
    /// Delivers a batch. Returns each row that was refused without a proof, alone.
    pub async fn deliver(&self, batch: Batch) -> Vec<Batch> {
        let stream = batch.stream;
        let mut work =
            Work { stream, parts: vec![batch], refused_in_a_row: 0, backoff: Backoff::new(self.env.random.clone()) };
        let (mut suspects, mut suspected) = (Vec::new(), None);
        let state = &self.sender.streams[stream];
        while let Some(Batch { rows, encoded, evidence, .. }) = work.parts.pop() {
            if state.time_limited.load(Ordering::Relaxed) && rows.span() > TIME_RANGE_SECONDS {
                let parts = rows.split_by_time(TIME_RANGE_SECONDS).into_iter();
                work.parts.extend(parts.map(|rows| Batch::new(stream, rows)));
                continue;
            }
            let (rows, encoded) = match encoded {
                Some(encoded) => (rows, encoded),
                None => rows.encode_aside(self.gzip_level).await,
            };
            if encoded.body.len() > MAX_WIRE_BYTES && rows.len() > 1 {
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
                // Only a send with a deadline gives up.
                Sent::GaveUp { .. } => {
                    work.parts.push(Batch { stream, rows, encoded: Some(encoded), evidence });
                }
                Sent::Refused(refusal) if rows.len() > 1 => self.on_refused(&mut work, rows, encoded, &refusal).await,
                Sent::Refused(refusal) if refusal.proves_too_large(encoded.body.len(), self.sender.longest()) => {
                    self.dead_letter(stream, rows, &refusal, "the record alone exceeds the size limit of a request")
                        .await;
                }
                // Any other 413 for one record may be a proxy's, so it needs the same proof as a 400.
                Sent::Refused(refusal) => {
                    // The batch may have been refused for another record, so begin here.
                    let evidence = evidence.unwrap_or_else(|| RefusalEvidence::new(self.sender.sent()));
                    match evidence.attribute(&self.sender, stream, accepted, &refusal, &encoded).await {
                        Attribution::Proven => {
                            let reason = "Azure refuses this record and accepts others";
                            self.dead_letter(stream, rows, &refusal, reason).await;
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
            self.sender.waits(stream, &refusal.of_one_record(&state.name), None);
        }
        suspects
    }

    /// Handles several rows that were refused together.
    async fn on_refused(&self, work: &mut Work, rows: Rows, encoded: Encoded, refusal: &Refusal) {
        let stream = &self.sender.streams[work.stream];
        if refusal.is_for_time_range() && rows.span() > TIME_RANGE_SECONDS {
            stream.time_limited.store(true, Ordering::Relaxed);
            work.parts.push(Batch::new(work.stream, rows));
        } else if refusal.is_for_size() || work.refused_in_a_row < REFUSED_IN_A_ROW {
            self.halve(rows, work);
        } else {
            // The records aren't at fault: Azure refuses all of them. Retry the rest later.
            let wait = work.backoff.next_wait();
            self.sender.waits(work.stream, &refusal.of_every_record(&stream.name), Some(wait));
            tokio::time::sleep(wait).await;
            work.refused_in_a_row = 0;
            work.parts.push(Batch { encoded: Some(encoded), ..Batch::new(work.stream, rows) });
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
        let (name, telemetry) = (&self.sender.streams[stream].name, &self.telemetry);
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
        let Refusal { status, code, request_id } = refusal;
        let dead_letter = DeadLetter {
            id: rows.record(0).id,
            shown_id: None,
            stream: Some(self.sender.streams[stream].name.clone()),
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
        // The stream works: Azure has answered, and the row is settled.
        self.sender.works(stream);
        rows.done();
    }
}

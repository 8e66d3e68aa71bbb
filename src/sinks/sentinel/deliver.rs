//! Delivers one batch: sends it until Azure has every row, or has refused a row by name.
//!
//! - 413: halved. A row that Azure says is too large alone becomes a dead letter.
//! - 400 because an auxiliary table wants all rows of a request within 30 minutes: split by time, from then on.
//! - 400: halved, until the refused row is alone. It becomes a dead letter only with a proof that Azure means *this*
//!   record ([`super::evidence`]). Without one it is handed back, and the sink tries it again later. If
//!   everything is refused, it isn't the rows: wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::batch::{Encoded, Rows};
use super::dead_letter::DeadLetterRecorder;
use super::evidence::{Attribution, RefusalEvidence};
use super::protocol::{MAX_WIRE_BYTES, Refusal};
use super::sender::{Sender, Sent};
use crate::http::Backoff;
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Random;

/// After this many single records in a row were refused, the rest of the batch waits: it isn't the records.
const REFUSED_IN_A_ROW: u32 = 3;
/// A little less than the 30 minutes of an auxiliary table.
const TIME_RANGE_SECONDS: i64 = 29 * 60;

/// What all deliveries of a sink share.
pub struct Delivery {
    /// Sends the batches.
    pub sender: Sender,
    /// Where refused records go.
    pub dead_letters: DeadLetterRecorder,
    /// 0 to 9.
    pub gzip_level: u32,
    /// Decides which half of a batch comes first.
    pub random: Arc<dyn Random>,
    /// Metrics.
    pub telemetry: ComponentReporter,
}

/// Rows of one stream to deliver; or one row that was refused without a proof that it is the row's fault.
#[derive(Debug)]
pub struct Batch {
    /// Which stream.
    pub stream: usize,
    /// The rows.
    pub rows: Rows,
    /// Of a refused row: what is known about it.
    pub evidence: Option<RefusalEvidence>,
}

/// A part of a batch that is still to be sent.
struct Part {
    rows: Rows,
    encoded: Option<Encoded>,
    /// Of a single row that was refused: what is known.
    evidence: Option<RefusalEvidence>,
}

impl Part {
    fn new(rows: Rows) -> Self {
        Self { rows, encoded: None, evidence: None }
    }
}

/// A batch under way.
struct Work {
    stream: usize,
    /// What is still to be sent, the next part last.
    parts: Vec<Part>,
    refused_in_a_row: u32,
    backoff: Backoff,
}

impl Delivery {
    /// Delivers a batch. Returns the rows that were refused without a proof, each alone.
    pub async fn deliver(&self, Batch { stream, rows, evidence }: Batch) -> Vec<Batch> {
        let parts = vec![Part { evidence, ..Part::new(rows) }];
        let mut work = Work { stream, parts, refused_in_a_row: 0, backoff: Backoff::new(self.random.clone()) };
        let (mut suspects, mut suspected) = (Vec::new(), None);
        let state = &self.sender.streams[stream];
        while let Some(Part { rows, encoded, evidence }) = work.parts.pop() {
            if state.time_limited.load(Ordering::Relaxed) && rows.span() > TIME_RANGE_SECONDS {
                work.parts.extend(rows.split_by_time(TIME_RANGE_SECONDS).into_iter().map(Part::new));
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
                Sent::GaveUp { .. } => work.parts.push(Part { rows, encoded: Some(encoded), evidence }),
                Sent::Refused(refusal) if rows.len() > 1 => self.on_refused(&mut work, rows, encoded, &refusal).await,
                Sent::Refused(refusal) if refusal.proves_too_large(encoded.body.len(), self.sender.longest()) => {
                    self.dead_letter(stream, rows, &refusal, "the record alone exceeds the size limit of a request")
                        .await;
                }
                // Any other 413 for one record may be a proxy's: it needs the same proof as any refusal.
                Sent::Refused(refusal) => {
                    // What its batch was refused for needn't have been this record.
                    let evidence = evidence.unwrap_or_else(|| RefusalEvidence::new(self.sender.sent()));
                    match evidence.attribute(&self.sender, stream, accepted, &refusal, &encoded).await {
                        Attribution::Proven => {
                            let reason = "Azure refuses this record and accepts others";
                            self.dead_letter(stream, rows, &refusal, reason).await;
                        }
                        Attribution::SendAgain(evidence) => {
                            work.parts.push(Part { rows, encoded: Some(encoded), evidence: Some(evidence) });
                        }
                        Attribution::Open(evidence) => {
                            work.refused_in_a_row += 1;
                            suspects.push(Batch { stream, rows, evidence: Some(evidence) });
                            suspected = Some(refusal);
                        }
                    }
                }
            }
        }
        if let Some(refusal) = suspected {
            // Their turn comes with the next acceptance, or with the other suspects'.
            self.sender.waits.waits(stream, refusal.of_one_record(&state.name), None);
        }
        suspects
    }

    /// Several rows were refused together.
    async fn on_refused(&self, work: &mut Work, rows: Rows, encoded: Encoded, refusal: &Refusal) {
        let stream = &self.sender.streams[work.stream];
        if refusal.is_for_time_range() && rows.span() > TIME_RANGE_SECONDS {
            stream.time_limited.store(true, Ordering::Relaxed);
            work.parts.push(Part::new(rows));
        } else if refusal.is_for_size() || work.refused_in_a_row < REFUSED_IN_A_ROW {
            self.halve(rows, work);
        } else {
            // It isn't the records: Azure refuses all of them. Later the whole rest is tried again.
            let wait = work.backoff.next_wait();
            self.sender.waits.waits(work.stream, refusal.of_every_record(&stream.name), Some(wait));
            tokio::time::sleep(wait).await;
            work.refused_in_a_row = 0;
            work.parts.push(Part { encoded: Some(encoded), ..Part::new(rows) });
        }
    }

    /// Which half comes first is left to chance: if the same records kept coming first, a few bad ones in front could
    /// keep the good ones behind them waiting.
    fn halve(&self, rows: Rows, work: &mut Work) {
        let (first, second) = rows.split();
        let mut halves = [first, second];
        if self.random.next_u64() & 1 == 1 {
            halves.reverse();
        }
        work.parts.extend(halves.map(Part::new));
    }

    fn on_accepted(&self, stream: usize, rows: Rows, encoded: &Encoded) {
        self.sender.waits.works(stream);
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

    async fn dead_letter(&self, stream: usize, rows: Rows, refusal: &Refusal, reason: &str) {
        self.dead_letters.write(&self.sender.streams[stream].name, &rows, refusal, reason).await;
        // Azure has answered for the stream, and what it was waited for is settled.
        self.sender.waits.works(stream);
        rows.done();
    }
}

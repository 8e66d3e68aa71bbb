//! The sink's loop: keeps one open batch for each stream, closes it by bytes, by age, or at the end, and runs a bounded
//! number of deliveries in parallel. While all are busy it reads no chunks, which is the back-pressure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::batch::{OpenBatch, Rows};
use super::deliver::{Batch, Delivery};
use super::partition::{Partition, Partitions};
use super::{protocol::Protocol, sender::Sender};
use crate::component::{ComponentError, Context, Input, Sink};
use crate::telemetry::{ComponentReporter, metrics};
use crate::{event::Chunk, http::Backoff};

/// With more suspects than this, no new rows are taken, so memory stays bounded.
const MOST_SUSPECTS: usize = 256;
/// With more open batches than this, the oldest is closed.
const MOST_OPEN: usize = 256;

/// When a batch is closed, and how many are sent at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body before compression.
    pub max_bytes: usize,
    /// Records of a batch.
    pub max_records: usize,
    /// How long a batch stays open.
    pub timeout: Duration,
    /// Batches sent in parallel.
    pub concurrency: usize,
}

/// Opens a sink to a destination. `inputs`: the stream of each input, by its index in `streams`.
pub async fn build<P: Protocol>(
    protocol: P,
    streams: Vec<String>,
    inputs: Vec<usize>,
    limits: Limits,
    context: Context,
) -> Result<Box<dyn Sink>, ComponentError> {
    let Context { name, env, telemetry, dead_letters, .. } = context;
    let dead_letters = dead_letters
        .open(&name)
        .await
        .map_err(|error| ComponentError::new(format!("can't open the dead-letter file: {error}")))?;
    let sender = Sender::new(protocol, streams, &env, &telemetry);
    let delivery = Arc::new(Delivery { sender, dead_letters, env, telemetry: telemetry.clone() });
    Ok(Box::new(DeliverySink {
        limits,
        inputs,
        delivery,
        open: BTreeMap::new(),
        partitions: Partitions::default(),
        ready: VecDeque::new(),
        in_flight: FuturesUnordered::new(),
        suspects: Vec::new(),
        again: VecDeque::new(),
        telemetry,
    }))
}

struct DeliverySink<P> {
    limits: Limits,
    /// The stream of each input.
    inputs: Vec<usize>,
    delivery: Arc<Delivery<P>>,
    /// The open batches, by stream.
    open: BTreeMap<usize, OpenBatch>,
    partitions: Partitions,
    /// Closed batches that wait for a delivery.
    ready: VecDeque<Batch>,
    /// Deliveries in progress.
    in_flight: FuturesUnordered<BoxFuture<'static, Vec<Batch>>>,
    /// Rows that were refused without a proof.
    suspects: Vec<Batch>,
    /// Suspects to retry next.
    again: VecDeque<Batch>,
    telemetry: ComponentReporter,
}

impl<P: Protocol> Sink for DeliverySink<P> {
    fn run(mut self: Box<Self>, input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            self.run_to_end(input).await;
            Ok(())
        })
    }
}

impl<P: Protocol> DeliverySink<P> {
    async fn run_to_end(&mut self, mut input: Input) {
        let mut backoff = Backoff::new(self.delivery.env.random.clone());
        let mut retry_at: Option<Instant> = None;
        let mut ended = false;
        loop {
            self.launch();
            if self.partitions.are_too_many() && self.in_flight.is_empty() {
                self.forget_partitions();
            }
            let idle =
                self.open.is_empty() && self.ready.is_empty() && self.again.is_empty() && self.in_flight.is_empty();
            if ended && idle && self.suspects.is_empty() {
                return;
            }
            if self.suspects.is_empty() {
                retry_at = None;
                // A suspect being sent still counts. Without a growing pause it would be sent every second.
                if idle {
                    backoff.reset();
                }
            } else if retry_at.is_none() {
                retry_at = Some(Instant::now() + backoff.next_wait());
            }
            // One waiting batch keeps the deliveries busy. More would only use memory while the destination is down.
            let full = !self.ready.is_empty()
                || self.suspects.len() + self.again.len() > MOST_SUSPECTS
                || self.partitions.are_too_many();
            // Nothing is in flight or queued, so a source may be waiting for rows in an open batch.
            let stalled = self.in_flight.is_empty() && !full && input.waiting() == 0;
            if stalled && self.oldest(Rows::are_waited_for).is_some() {
                // A delivery that has just finished frees memory, too, and the source may have continued.
                tokio::task::yield_now().await;
                if let Some((_, stream)) = self.oldest(Rows::are_waited_for).filter(|_| input.waiting() == 0) {
                    self.close(stream);
                    continue;
                }
            }
            let oldest = self.oldest(|_| true);
            let due = oldest.map(|(opened, _)| opened + self.limits.timeout);
            let flush_requested = input.flush_requested();
            tokio::select! {
                biased;
                Some(suspects) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.suspects.extend(suspects);
                    self.retry_suspects(false);
                }
                () = sleep_until(due), if due.is_some() => oldest.into_iter().for_each(|(_, stream)| self.close(stream)),
                () = flush_requested, if stalled => {}
                () = sleep_until(retry_at), if retry_at.is_some() => {
                    retry_at = None;
                    self.retry_suspects(true);
                }
                next = input.receive(), if !ended && !full => match next {
                    Some((number, chunk)) => {
                        self.telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
                        self.take(self.inputs[number], chunk);
                    }
                    None => {
                        ended = true;
                        while let Some((stream, _)) = self.open.first_key_value() {
                            self.close(*stream);
                        }
                    }
                },
            }
        }
    }

    /// Adds a chunk's rows to its stream's batch.
    fn take(&mut self, stream: usize, chunk: Chunk) {
        let Limits { max_bytes, max_records, .. } = self.limits;
        let delivery = self.delivery.clone();
        let protocol = &delivery.sender.protocol;
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        if chunk.changed {
            protocol.look_at_changed(stream, &chunk);
        }
        let mut last: Option<(Partition, usize)> = None;
        for (number, record) in chunk.records.iter().enumerate() {
            let stream = match protocol.partition(record) {
                None => stream,
                Some(partition) => match &last {
                    Some((known, stream)) if *known == partition => *stream,
                    _ => {
                        let name = || protocol.partition_name(&partition);
                        let at = self.partitions.stream(&delivery.sender.streams, stream, &partition, name);
                        last = Some((partition, at));
                        at
                    }
                },
            };
            let text = chunk.body(record);
            let cut = protocol.shorten(text).map(|(text, fields)| {
                self.telemetry.add(&metrics::TRUNCATED, fields);
                text
            });
            let added = protocol.added_bytes(cut.as_deref().unwrap_or(text).len());
            let full = |open: &OpenBatch| open.with(added) > max_bytes || open.rows.len() >= max_records;
            if self.open.get(&stream).is_some_and(full) {
                self.close(stream);
            }
            self.open.entry(stream).or_insert_with(OpenBatch::new).push(&chunk, number, cut, added);
        }
        // The batches hold their own acknowledgements now.
        chunk.ack.done();
        while self.open.len() > MOST_OPEN {
            self.oldest(|_| true).into_iter().for_each(|(_, stream)| self.close(stream));
        }
    }

    /// Forgets the partitions that no batch is for. No delivery is in progress.
    fn forget_partitions(&mut self) {
        let batches = self.ready.iter().chain(&self.again).chain(&self.suspects);
        let used: BTreeSet<usize> = batches.map(|batch| batch.stream).chain(self.open.keys().copied()).collect();
        self.partitions.keep(&used);
    }

    fn close(&mut self, stream: usize) {
        if let Some(batch) = self.open.remove(&stream) {
            self.ready.push_back(Batch::new(stream, batch.rows));
        }
    }

    /// The oldest open batch with such rows: when it was opened, and its stream.
    fn oldest(&self, with: impl Fn(&Rows) -> bool) -> Option<(Instant, usize)> {
        let open = self.open.iter().filter(|(_, batch)| with(&batch.rows));
        open.map(|(stream, batch)| (batch.opened, *stream)).min()
    }

    /// Starts as many deliveries as may run in parallel.
    fn launch(&mut self) {
        while self.in_flight.len() < self.limits.concurrency {
            let Some(batch) = self.again.pop_front().or_else(|| self.ready.pop_front()) else { return };
            let delivery = self.delivery.clone();
            self.in_flight.push(Box::pin(async move { delivery.deliver(batch).await }));
        }
    }

    /// Retries the suspects whose stream has accepted something since, which settles them. If there are none, `oldest`
    /// retries the oldest, in case it is accepted now.
    fn retry_suspects(&mut self, oldest: bool) {
        let streams = &self.delivery.sender.streams;
        let (mut due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.suspects).into_iter().partition(|Batch { stream, evidence, .. }| {
                evidence.is_none_or(|known| streams.get(*stream).accepted() > known.mark)
            });
        self.suspects = rest;
        if due.is_empty() && oldest && !self.suspects.is_empty() {
            due.push(self.suspects.remove(0));
        }
        self.again.extend(due);
    }
}

async fn sleep_until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        tokio::time::sleep_until(instant).await;
    }
}

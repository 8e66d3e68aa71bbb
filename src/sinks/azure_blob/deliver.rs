//! Blocks, intent, blobs, acknowledgements, in this order.
//!
//! The process can die between any two of them. Before the intent nothing is seen, and the events come again. After it, whoever
//! has the source next commits the blobs and leaves these events out. Only who holds the state can record an intent: a process
//! that has lost its lease gets no further. Committing the blobs needs no lease, because it is the same for everybody and
//! happens once.

use std::convert::Infallible;
use std::future::pending;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::archive::{CONCURRENT, Published};
use super::group::{Closed, ClosedBlob};
use super::intent::{BlobIntent, Content};
use super::name;
use super::shared::{self, LaneId, Shared};
use crate::azure::blob::BLOCK_BYTES;
use crate::component::{Commit, IntentChange, IntentHash};
use crate::event::{Ack, Origin};
use crate::http::Failure;
use crate::sinks::file::encode::Format;
use crate::telemetry::metrics;

/// The source has ended, or another process has it: what isn't recorded is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// Delivers a group, however long that takes, and acknowledges its chunks. Returns its intent; none where the source has no
/// state, or it was too late for one.
pub async fn deliver(shared: &Shared, lane: &LaneId, closed: Closed) -> Result<Option<IntentHash>, Ended> {
    let Closed { blobs, acks, chunks, json_bytes, records } = closed;
    let mut content = Content::of(&shared.settings, lane.run);
    let uploads: Vec<_> = blobs.iter().map(|blob| upload(shared, lane, blob)).collect();
    content.blobs = stream::iter(uploads).buffered(CONCURRENT).collect().await;
    let mut recorded = None;
    loop {
        if lane.keeps_state {
            match record(shared, lane, &content, &chunks, recorded).await {
                Ok(hash) => recorded = Some(hash),
                // Nobody waits for an optional sink: its source may have ended, and what is committed isn't read again.
                Err(Ended) if is_committed(shared, lane, &chunks).await => {}
                Err(Ended) => return Err(Ended),
            }
        }
        let void = publish(shared, lane, &content).await;
        if void.is_empty() {
            break;
        }
        // They expired while the container was out of reach, or somebody has deleted the blob or the container. What an intent
        // names is never uploaded again: another process may have found it void. So it gets another name and another intent.
        tracing::warn!(
            component = &*shared.name,
            "blocks were gone before their blob was committed: writing them again"
        );
        for at in void {
            content.blobs[at] = upload(shared, lane, &blobs[at]).await;
        }
    }
    let wire: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    let telemetry = &shared.telemetry;
    telemetry.observe(&metrics::BATCH_BYTES, json_bytes as f64);
    telemetry.observe(&metrics::BATCH_WIRE_BYTES, wire as f64);
    telemetry.observe(&metrics::BATCH_ROWS, records as f64);
    telemetry.add(&metrics::BYTES_JSON, json_bytes as u64);
    telemetry.add(&metrics::BYTES_WIRE, wire as u64);
    telemetry.add(&metrics::SENT, records as u64);
    acks.into_iter().for_each(Ack::done);
    Ok(recorded)
}

/// Uploads a blob's blocks under a name that it alone has.
async fn upload(shared: &Shared, lane: &LaneId, blob: &ClosedBlob) -> BlobIntent {
    let name = name::unique(&blob.path, lane, &shared.name, shared.next_number());
    let mut blocks = Vec::new();
    for (number, start) in (0..blob.bytes.len()).step_by(BLOCK_BYTES).enumerate() {
        let bytes: Bytes = blob.bytes.slice(start..blob.bytes.len().min(start + BLOCK_BYTES));
        let attempt = || async { shared.archive.put_block(&name, number, bytes.clone()).await.map_err(Failure::Again) };
        let part = shared::blob(&lane.source, &name);
        let Ok(()) = shared.retry(&part).run(pending::<Infallible>(), attempt).await;
        blocks.push(name::block(number));
    }
    BlobIntent {
        name,
        hash: blake3::hash(&blob.bytes).to_hex().to_string(),
        content_type: media_type(shared.settings.format).to_owned(),
        blocks,
        records: blob.records.clone(),
    }
}

/// The content is what is stored, compressed: there is no content encoding, by which some clients would unpack it under its
/// name with `.gz`.
fn media_type(format: Format) -> &'static str {
    match format {
        Format::Plain => "application/x-ndjson",
        Format::Gzip => "application/gzip",
        Format::Zstd => "application/zstd",
    }
}

/// Whether all these chunks are committed.
async fn is_committed(shared: &Shared, lane: &LaneId, chunks: &[u64]) -> bool {
    for &sequence in chunks {
        let origin = Origin { source: lane.source.clone(), run: lane.run, sequence };
        if !shared.store.is_committed(&origin).await.unwrap_or(false) {
            return false;
        }
    }
    true
}

/// Records an intent in the place of an earlier one.
async fn record(
    shared: &Shared,
    lane: &LaneId,
    content: &Content,
    chunks: &[u64],
    replaced: Option<IntentHash>,
) -> Result<IntentHash, Ended> {
    let content = Bytes::from(content.encode());
    let hash = *blake3::hash(&content).as_bytes();
    let record = IntentChange::Record { sink: shared.name.clone(), chunks: chunks.to_vec(), content };
    let replace = replaced.map(|hash| IntentChange::Settle { hash, chunks: Vec::new() });
    commit(shared, lane, [record].into_iter().chain(replace).collect()).await?;
    Ok(hash)
}

/// Commits changes of intents, for as long as the source has its state.
pub async fn commit(shared: &Shared, lane: &LaneId, intents: Vec<IntentChange>) -> Result<(), Ended> {
    let commit = Commit { intents, ..Commit::default() };
    let attempt = || async {
        let Some(state) = shared.state(lane) else { return Err(Failure::Stop(Ended)) };
        let committed = state.commit(commit.clone()).await;
        committed.map_err(|error| error.classify("checkpoint", "can't write the checkpoint").map(|_| Ended))
    };
    shared.retry(&lane.source).run(pending(), attempt).await
}

/// Commits an intent's blobs. Returns those that nothing can make any more, by their numbers.
pub async fn publish(shared: &Shared, lane: &LaneId, content: &Content) -> Vec<usize> {
    let publish = content.blobs.iter().map(|blob| publish_one(shared, lane, content, blob)).collect::<Vec<_>>();
    let published: Vec<Published> = stream::iter(publish).buffered(CONCURRENT).collect().await;
    (0..published.len()).filter(|&at| published[at] == Published::Void).collect()
}

async fn publish_one(shared: &Shared, lane: &LaneId, content: &Content, blob: &BlobIntent) -> Published {
    let attempt = || async { shared.archive.publish(content, blob).await.map_err(Failure::Again) };
    let part = shared::blob(&lane.source, &blob.name);
    let Ok(published) = shared.retry(&part).run(pending::<Infallible>(), attempt).await;
    published
}

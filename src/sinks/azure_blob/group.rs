//! The records of one source that are collected for the next blobs.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use tokio::time::Instant;

use super::intent::Recorded;
use super::settings::Settings;
use crate::event::{Ack, Backpressure, Chunk};
use crate::sinks::file::template::{Dates, Key};
use crate::sinks::ndjson;

/// A group is closed when it has this many records, whatever their size: an intent lists their ids.
const MOST_RECORDS: usize = 100_000;
/// A group is closed when it has this many blobs, whatever their size: each costs requests.
const MOST_BLOBS: usize = 256;
/// Lines that are compressed together, in bytes. Further ones begin another gzip member or zstd frame.
const LINES: usize = 4 << 20;

/// Blobs that are written together, under one intent.
pub struct Group {
    /// When it is old enough.
    pub due: Instant,
    blobs: Vec<OpenBlob>,
    /// Which blob a key's records go to.
    places: HashMap<Key, usize>,
    acks: Vec<Ack>,
    chunks: Vec<u64>,
    backpressure: Option<Backpressure>,
    json_bytes: usize,
    /// JSON bytes that aren't compressed yet. Their sources' memory is still reserved.
    pending: usize,
    records: usize,
}

/// A blob that takes more records.
struct OpenBlob {
    path: String,
    lines: Vec<u8>,
    compressed: Vec<u8>,
    records: Vec<Recorded>,
}

/// Blobs that take no more records.
pub struct Closed {
    pub blobs: Vec<ClosedBlob>,
    /// Of the chunks that any of the records came in.
    pub acks: Vec<Ack>,
    /// Their sequence numbers.
    pub chunks: Vec<u64>,
    /// JSON bytes before compression.
    pub json_bytes: usize,
    pub records: usize,
}

/// The content of a blob that has no name yet.
pub struct ClosedBlob {
    /// The path from the template.
    pub path: String,
    pub bytes: Bytes,
    pub records: Vec<Recorded>,
}

impl Group {
    /// An empty group that is closed at this time at the latest.
    pub fn new(due: Instant) -> Self {
        Self {
            due,
            blobs: Vec::new(),
            places: HashMap::new(),
            acks: Vec::new(),
            chunks: Vec::new(),
            backpressure: None,
            json_bytes: 0,
            pending: 0,
            records: 0,
        }
    }

    /// Whether its source waits for memory.
    pub fn is_waited_for(&self) -> bool {
        self.backpressure.as_ref().is_some_and(Backpressure::is_on)
    }

    /// The chunks that its records came in.
    pub fn chunks(&self) -> &[u64] {
        &self.chunks
    }

    /// Whether compressing it gives memory back.
    pub fn holds_memory(&self) -> bool {
        self.pending > 0
    }

    /// Whether it is large enough.
    pub fn is_full(&self, settings: &Settings) -> bool {
        self.json_bytes >= settings.max_bytes || self.records >= MOST_RECORDS || self.blobs.len() >= MOST_BLOBS
    }

    /// Adds records of a chunk, by their numbers.
    pub async fn add(
        &mut self,
        settings: &Settings,
        dates: &mut Dates,
        input: usize,
        chunk: Chunk,
        numbers: Vec<usize>,
    ) -> io::Result<()> {
        for number in numbers {
            let record = &chunk.records[number];
            let key = dates.bounded(settings.template.key(record, chunk.organization.as_ref()));
            let blob = self.blob(settings, key);
            let before = blob.lines.len();
            ndjson::push_line(&mut blob.lines, chunk.body(record));
            let bytes = blob.lines.len() - before;
            blob.note(chunk.origin.sequence, input, record.time, record.id.0);
            self.json_bytes += bytes;
            self.pending += bytes;
            self.records += 1;
        }
        if self.chunks.last() != Some(&chunk.origin.sequence) {
            self.chunks.push(chunk.origin.sequence);
        }
        self.backpressure = chunk.backpressure.or(self.backpressure.take());
        self.acks.push(chunk.ack);
        if self.pending >= LINES { self.compress(settings).await } else { Ok(()) }
    }

    /// Two keys can have one path: hours of two days, where the path has no date.
    fn blob(&mut self, settings: &Settings, key: Key) -> &mut OpenBlob {
        let blobs = &mut self.blobs;
        let at = *self.places.entry(key).or_insert_with_key(|key| {
            let path = settings.template.render(key);
            blobs.iter().position(|blob| blob.path == path).unwrap_or_else(|| {
                blobs.push(OpenBlob { path, lines: Vec::new(), compressed: Vec::new(), records: Vec::new() });
                blobs.len() - 1
            })
        });
        &mut self.blobs[at]
    }

    /// Compresses what was collected, and gives the memory of its texts back.
    pub async fn compress(&mut self, settings: &Settings) -> io::Result<()> {
        for blob in self.blobs.iter_mut().filter(|blob| !blob.lines.is_empty()) {
            let lines = std::mem::take(&mut blob.lines);
            let compressed = settings.format.compress(lines, settings.level).await?;
            blob.compressed.extend_from_slice(&compressed);
        }
        self.pending = 0;
        self.acks.iter_mut().for_each(Ack::release_text);
        Ok(())
    }

    /// Takes no more records.
    pub async fn close(mut self, settings: &Settings) -> io::Result<Closed> {
        self.compress(settings).await?;
        let Self { blobs, acks, mut chunks, json_bytes, records, .. } = self;
        chunks.sort_unstable();
        chunks.dedup();
        let blobs = blobs.into_iter().map(|OpenBlob { path, compressed, records, .. }| ClosedBlob {
            path,
            bytes: compressed.into(),
            records,
        });
        Ok(Closed { blobs: blobs.collect(), acks, chunks, json_bytes, records })
    }
}

impl OpenBlob {
    /// Notes a record for the intent.
    fn note(&mut self, chunk: u64, input: usize, time: i64, id: u128) {
        match self.records.last_mut() {
            Some(last) if last.chunk == chunk && last.input == input => {
                (last.from, last.to) = (last.from.min(time), last.to.max(time));
                last.ids.push(id);
            }
            _ => self.records.push(Recorded { chunk, input, from: time, to: time, ids: vec![id] }),
        }
    }
}

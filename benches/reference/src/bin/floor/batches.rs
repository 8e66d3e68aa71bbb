//! The three streams' bodies, compressed and counted. They go nowhere.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::words::Stream;

/// JSON bytes of a body: the default of the product, and Azure's limit under every reading of its documentation.
const MOST_BYTES: usize = 1_000_000;
/// Rows are collected, so that the encoder gets few writes that are still in the cache.
const STAGE: usize = 32 << 10;

/// What the bodies hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Rows of three streams, as arrays.
    Rows,
    /// Events of one stream, as lines.
    Events,
}

/// One stream's open body.
struct Batch {
    encoder: GzEncoder<Vec<u8>>,
    stage: Vec<u8>,
    bytes: usize,
}

impl Batch {
    fn new(level: Compression) -> Self {
        Self {
            encoder: GzEncoder::new(Vec::with_capacity(256 << 10), level),
            stage: Vec::with_capacity(STAGE + (16 << 10)),
            bytes: 0,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Bodies.
    pub bodies: u64,
    /// Bytes before gzip.
    pub raw: u64,
    /// Bytes after gzip.
    pub wire: u64,
}

/// All streams.
pub struct Batches {
    open: [Batch; 3],
    level: Compression,
    what: What,
    totals: Totals,
}

impl Batches {
    /// With a level of gzip.
    pub fn new(level: u32, what: What) -> Self {
        let level = Compression::new(level);
        Self { open: std::array::from_fn(|_| Batch::new(level)), level, what, totals: Totals::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, stream: Stream, row: &[u8]) -> io::Result<()> {
        let index = stream as usize;
        if self.open[index].bytes + row.len() + 2 > MOST_BYTES {
            self.close(index)?;
        }
        let batch = &mut self.open[index];
        if self.what == What::Rows {
            batch.stage.push(if batch.bytes == 0 { b'[' } else { b',' });
        }
        batch.stage.extend_from_slice(row);
        if self.what == What::Events {
            batch.stage.push(b'\n');
        }
        batch.bytes += row.len() + 1;
        self.totals.rows += 1;
        if batch.stage.len() >= STAGE {
            batch.encoder.write_all(&batch.stage)?;
            batch.stage.clear();
        }
        Ok(())
    }

    fn close(&mut self, index: usize) -> io::Result<()> {
        let mut batch = std::mem::replace(&mut self.open[index], Batch::new(self.level));
        if batch.bytes == 0 {
            return Ok(());
        }
        if self.what == What::Rows {
            batch.stage.push(b']');
        }
        batch.encoder.write_all(&batch.stage)?;
        let body = batch.encoder.finish()?;
        self.totals.bodies += 1;
        self.totals.raw += batch.bytes as u64 + u64::from(self.what == What::Rows);
        self.totals.wire += body.len() as u64;
        Ok(())
    }

    /// Closes all bodies.
    pub fn finish(mut self) -> io::Result<Totals> {
        (0..self.open.len()).try_for_each(|index| self.close(index))?;
        Ok(self.totals)
    }
}

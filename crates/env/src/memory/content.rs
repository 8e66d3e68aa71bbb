//! What a file holds, and how much of it is durable.

use crate::Random;

/// A file's bytes. Files are only appended to and cut, so what is durable is a prefix of what is there, plus what a
/// cut took away without being synced.
#[derive(Debug, Default)]
pub struct Content {
    live: Vec<u8>,
    /// This many bytes of `live` are durable …
    common: usize,
    /// … and on the disk these follow them, although a program no longer sees them.
    cut: Vec<u8>,
    /// How often it was changed: stands for the time of the last change.
    changes: u32,
}

const SECTOR: usize = 512;

impl Content {
    pub fn durable(data: Vec<u8>) -> Self {
        Self { common: data.len(), live: data, cut: Vec::new(), changes: 0 }
    }

    pub fn live(&self) -> &[u8] {
        &self.live
    }

    pub fn changes(&self) -> u32 {
        self.changes
    }

    pub fn append(&mut self, data: &[u8]) {
        self.changes += 1;
        self.live.extend_from_slice(data);
    }

    /// Like the operating system's, this also makes a file longer, with zeros.
    pub fn truncate(&mut self, len: usize) {
        self.changes += 1;
        if len < self.common {
            let mut cut = self.live[len..self.common].to_vec();
            cut.append(&mut self.cut);
            self.cut = cut;
            self.common = len;
        }
        self.live.resize(len, 0);
    }

    pub fn sync(&mut self) {
        self.common = self.live.len();
        self.cut.clear();
    }

    /// What a power cut leaves of it.
    pub fn crash(&mut self, random: &dyn Random) {
        if self.common == self.live.len() && self.cut.is_empty() {
            return;
        }
        self.changes += 1;
        let fresh = self.live.len() - self.common;
        match random.next_u64() % 4 {
            // Nothing since the last sync.
            0 => {
                self.live.truncate(self.common);
                self.live.append(&mut self.cut);
            }
            // Everything.
            1 => {}
            // The first part of what was appended.
            2 => self.live.truncate(self.common + below(random, fresh + 1)),
            // The whole length, but one sector never reached the disk.
            _ => {
                if fresh > 0 {
                    let hole = self.common + below(random, fresh);
                    let end = ((hole / SECTOR + 1) * SECTOR).min(self.live.len());
                    self.live[hole..end].fill(0);
                }
            }
        }
        self.sync();
    }
}

/// A number below `limit`, which is at least 1.
fn below(random: &dyn Random, limit: usize) -> usize {
    usize::try_from(random.next_u64() % limit as u64).unwrap_or(0)
}

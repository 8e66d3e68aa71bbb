//! Where to go on in a file: behind what was read of it, if it still begins with that.

use std::collections::BTreeMap;

use super::fingerprint::{Fingerprint, Fingerprinter};
use super::reader::Reader;
use super::state::{Candidate, Known};
use crate::component::ComponentError;
use crate::sources::recording::Position;

/// A place in a text, and what lies before it.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Where to go on.
    pub from: Position,
    /// What is known of the text: up to there at least.
    pub read: Fingerprinter,
}

/// What a look at a file has found.
#[derive(Debug, Default)]
pub struct Found {
    /// The furthest place whose past is in the file.
    pub proven: Option<Start>,
    /// All that the file begins with.
    pub holds: Vec<Fingerprint>,
    /// The furthest place that version 1 has left, and nothing speaks against it.
    pub unproven: Option<Start>,
}

/// Reads a file from its beginning as far as needed.
pub async fn look(reader: &mut Reader, known: &Known) -> Result<Found, ComponentError> {
    let Known { candidates, unproven, had_this_size } = known;
    let mut found = Found::default();
    let mut read = Fingerprinter::default();
    let mut places: BTreeMap<u64, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        places.entry(candidate.read.length).or_default().push(*candidate);
    }
    for position in unproven {
        places.entry(position.offset).or_default();
    }
    // Every file begins with nothing.
    places.remove(&0);
    let begin = unproven.iter().copied().filter(|position| position.offset == 0).max();
    found.unproven = begin.map(|from| Start { from, read: Fingerprinter::default() });
    let mut last = 0;
    while !places.is_empty() {
        let Some(block) = reader.next().await? else { break };
        let end = block.offset + block.bytes.len() as u64;
        while let Some(entry) = places.first_entry().filter(|entry| *entry.key() <= end) {
            let (place, candidates) = entry.remove_entry();
            let at = usize::try_from(place.saturating_sub(block.offset)).unwrap_or(usize::MAX);
            read.add_at(block.offset, &block.bytes[..at.min(block.bytes.len())]);
            let print = read.fingerprint();
            for Candidate { position, .. } in candidates.into_iter().filter(|candidate| candidate.read == print) {
                found.holds.push(print);
                if found.proven.as_ref().is_none_or(|start| start.from < position) {
                    found.proven = Some(Start { from: position, read: read.clone() });
                }
            }
            // A line ends just before, or just here.
            let before = if at == 0 { last } else { block.bytes[at - 1] };
            let is_boundary = before == b'\n' || matches!(block.bytes.get(at), Some(b'\n' | b'\r'));
            for &position in unproven.iter().filter(|position| position.offset == place) {
                if is_boundary || (*had_this_size && at == block.bytes.len()) {
                    found.unproven = Some(Start { from: position, read: read.clone() });
                }
            }
        }
        read.add_at(block.offset, &block.bytes);
        last = block.bytes.last().copied().unwrap_or(last);
    }
    Ok(found)
}

//! Fuzz targets: a recording of any kind, and the document in the checkpoint.

use super::locations::Locations;
use super::reader::Reader;
use super::state::{Mark, commit, read_document};
use super::unpack::Unpacker;
use super::{fingerprint::Fingerprint, format};
use crate::fuzz::{disk, env, is_json, marked, silent, wait};
use crate::sources::recording::{Parser, Position};
use crate::telemetry::ComponentReporter;

const PATH: &str = "recording";
/// What a document's position is in.
const TEXT: &[u8] = b"{\"type\":\"a\"}\n{\"type\":\"b\"}\n";
/// As far as a text is looked at: a packed one may be a thousand times as long as its file.
const MOST: usize = 1 << 20;

/// A recording, plain or packed, in any charset.
pub(crate) fn recording(data: &[u8]) {
    let data = marked(data);
    let (text, complete) = whole_text(&data, 0);
    for step in [1, 7] {
        let again = unpacked(&data, step);
        let same = text.len().min(again.len());
        assert!(text[..same] == again[..same], "another text in steps of {step}");
        assert!(!complete || text.len() >= again.len().min(MOST), "less text than in steps of {step}");
    }
    // The message names the file and what it looks like, nothing in it.
    if let Err(error) = format::check(PATH, &text) {
        silent(&error.to_string());
    }
    events(&text);
}

/// The text from an offset on, and whether it was read to its end.
fn whole_text(data: &[u8], from: u64) -> (Vec<u8>, bool) {
    wait(async {
        let mut reader =
            Reader::open(&Locations::disk(std::sync::Arc::new(disk(PATH, data))), PATH).await.expect("is there");
        reader.rewind(from);
        let mut text = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(block)) => {
                    assert_eq!(block.offset, from + text.len() as u64, "blocks follow each other");
                    assert!(!block.bytes.is_empty(), "a block has lines");
                    text.extend(block.bytes);
                }
                Ok(None) => return (text, true),
                Err(error) => {
                    silent(&error.to_string());
                    return (text, false);
                }
            }
            if text.len() > MOST {
                return (text, false);
            }
        }
    })
}

/// The text as far as it can be unpacked, given in parts of so many bytes.
fn unpacked(data: &[u8], step: usize) -> Vec<u8> {
    let (mut unpacker, mut text) = (Unpacker::default(), Vec::new());
    for part in data.chunks(step) {
        let mut used = 0;
        while used < part.len() || unpacker.has_more() {
            match unpacker.unpack(&part[used..], &mut text, 4 << 10) {
                Ok(some) => used += some,
                Err(_) => return text,
            }
            if text.len() > MOST {
                return text;
            }
        }
    }
    let _ = unpacker.finish(&mut text);
    text
}

/// Everything in a text becomes an event or a dead letter, and its lines may come together or one by one.
fn events(text: &[u8]) {
    let clock = env(&disk(PATH, ""), http::Response::default()).clock;
    let parser = || Parser::new(clock.clone(), ComponentReporter::detached());
    let all = parser().parse(text.to_vec(), 0, Position::default());
    assert_eq!(all.end.offset, text.len() as u64);
    assert!(all.positions.is_sorted(), "positions go on");
    assert!(all.positions.last().is_none_or(|last| *last <= all.end));
    assert_eq!((all.records.len(), all.fields.len()), (all.positions.len(), all.positions.len()));
    for record in &*all.records {
        assert!(is_json(all.text.at(record.body)), "an event is JSON");
    }
    for letter in &all.dead_letters {
        assert!(!letter.record.is_empty());
        silent(&letter.reason);
    }
    let (mut parser, mut offset) = (parser(), 0);
    let (mut records, mut dead_letters) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let parsed = parser.parse(line.to_vec(), offset, Position::default());
        offset = parsed.end.offset;
        records.extend(parsed.records.iter().map(|record| record.id));
        dead_letters += parsed.dead_letters.len();
    }
    assert!(all.records.iter().map(|record| record.id).eq(records), "other events line by line");
    assert_eq!(all.dead_letters.len(), dead_letters);
}

/// The document in the checkpoint.
pub(crate) fn document(data: &[u8]) {
    let Some((_, position, read)) = read_document(data) else { return };
    let (text, complete) = whole_text(TEXT, position.offset);
    assert!(complete);
    let start = usize::try_from(position.offset).unwrap_or(usize::MAX);
    assert_eq!(text, TEXT.get(start..).unwrap_or_default());
    assert!(Parser::rebuild_from(position.offset) <= position.offset);
    let read = read.unwrap_or(Fingerprint { length: 0, hash: 0 });
    let mark = Mark { path: PATH.into(), position, read, sequence: None, ids: Vec::new() };
    let written = commit(&[mark]).document.expect("a document");
    let again = read_document(&written).expect("what was written is read");
    assert_eq!((again.1, again.2), (position, Some(read)));
}

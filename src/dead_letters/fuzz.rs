//! A fuzz target: files of dead letters and of their marks.

use std::path::Path;
use std::sync::Arc;

use super::DeadLetterFolder;
use super::write::DeadLetterLog;
use crate::component::DeadLetter;
use crate::event::EventId;
use crate::fuzz::{disk, is_json, wait};

/// Dead letters, and behind a line `--` their marks.
pub(crate) fn dead_letters(data: &[u8]) {
    const BETWEEN: &[u8] = b"\n--\n";
    let at = memchr::memmem::find(data, BETWEEN);
    let (letters, marks) = at.map_or((data, &b""[..]), |at| (&data[..=at], &data[at + BETWEEN.len()..]));
    let disk = disk("data/dead-letters/sink.ndjson", letters);
    disk.put("data/dead-letters/sink.resent.ndjson", marks);
    wait(async {
        let folder = DeadLetterFolder::new(Arc::new(disk.clone()), Path::new("data"));
        let found = folder.list().await.expect("no error of the disk");
        assert!(found.len() <= memchr::memchr_iter(b'\n', letters).count(), "more than there are lines");
        for letter in &found {
            if let Ok(record) = folder.record(letter).await {
                assert!(is_json(&record), "a record is JSON");
            }
        }
        let writer = DeadLetterLog::open(&folder, "sink").await.expect("opens");
        let letter = DeadLetter {
            id: EventId(u128::MAX),
            shown_id: None,
            organization: None,
            stream: Some("stream".to_owned()),
            reason: "refused".to_owned(),
            status: Some(400),
            code: None,
            request_id: None,
            time: 1,
            record: "{}".to_owned(),
        };
        let known = found.iter().any(|known| known.key() == Some(super::stored::key_of(letter.id, Some("stream"))));
        let written = writer.write(&[letter]).await.expect("no error of the disk");
        assert_eq!(written, usize::from(!known), "written once");
        let after = folder.list().await.expect("no error of the disk");
        assert_eq!(after.len(), found.len() + written, "is found, and the others still are");
    });
}

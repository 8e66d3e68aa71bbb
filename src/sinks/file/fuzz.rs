//! Fuzz targets: the segment log, the journal, and foreign names in paths.

use std::path::Path;

use super::log::{self, Entry};
use super::template::Template;
use super::{journal, own};
use crate::event::{EventId, Record, Span};
use crate::fuzz::{disk, number_line, text, wait};

/// A segment log: as it is, and with the checksum of each line put right.
pub(crate) fn segment_log(data: &[u8]) {
    check_log(data);
    let mut lines = log::line(&[Entry::Header { version: 2 }]);
    for line in data.split(|byte| *byte == b'\n') {
        lines.extend(log::line_of(&text(line)));
    }
    check_log(&lines);
}

fn check_log(bytes: &[u8]) {
    let Ok(contents) = log::parse(bytes) else { return };
    for tracked in contents.files.values() {
        assert!(tracked.segments.iter().all(|segment| segment.start <= segment.end));
        assert!(tracked.segments.is_sorted_by(|a, b| a.end <= b.start), "appends overlap");
    }
    let mut again = log::line(&[Entry::Header { version: 2 }]);
    again.extend(log::line(&contents.entries()));
    let again = log::parse(&again).expect("what was written is read");
    assert_eq!(again.files, contents.files);
    // A last line that is torn changes nothing before it.
    let mut torn = bytes.to_vec();
    torn.extend(b"0123abcd [{\"open\":");
    if bytes.ends_with(b"\n") {
        assert_eq!(log::parse(&torn).as_ref(), Ok(&contents));
    }
}

/// A journal: as it is, and with a fingerprint that is right.
pub(crate) fn journal(data: &[u8]) {
    check_journal(data);
    let (start, bytes) = number_line(data);
    let start = start.unwrap_or(0).unsigned_abs();
    let head = serde_json::json!({
        "path": "a", "start": start, "length": bytes.len(), "fingerprint": own::fingerprint(bytes)
    });
    let journal = [head.to_string().as_bytes(), b"\n", bytes, b"end\n"].concat();
    assert_eq!(check_journal(&journal), bytes.len(), "a whole journal is read");
    for length in (0..journal.len()).step_by(journal.len() / 16 + 1) {
        assert_eq!(check_journal(&journal[..length]), 0, "a torn journal counts as empty");
    }
}

/// How many bytes it holds.
fn check_journal(journal: &[u8]) -> usize {
    let begun = wait(journal::read(&disk("journal", journal), Path::new("journal"))).expect("no error of the disk");
    let bytes = begun.values().map(|begun| begun.bytes.len()).sum();
    assert!(bytes <= journal.len(), "more than is there");
    bytes
}

/// Names of two organizations, a line each, behind a line with the time.
pub(crate) fn archive_path(data: &[u8]) {
    let (time, names) = number_line(data);
    // No event has another time: `event_time` takes what is more for milliseconds.
    let time = time.unwrap_or(1_748_000_000).clamp(0, 100_000_000_000);
    let names = text(names);
    let (one, other) = names.split_once('\n').unwrap_or((&names, ""));
    for shape in ["archive/{date}/{hour}/{organization}.ndjson.gz", "{organization}/{date}.ndjson"] {
        let template = Template::parse(shape).expect("a path");
        let path = |organization: &str| {
            let organization = organization.into();
            template.render(&template.key(&Record { id: EventId(0), time, organization, body: Span::default() }, None))
        };
        let (a, b) = (path(one), path(other));
        for path in [&a, &b] {
            assert_eq!(path.split('/').count(), shape.split('/').count(), "another folder: {path}");
            for part in path.split('/') {
                assert!(!part.is_empty() && part != "." && part != ".." && part.len() <= 200, "{path}");
                assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{path}");
            }
        }
        assert_eq!(a.eq_ignore_ascii_case(&b), one == other, "{a} and {b}");
    }
}

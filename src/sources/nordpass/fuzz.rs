//! Fuzz targets: a page of the API, the source's document, the official connector's cursor.

use super::page::Page;
use super::state::{Change, State};
use super::takeover::{Times, decide};
use super::time::DAY;
use crate::component::{Predecessor, parse_cursor};
use crate::fuzz::{is_json, marked, number_line, silent};
use crate::state::TimeRanges;

/// The time of all targets, in Unix seconds.
const NOW: i64 = 1_748_000_000;
/// The checkpoint takes no longer document.
const LONGEST_DOCUMENT: usize = 3_500;

/// A page, perhaps behind a line with the number of events that were asked for.
pub(crate) fn page(data: &[u8]) {
    let (asked, body) = number_line(data);
    let asked = u32::try_from(asked.unwrap_or(100).clamp(0, 1_000)).unwrap_or(100);
    let body = marked(body);
    match Page::parse(body.clone(), None, asked, None) {
        Err(error) => silent(&error),
        Ok(page) => {
            assert!(page.elements.len() <= asked.max(100) as usize, "{} elements for {asked}", page.elements.len());
            assert_eq!(page.repaired, std::str::from_utf8(&body).is_err());
            assert!(page.repaired || page.text.as_bytes() == body, "the text is what came");
            let mut at = 0;
            for span in &page.elements {
                let (start, end) = (span.start as usize, span.end as usize);
                assert!(at <= start && start < end, "elements stand one behind the other");
                assert!(is_json(page.text.get(start..end).expect("inside the text")), "an element is JSON");
                at = end;
            }
        }
    }
}

/// The document in the checkpoint, behind a line with the time.
pub(crate) fn document(data: &[u8]) {
    let (at, document) = number_line(data);
    let now = at.filter(|at| (0..1 << 40).contains(at)).unwrap_or(NOW);
    let Ok(state) = State::decode(document) else { return };
    let written = written(&state);
    assert!(written == state || document.len() > 2_900, "something is lost although there is room");
    for range in written.covered.iter() {
        assert!(state.covered.holes(range.clone()).is_empty(), "covers what wasn't covered");
    }
    let mut changed = state;
    let _ = (changed.cursor(&TimeRanges::default()), changed.total(now.div_euclid(DAY)));
    changed.forget(now);
    for change in [
        Change::Covered(now - 60..now, true),
        Change::Covered(now - 7_200..now - 3_600, false),
        Change::Total(now.div_euclid(DAY), 7),
        Change::Total(now.div_euclid(DAY) - 3, u64::MAX),
        Change::Uncovered(now - 90..now - 80),
        Change::Gap(now - 10_000..now - 9_000),
        Change::Organization("fuzz".to_owned(), now - 50..now),
    ] {
        changed.apply(change);
    }
    self::written(&changed);
    assert_eq!(changed.total(now.div_euclid(DAY)), Some(7));
}

fn written(state: &State) -> State {
    let bytes = state.encode();
    assert!(bytes.len() <= LONGEST_DOCUMENT, "{} bytes", bytes.len());
    let again = State::decode(&bytes).expect("what was written is read");
    assert_eq!(again.encode(), bytes, "writing it again changes nothing");
    again
}

/// The blob of the official connector, behind a line with the time when it was written.
pub(crate) fn cursor(data: &[u8]) {
    let (written, bytes) = number_line(data);
    // As `Last-Modified` says it, which has no earlier and no later time.
    let written = written.map(|at| at.clamp(0, 253_402_300_799));
    let found = parse_cursor(bytes, written);
    let predecessor = Predecessor { place: "the blob".to_owned(), found, overlap: None };
    let times = Times { now: NOW, oldest: NOW - 90 * DAY, lookback: NOW - 7 * DAY, overlap: 3_600 };
    match decide(&predecessor, times) {
        Err(reason) => assert!(!reason.is_empty()),
        Ok(decision) => {
            assert!(decision.origin <= NOW, "begins in the future");
            if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
                let said = i64::from_be_bytes(bytes);
                assert!(decision.origin <= said && decision.takeover.cursor <= said, "skips what came after it");
                assert!(
                    written.is_none_or(|written| decision.origin <= written.max(0)),
                    "skips what Azure's clock says"
                );
            }
        }
    }
}

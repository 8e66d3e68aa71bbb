//! What `backfill` and `reconcile` say.

use std::fmt::Write as _;
use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;

use super::super::console::{counted, write_data};
use super::super::launch::Refusal;
use crate::sources::nordpass::Comparison;
use crate::telemetry::{ComponentKind, Telemetry};

/// How many missing events are listed for people; JSON has them all.
const LISTED: usize = 20;

/// What was found and done for one source; also the shape of `--json`, one object a line.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    source: String,
    from: String,
    to: String,
    /// Events that NordPass shows for this time.
    at_nordpass: u64,
    /// Those of them that every required sink had acknowledged before.
    acknowledged: u64,
    /// Acknowledged ones that NordPass doesn't show now.
    not_shown: u64,
    /// Whether every page agreed with the API's own count.
    proven: bool,
    missing: Vec<Missing>,
    /// How many of them were fetched and acknowledged now; absent with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<u64>,
    /// How many are missing still.
    still_missing: u64,
}

#[derive(Debug, Serialize)]
struct Missing {
    id: String,
    time: String,
    event: String,
}

/// In RFC 3339, UTC.
fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// What `backfill` has done for one source; also the shape of its `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Backfilled {
    source: String,
    from: String,
    to: String,
    /// Events that weren't known. They are delivered now if it is complete; else they were sent on, and what wasn't
    /// acknowledged comes again next time.
    delivered: u64,
    /// Whether all of the time was read and delivered.
    complete: bool,
}

impl Backfilled {
    /// After a run.
    pub fn new(source: &str, range: &Range<i64>, telemetry: &Telemetry, complete: bool) -> Self {
        let (from, to) = (time(range.start), time(range.end));
        Self { source: source.to_owned(), from, to, delivered: delivered(telemetry, source), complete }
    }

    /// Human-readable.
    pub fn human(&self) -> String {
        let Self { source, from, to, delivered, complete } = self;
        let events = counted(*delivered, "new event");
        if *complete {
            format!("{source}: {from} to {to}: {events} delivered\n")
        } else {
            format!("{source}: {from} to {to}: not finished; {events} sent so far\n")
        }
    }
}

/// One line of JSON.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

/// Writes a result to standard output.
pub(super) fn say(text: &str) -> Result<(), Refusal> {
    write_data(text).map_err(|error| Refusal {
        message: format!("can't write the result: {error}"),
        hint: "fetched events are delivered and committed nevertheless".into(),
    })
}

/// How many events a source has sent on; all of them are acknowledged when a run has ended well.
pub(super) fn delivered(telemetry: &Telemetry, name: &str) -> u64 {
    telemetry.component(ComponentKind::Source, name).totals().sent
}

impl Found {
    /// What a comparison says.
    pub fn new(source: &str, range: &Range<i64>, comparison: &Comparison) -> Self {
        let missing: Vec<_> = comparison
            .missing
            .iter()
            .map(|missing| Missing {
                id: missing.id.to_string(),
                time: time(missing.time),
                event: missing.kind.clone(),
            })
            .collect();
        Self {
            source: source.to_owned(),
            from: time(range.start),
            to: time(range.end),
            at_nordpass: comparison.acknowledged + missing.len() as u64,
            acknowledged: comparison.acknowledged,
            not_shown: comparison.gone,
            proven: !comparison.unproven,
            still_missing: missing.len() as u64,
            missing,
            fetched: None,
        }
    }

    /// What was fetched, and what a second comparison says.
    pub fn after(&mut self, fetched: u64, comparison: &Comparison) {
        self.fetched = Some(fetched);
        self.still_missing = comparison.missing.len() as u64;
        self.proven &= !comparison.unproven;
    }

    /// Whether nothing is missing (any more), and that is proven.
    pub fn is_well(&self) -> bool {
        self.still_missing == 0 && self.proven
    }

    /// Human-readable.
    pub fn human(&self) -> String {
        let mut text = format!("{}: {} to {}\n", self.source, self.from, self.to);
        let _ = writeln!(text, "  {:>9}  events at NordPass", self.at_nordpass);
        let _ = writeln!(text, "  {:>9}  of them acknowledged by every required sink", self.acknowledged);
        let _ = writeln!(text, "  {:>9}  missing", self.missing.len());
        for missing in self.missing.iter().take(LISTED) {
            let _ = writeln!(text, "             {}  {}  {}", missing.time, missing.event, missing.id);
        }
        if let Some(more) = self.missing.len().checked_sub(LISTED).filter(|more| *more > 0) {
            let _ = writeln!(text, "             and {more} more; --json lists all");
        }
        if self.not_shown > 0 {
            let _ = writeln!(text, "  {:>9}  acknowledged earlier, but not shown by NordPass now", self.not_shown);
        }
        if let Some(fetched) = self.fetched {
            let _ = writeln!(text, "  {fetched:>9}  fetched and delivered; {} still missing", self.still_missing);
        }
        if !self.proven {
            text.push_str("  NordPass's own event count doesn't add up for part of this period; try again later\n");
        }
        text
    }
}

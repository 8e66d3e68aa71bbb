//! What `backfill` and `reconcile` report.

use std::{fmt::Write as _, ops::Range};

use jiff::Timestamp;
use serde::Serialize;

use super::super::console::{counted, write_data};
use super::super::error::{CommandError, CommandResult};
use super::left_out::Counted;
use crate::sources::nordpass::Comparison;
use crate::telemetry::{ComponentKind, Telemetry};

/// How many missing events are listed for people; JSON has them all.
const LISTED: usize = 20;

/// What `reconcile` has found and done for one source. `--json` writes it as one object a line.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    source: String,
    from: String,
    to: String,
    /// Events that NordPass shows for this time.
    at_nordpass: u64,
    /// The part of them that every required sink had acknowledged before, without those that are filtered.
    acknowledged: u64,
    /// The part of them that the pipeline, as it is now, leaves out on purpose.
    filtered: u64,
    /// The same by component and reason. Two components on two ways may leave out the same event.
    filtered_by: Vec<Filtered>,
    /// Acknowledged events that NordPass doesn't show now.
    not_shown: u64,
    /// Whether every page agreed with the API's own count.
    proven: bool,
    missing: Vec<Missing>,
    /// The part of them that was fetched and acknowledged now; absent with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<u64>,
    /// The number of events that are still missing.
    still_missing: u64,
}

#[derive(Debug, Serialize)]
struct Missing {
    id: String,
    time: String,
    event: String,
}

#[derive(Debug, Serialize)]
struct Filtered {
    component: String,
    reason: String,
    events: u64,
}

/// In RFC 3339, UTC.
fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// What `backfill` has done for one source. `--json` writes it as one object a line.
#[derive(Debug, Serialize)]
pub(super) struct Backfilled {
    source: String,
    from: String,
    to: String,
    /// Events that weren't known before. They are delivered if the run is complete; otherwise they were sent on, and those not
    /// acknowledged are read again next time.
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

/// Writes a result to standard output, as a line of JSON or for people.
pub(super) fn write<T: Serialize>(result: &T, json: bool, human: impl FnOnce(&T) -> String) -> CommandResult<()> {
    let text = if json { serde_json::to_string(result).unwrap_or_default() + "\n" } else { human(result) };
    write_data(&text).map_err(|error| {
        let hint = "fetched events are delivered and committed nevertheless";
        CommandError::failed(format!("can't write the result: {error}"), hint)
    })
}

/// The number of events that a source has sent on; all of them are acknowledged after a complete run.
fn delivered(telemetry: &Telemetry, name: &str) -> u64 {
    telemetry.component(ComponentKind::Source, name).numbers().totals().sent
}

impl Found {
    /// The result of a comparison.
    pub fn new(source: &str, range: &Range<i64>, comparison: &Comparison, left_out: &Counted) -> Self {
        let filtered_by = left_out.reasons.iter().map(|((component, reason), events)| Filtered {
            component: component.clone(),
            reason: reason.clone(),
            events: *events,
        });
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
            at_nordpass: comparison.acknowledged + left_out.others + missing.len() as u64,
            acknowledged: comparison.acknowledged.saturating_sub(left_out.acknowledged),
            filtered: left_out.acknowledged + left_out.others,
            filtered_by: filtered_by.collect(),
            not_shown: comparison.gone,
            proven: !comparison.unproven,
            still_missing: missing.len() as u64,
            missing,
            fetched: None,
        }
    }

    /// Adds what was fetched, and the result of a second comparison.
    pub fn after(&mut self, telemetry: &Telemetry, comparison: &Comparison) {
        self.fetched = Some(delivered(telemetry, &self.source));
        self.still_missing = comparison.missing.len() as u64;
        self.proven &= !comparison.unproven;
    }

    /// Whether it is proven that nothing is missing any more.
    pub fn is_complete(&self) -> bool {
        self.still_missing == 0 && self.proven
    }

    /// Human-readable.
    pub fn human(&self) -> String {
        let mut text = format!("{}: {} to {}\n", self.source, self.from, self.to);
        let _ = writeln!(text, "  {:>9}  events at NordPass", self.at_nordpass);
        let _ = writeln!(text, "  {:>9}  of them acknowledged by every required sink", self.acknowledged);
        let _ = writeln!(text, "  {:>9}  filtered on purpose", self.filtered);
        for Filtered { component, reason, events } in &self.filtered_by {
            let _ = writeln!(text, "             {events:>9}  {component}: {reason}");
        }
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

//! What `dead-letters resend` reports for each dead letter.

use std::{fmt::Write as _, io};

use serde::Serialize;

use super::super::console::write_data;
use super::view::{lines, short};
use crate::dead_letters::{Fate, StoredDeadLetter};
use crate::telemetry::terminal::plain;

/// Reports the outcome of each dead letter as soon as it is known.
pub(super) struct Report {
    json: bool,
    all: bool,
    /// How many were accepted.
    pub accepted: usize,
    /// How many were not, without those that had been accepted before.
    pub not_accepted: usize,
    /// Whether the command has failed.
    pub failed: bool,
    /// Whether standard output took it all.
    pub written: io::Result<()>,
}

#[derive(Serialize)]
struct FateView<'a> {
    component: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Report {
    /// An empty report. `all`: no ids were given.
    pub fn new(json: bool, all: bool) -> Self {
        Self { json, all, accepted: 0, not_accepted: 0, failed: false, written: Ok(()) }
    }

    /// Reports one dead letter.
    pub fn tell(&mut self, dead_letter: &StoredDeadLetter, fate: &Fate) {
        let stream = dead_letter.stream.as_deref();
        let mut view = FateView {
            component: &dead_letter.component,
            id: &dead_letter.id,
            stream,
            result: "accepted",
            status: None,
            code: None,
            reason: None,
        };
        match fate {
            Fate::Accepted { maybe_twice } => {
                self.accepted += 1;
                view.reason = maybe_twice.then_some("also sent before: it may be there twice, with one id");
            }
            Fate::Before(_) => {
                view.result = "resent before";
                view.reason = Some("not sent again without --force");
            }
            Fate::Refused { status, code } => {
                (view.result, view.status, view.code) = ("refused", Some(*status), code.as_deref());
                view.reason = Some("Azure refuses this record again");
            }
            Fate::Unsent { reason } => (view.result, view.reason) = ("not accepted", Some(reason.as_str())),
            Fate::Impossible { reason } => (view.result, view.reason) = ("can't be resent", Some(reason.as_str())),
        }
        if !matches!(fate, Fate::Accepted { .. } | Fate::Before(_)) {
            self.not_accepted += 1;
            // `--all` means all that can be sent: what a source wrote never can.
            self.failed |= !(self.all && stream.is_none());
        }
        let text = if self.json {
            lines([view])
        } else {
            let mut text = format!("{} {} {}: {}", short(view.id), view.component, stream.unwrap_or("-"), view.result);
            let _ = view.status.map(|status| write!(text, " with {status}"));
            let _ = view.code.map(|code| write!(text, " ({code})"));
            let _ = view.reason.map(|reason| write!(text, ": {reason}"));
            Ok(plain(&text).into_owned() + "\n")
        };
        if let Err(error) = text.and_then(|text| write_data(&text)) {
            self.written = Err(error);
        }
    }
}

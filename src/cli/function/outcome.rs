//! The outcome of a catch-up, in lines for the invocation's log, and whether it has failed.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use super::call::Outcome;
use crate::cli::console::counted;
use crate::pipeline::RunReport;
use crate::settings::{Diagnostic, format_duration};
use crate::telemetry::{ComponentKind, ComponentReporter, ComponentState, Telemetry};

/// Why a run was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Its time is over.
    Time,
    /// Nothing moves.
    Stuck,
    /// The host ends the process.
    Host,
}

/// The components' states, by kind and name.
pub type States = BTreeMap<(ComponentKind, String), ComponentState>;

/// The components' states now.
pub fn states(telemetry: &Telemetry) -> States {
    telemetry.health().into_iter().map(|health| ((health.kind, health.name), health.state)).collect()
}

/// A run that has ended.
pub struct Ended {
    /// The components' states before it was ended.
    pub states: States,
    /// How the components ended.
    pub report: RunReport,
    /// Why it was ended; `None` if it ended by itself.
    pub stop: Option<StopReason>,
    /// How long it took.
    pub took: Duration,
}

impl Ended {
    /// The outcome of the call.
    pub fn outcome(&self, telemetry: &Telemetry, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        for failure in &self.report.failures {
            let hint = failure.error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = &failure.error.message;
            outcome.failures.push(format!("{} {} failed: {message}{hint}", failure.kind.as_str(), failure.name));
        }
        for component in telemetry.components() {
            outcome.logs.extend(numbers(&component, now));
            let state = self.states.get(&(component.kind(), component.name().to_owned()));
            let Some(ComponentState::Waiting { reason, since, .. }) = state else { continue };
            let line =
                format!("{} {} has been waiting since {since}: {reason}", component.kind().as_str(), component.name());
            // A component that has made progress will make more at the next call.
            if self.stop == Some(StopReason::Host) || has_worked(&component) {
                outcome.logs.push(line);
            } else {
                outcome.failures.push(line);
            }
        }
        let took = format_duration(Duration::from_secs(self.took.as_secs().max(1)));
        outcome.logs.push(match self.stop {
            None if self.report.failures.is_empty() => format!("covered everything up to now, in {took}"),
            None => format!("ended after {took}"),
            Some(StopReason::Time) => format!("out of time after {took}: the next call continues from here"),
            Some(StopReason::Stuck) => format!("no more progress, ended after {took}: the next call tries again"),
            Some(StopReason::Host) => format!("the host ended it after {took}: the next call continues from here"),
        });
        if self.report.drain_timed_out {
            outcome.logs.push("not everything was acknowledged in time: the next call reads it again".to_owned());
        }
        outcome
    }
}

/// Whether it has read or delivered anything.
fn has_worked(component: &ComponentReporter) -> bool {
    let totals = component.numbers().totals();
    match component.kind() {
        ComponentKind::Source => component.progress().pages.load(Ordering::Relaxed) > 0 || totals.sent > 0,
        ComponentKind::Transform | ComponentKind::Sink => totals.sent + totals.dead_letters > 0,
    }
}

/// Sources and sinks in numbers; a transform only passes on.
fn numbers(component: &ComponentReporter, now: Timestamp) -> Option<String> {
    let (totals, name) = (component.numbers().totals(), component.name());
    let dead_letters = match totals.dead_letters {
        0 => String::new(),
        number => format!(", {}", counted(number, "dead letter")),
    };
    match component.kind() {
        ComponentKind::Source => {
            let cursor = component.numbers().cursor().and_then(|cursor| {
                Timestamp::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(cursor.floor()).ok()?).ok()
            });
            let covered = cursor.map(|cursor| {
                let behind = Duration::from_secs(u64::try_from(now.as_second() - cursor.as_second()).unwrap_or(0));
                format!("; covered up to {cursor}, {} behind", format_duration(behind))
            });
            Some(format!(
                "source {name}: {} read, {} new, {} already known{dead_letters}{}",
                totals.received,
                totals.sent,
                totals.discarded,
                covered.unwrap_or_default()
            ))
        }
        ComponentKind::Transform => None,
        ComponentKind::Sink => Some(format!("sink {name}: {} delivered{dead_letters}", totals.sent)),
    }
}

/// What is wrong with a pipeline file, in one line.
pub fn sentence(found: &Diagnostic) -> String {
    let location = found.location.as_ref().map(|at| format!("{}:{}: ", at.file.display(), at.line)).unwrap_or_default();
    let hint = found.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{location}{}{hint}", found.message)
}

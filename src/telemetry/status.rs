//! How a component reports its state: what it waits for, in words, and that it works again.

use std::{collections::BTreeMap, sync::MutexGuard, time::Duration};

use jiff::Timestamp;

use super::{ComponentReporter, ComponentState, metrics};

/// A reason that is still waited for is logged again after this time.
const REMINDER_SECONDS: i64 = 3_600;

/// The most reasons that are remembered as logged.
const MAX_LOGGED: usize = 32;

/// The state of a component and of its parts.
pub(super) struct States {
    component: ComponentState,
    /// The parts that wait, whatever the rest of the component does.
    held_up: BTreeMap<String, ComponentState>,
    /// When each reason was last logged, since the component last worked.
    logged: BTreeMap<String, Timestamp>,
}

impl Default for States {
    fn default() -> Self {
        Self { component: ComponentState::Starting, held_up: BTreeMap::new(), logged: BTreeMap::new() }
    }
}

/// The state of one component.
#[derive(Clone, Copy)]
pub struct Status<'a>(pub(super) &'a ComponentReporter);

impl Status<'_> {
    /// Reports what the component waits for, in a sentence; when it tries again isn't known.
    pub fn waiting(self, reason: &str, now: Timestamp) {
        self.wait(None, reason, None, now);
    }

    /// Reports what the component waits for, in a sentence, before it tries again after `wait`.
    pub fn trying_again(self, reason: &str, wait: Duration, now: Timestamp) {
        self.wait(None, reason, Some(wait), now);
    }

    /// Reports that `part` holds the component up, however well the rest works: [`Status::working`] doesn't end this, only
    /// [`Status::released`] with the same `part` does. Without `wait`, when it is tried again isn't known.
    pub fn held_up(self, part: &str, reason: &str, wait: impl Into<Option<Duration>>, now: Timestamp) {
        self.wait(Some(part), reason, wait.into(), now);
    }

    /// Reports that `part` no longer holds the component up.
    pub fn released(self, part: &str) {
        let released = self.states().held_up.remove(part);
        self.works_again(released.as_ref().and_then(ComponentState::since));
    }

    /// Forgets the parts that hold the component up, and how it ended: it starts again without them.
    pub fn begins_anew(self) {
        let mut states = self.states();
        states.held_up.clear();
        if states.component.has_ended() {
            states.component = ComponentState::Starting;
        }
    }

    /// Reports that the component works (again).
    pub fn working(self) {
        let before = std::mem::replace(&mut self.states().component, ComponentState::Working);
        if before == ComponentState::Starting && self.get() == ComponentState::Working {
            // The metric is 0 from the start where nothing is waited for.
            self.0.set(&metrics::WAITING, 0.0);
        }
        self.works_again(before.since());
    }

    /// Reports that the component has stopped: with an error, or because its work is done.
    pub fn stopped(self, error: Option<String>) {
        self.states().component = match error {
            Some(reason) => ComponentState::Failed { reason },
            None => ComponentState::Finished,
        };
        self.0.set(&metrics::WAITING, 0.0);
    }

    /// Sets the state, without a word in the log: of what stands for others, which log themselves.
    pub(super) fn set(self, state: ComponentState) {
        self.states().component = state;
    }

    /// What the component is doing. A part that holds it up goes before the rest.
    pub fn get(self) -> ComponentState {
        let states = self.states();
        let part = states.held_up.values().next().filter(|_| !states.component.has_ended());
        part.unwrap_or(&states.component).clone()
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.0.inner.states.lock()
    }

    /// Logs that a wait has ended, if there was one `since` then and no other remains.
    fn works_again(self, since: Option<Timestamp>) {
        let Some(since) = since else { return };
        if self.get().is_waiting() {
            return;
        }
        let waited = self.0.now().map(|now| (now.as_second() - since.as_second()).max(0));
        let after = waited.map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
        tracing::info!(component = self.0.name(), kind = self.0.kind().as_str(), "recovered{after}");
        self.states().logged.clear();
        self.0.set(&metrics::WAITING, 0.0);
    }

    /// Logs each reason once an hour until the component works again, not at every attempt: several streams or lanes that
    /// wait for different things alternate. The hourly reminder keeps the wait visible in the end of a long log.
    fn wait(self, part: Option<&str>, reason: &str, wait: Option<Duration>, now: Timestamp) {
        let mut states = self.states();
        let known = match part {
            None => states.component.since(),
            Some(part) => states.held_up.get(part).and_then(ComponentState::since),
        };
        let next_try = wait.and_then(|wait| now.checked_add(wait).ok());
        let state = ComponentState::Waiting { reason: reason.to_owned(), since: known.unwrap_or(now), next_try };
        match part {
            None => states.component = state,
            Some(part) => _ = states.held_up.insert(part.to_owned(), state),
        }
        // Reasons that differ each time must not fill the memory.
        if states.logged.len() >= MAX_LOGGED {
            states.logged.clear();
        }
        let logged = states.logged.get(reason).copied();
        let is_due = logged.is_none_or(|logged| now.as_second() - logged.as_second() >= REMINDER_SECONDS);
        if is_due {
            states.logged.insert(reason.to_owned(), now);
        }
        drop(states);
        self.0.set(&metrics::WAITING, 1.0);
        if is_due {
            let again = wait.map(|wait| format!("; trying again in {} s", whole_seconds(wait))).unwrap_or_default();
            let still = if logged.is_some() { "still " } else { "" };
            let (component, kind) = (self.0.name(), self.0.kind().as_str());
            if self.0.is_elsewhere() {
                // One of thousands that other replicas read, as they should.
                tracing::debug!(component, kind, "{still}waiting: {reason}{again}");
            } else {
                tracing::warn!(component, kind, "{still}waiting: {reason}{again}");
            }
        }
    }
}

/// A wait in whole seconds, rounded up: never 0.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

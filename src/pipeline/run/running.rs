//! The tasks of a running set, and how they end.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::plan::Key;
use super::{Failure, RunReport};
use crate::component::{ComponentError, WeakInput};
use crate::telemetry::{ComponentKind, ComponentReporter};

/// What a task is.
pub(super) struct Member {
    telemetry: ComponentReporter,
    /// Tells whether anything upstream still lives.
    upstream: Option<WeakInput>,
    abort: AbortHandle,
    /// Cancelled when the task has ended. What follows it waits for that.
    over: CancellationToken,
    resource: Option<String>,
    /// A reload has ended it: its end is nobody's trouble.
    is_replaced: bool,
}

#[derive(Default)]
pub(super) struct Running {
    pub tasks: JoinSet<Result<(), ComponentError>>,
    members: HashMap<Id, Member>,
    /// The sources of events that haven't ended.
    pub reading: HashSet<Id>,
    /// The sinks that the state doesn't wait for.
    pub optional: HashSet<Id>,
    pub report: RunReport,
}

/// What an end means for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They go on.
    Nothing,
    /// They have to drain.
    Drain,
    /// The source is to go on from its committed position.
    BeginsAnew(String),
    /// A component that a reload has ended is gone.
    Gone(ComponentKind, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    AllEnded,
    Told,
    Broken,
}

/// How a task ended.
pub(super) type Joined = Result<(Id, Result<(), ComponentError>), JoinError>;

impl Running {
    pub fn spawn(
        &mut self,
        telemetry: ComponentReporter,
        upstream: Option<WeakInput>,
        task: impl Future<Output = Result<(), ComponentError>> + Send + 'static,
    ) -> Id {
        let abort = self.tasks.spawn(task);
        let id = abort.id();
        let over = CancellationToken::new();
        self.members.insert(id, Member { telemetry, upstream, abort, over, resource: None, is_replaced: false });
        id
    }

    /// No other component may use `resource` while this one runs.
    pub fn set_resource(&mut self, id: Id, resource: Option<String>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.resource = resource;
        }
    }

    /// What another component with this key, that needs this resource, has to wait for before it opens: whoever is or has that now.
    pub fn before(&self, (kind, name): &Key, resource: Option<&String>) -> Vec<CancellationToken> {
        let holds = |member: &&Member| {
            let is_the_same = (member.telemetry.kind(), member.telemetry.name()) == (*kind, name.as_str());
            is_the_same || resource.is_some() && member.resource.as_ref() == resource
        };
        self.members.values().filter(holds).map(|member| member.over.clone()).collect()
    }

    /// Whether the task hasn't ended.
    pub fn is_running(&self, id: Id) -> bool {
        self.members.contains_key(&id)
    }

    /// From now on, the task's end is nobody's trouble.
    pub fn replaced(&mut self, id: Id) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_replaced = true;
        }
        self.reading.remove(&id);
    }

    /// Ends the task where it is. What it holds is abandoned. Returns what it was.
    pub fn abort(&self, id: Id) -> Option<Key> {
        let member = self.members.get(&id)?;
        member.abort.abort();
        Some((member.telemetry.kind(), member.telemetry.name().to_owned()))
    }

    /// The component isn't what it was when it failed.
    pub fn forget_failure(&mut self, kind: ComponentKind, name: &str) {
        self.report.failures.retain(|failure| (failure.kind, failure.name.as_str()) != (kind, name));
    }

    /// Collects ended tasks until all have ended, one ends that the others can't do without, or `stop` resolves.
    pub async fn until(&mut self, stop: impl Future<Output = ()>) -> Stop {
        tokio::pin!(stop);
        loop {
            let ended = tokio::select! {
                biased;
                ended = self.tasks.join_next_with_id() => ended,
                () = &mut stop => return Stop::Told,
            };
            let Some(ended) = ended else { return Stop::AllEnded };
            if self.ended(ended) == Verdict::Drain || self.is_cut_off() {
                return self.broken();
            }
        }
    }

    /// The others have to drain, if there are any.
    pub fn broken(&self) -> Stop {
        if self.tasks.is_empty() { Stop::AllEnded } else { Stop::Broken }
    }

    /// Notes how a task ended.
    pub fn ended(&mut self, ended: Joined) -> Verdict {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) if error.is_panic() => {
                let error_text = "stopped unexpectedly: a bug in this program";
                let hint = "please report it with the log; the events in flight are read again at the next start";
                (error.id(), Err(ComponentError::new(error_text).hint(hint)))
            }
            Err(error) => (error.id(), Ok(())),
        };
        self.reading.remove(&id);
        let is_optional = self.optional.remove(&id);
        let Some(member) = self.members.remove(&id) else { return Verdict::Nothing };
        let Member { telemetry, upstream, over, is_replaced, .. } = member;
        over.cancel();
        let (kind, name) = (telemetry.kind(), telemetry.name().to_owned());
        match result {
            Ok(()) if is_replaced => Verdict::Gone(kind, name),
            // What dropped it is ending as well, with an error of its own if it has one.
            Err(error) if error.begins_anew && is_replaced => Verdict::Gone(kind, name),
            Err(error) if error.begins_anew => Verdict::BeginsAnew(name),
            Ok(()) => {
                telemetry.status().stopped(None);
                let is_missed = !is_optional && upstream.is_some_and(|upstream| upstream.is_alive());
                if is_missed { Verdict::Drain } else { Verdict::Nothing }
            }
            Err(error) => {
                let kind_name = kind.as_str();
                tracing::error!(component = name, kind = kind_name, hint = error.hint.as_deref(), "{error}");
                if is_replaced {
                    return Verdict::Gone(kind, name);
                }
                telemetry.status().stopped(Some(error.to_string()));
                self.report.failures.push(Failure { kind, name, error });
                if !is_optional && kind != ComponentKind::Source { Verdict::Drain } else { Verdict::Nothing }
            }
        }
    }

    /// Whether no events will come any more because the last source failed. Without an end, a sink could wait forever with
    /// what it holds, such as a suspect that waits for other records to be accepted.
    pub fn is_cut_off(&self) -> bool {
        !self.report.failures.is_empty() && self.reading.is_empty()
    }
}

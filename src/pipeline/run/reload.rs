//! A set at work: waits for the ends of its components, and becomes another set when it is asked to.
//!
//! What is changed or gone drains as at the end of the program: it sees the end of its input, delivers what it holds, and
//! ends. What follows it has begun already and takes chunks up to its channel's size, but opens only then. By the deadline
//! what still drains is aborted. Its chunks are abandoned, never acknowledged, and each source that had some of them goes on
//! from its committed position.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use tokio::sync::oneshot;
use tokio::task::Id;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::plan::{Key, Plan, renamed};
use super::requests::Request;
use super::running::{Joined, Running, Stop, Verdict};
use super::topology::{Topology, check};
use super::{Changes, Reloaded, Reloads, RunReport};
use crate::component::ComponentError;
use crate::pipeline::Config;
use crate::telemetry::ComponentKind;

/// A source that begins anew again within this time waits longer each time: what drops its events may go on doing so.
const CALM: Duration = Duration::from_mins(5);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A set at work.
#[derive(Default)]
pub(super) struct Set {
    pub running: Running,
    /// What runs as what. Without it, there is nothing to reload.
    pub topology: Option<Topology>,
    phase: Phase,
    /// How often each source has begun anew lately, and when last.
    restarts: HashMap<String, (u32, Instant)>,
}

/// How far the present reload is.
#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    Checking {
        config: Config,
        check: BoxFuture<'static, Result<(), ComponentError>>,
        reply: oneshot::Sender<Reloaded>,
    },
    Draining {
        changes: Changes,
        left: HashSet<Id>,
        deadline: Option<Instant>,
        reply: oneshot::Sender<Reloaded>,
    },
}

impl Set {
    /// Waits for the tasks' ends, and for the signal to end them.
    pub async fn supervise(mut self, ending: &CancellationToken, drain: Duration, reloads: Reloads) -> RunReport {
        let stop = self.serve(ending, drain, reloads).await;
        self.phase = Phase::Idle;
        let mut running = self.running;
        if stop == Stop::AllEnded {
            return running.report;
        }
        ending.cancel();
        let deadline = Instant::now() + drain;
        loop {
            match running.until(sleep_until(deadline)).await {
                Stop::AllEnded => return running.report,
                // Already draining: one more end changes nothing.
                Stop::Broken => {}
                Stop::Told => break,
            }
        }
        running.report.drain_timed_out = true;
        running.tasks.shutdown().await;
        running.report
    }

    /// Until everything has ended or is to end.
    async fn serve(&mut self, ending: &CancellationToken, drain: Duration, mut reloads: Reloads) -> Stop {
        loop {
            let is_idle = matches!(self.phase, Phase::Idle) && self.topology.is_some();
            let deadline = match &self.phase {
                Phase::Draining { deadline, .. } => *deadline,
                _ => None,
            };
            let check = match &mut self.phase {
                Phase::Checking { check, .. } => Some(check),
                _ => None,
            };
            tokio::select! {
                biased;
                joined = self.running.tasks.join_next_with_id() => {
                    let Some(joined) = joined else { return Stop::AllEnded };
                    if self.joined(joined) || self.running.is_cut_off() {
                        return self.running.broken();
                    }
                }
                () = ending.cancelled() => return Stop::Told,
                Some(()) = OptionFuture::from(deadline.map(sleep_until)) => self.abort(),
                Some(checked) = OptionFuture::from(check) => self.checked(checked, drain),
                request = reloads.next(), if is_idle => self.requested(request),
            }
        }
    }

    /// True when the others have to drain.
    fn joined(&mut self, joined: Joined) -> bool {
        let id = match &joined {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        match self.running.ended(joined) {
            Verdict::Nothing => {}
            Verdict::Drain => return true,
            Verdict::BeginsAnew(name) => self.begin_anew(&name),
            Verdict::Gone(kind, name) => {
                if let Some(topology) = &self.topology {
                    topology.gone(kind, &name);
                }
            }
        }
        if let Phase::Draining { left, .. } = &mut self.phase {
            left.remove(&id);
        }
        self.complete();
        false
    }

    /// Begins with a request: what changes, and whether this machine has what it needs.
    fn requested(&mut self, request: Request) {
        let Request { config, reply } = request;
        let Some(topology) = &self.topology else { return };
        let plan = Plan::of(&config, &topology.parts, &self.running, &[]);
        if let Some(refused) = plan.refusal(&topology.config, &config, &topology.parts, &self.running) {
            let _ = reply.send(refused);
            return;
        }
        let (checked, env) = (config.clone(), topology.base.env.clone());
        let check = Box::pin(async move { check(&checked, &plan.begin, &env).await });
        self.phase = Phase::Checking { config, check, reply };
    }

    /// Makes the change.
    fn checked(&mut self, checked: Result<(), ComponentError>, drain: Duration) {
        let Phase::Checking { config, reply, .. } = std::mem::take(&mut self.phase) else { return };
        let Some(topology) = &mut self.topology else { return };
        if let Err(error) = checked {
            let hint = error.hint.unwrap_or_else(|| "repair that and reload again".to_owned());
            let _ = reply.send(Reloaded::Refused { message: error.message, hint });
            return;
        }
        // Something may have ended since.
        let plan = Plan::of(&config, &topology.parts, &self.running, &[]);
        if let Some(refused) = plan.refusal(&topology.config, &config, &topology.parts, &self.running) {
            let _ = reply.send(refused);
            return;
        }
        for (gone, new) in renamed(&topology.config, &config) {
            tracing::warn!(
                component = new,
                "`{new}` is another source than `{gone}`, with a state of its own: it reads its `initial_lookback`, also \
                 what `{gone}` has delivered; the state of `{gone}` stays in `data_dir`"
            );
        }
        match topology.change(config, plan, HashMap::new(), Duration::ZERO, &mut self.running) {
            Ok((changes, draining)) => {
                let deadline = Some(Instant::now() + drain);
                self.phase = Phase::Draining { changes, left: draining.into_iter().collect(), deadline, reply };
                self.complete();
            }
            Err(failure) => {
                let message = failure.error.message;
                let hint = failure.error.hint.unwrap_or_default();
                let _ = reply.send(Reloaded::Refused { message, hint });
            }
        }
    }

    /// Ends what hasn't drained in time.
    fn abort(&mut self) {
        let Phase::Draining { changes, left, deadline, .. } = &mut self.phase else { return };
        *deadline = None;
        let mut parts: Vec<Key> = left.iter().filter_map(|id| self.running.abort(*id)).collect();
        parts.sort();
        for (_, name) in &parts {
            tracing::warn!(component = name, "it hasn't drained in time: what it held is read again");
        }
        let sources = parts.iter().filter(|(kind, _)| *kind == ComponentKind::Source);
        let sources: Vec<String> = sources.map(|(_, name)| name.clone()).collect();
        changes.aborted = parts.into_iter().map(|(_, name)| name).collect();
        if !sources.is_empty() {
            self.read_again(&sources, Duration::ZERO);
        }
    }

    /// The reload is over when nothing of it drains any more.
    fn complete(&mut self) {
        if !matches!(&self.phase, Phase::Draining { left, .. } if left.is_empty()) {
            return;
        }
        if let Phase::Draining { changes, reply, .. } = std::mem::take(&mut self.phase) {
            let _ = reply.send(Reloaded::Applied(changes));
        }
    }

    /// A part of what the source had sent was dropped: it goes on from what is committed.
    fn begin_anew(&mut self, name: &str) {
        let now = Instant::now();
        let (times, last) = self.restarts.get(name).copied().unwrap_or((0, now));
        let times = if now - last > CALM { 0 } else { times };
        let pause = match times {
            0 => Duration::ZERO,
            times => LONGEST_PAUSE.min(Duration::from_secs(1 << times.min(5))),
        };
        self.restarts.insert(name.to_owned(), (times + 1, now));
        tracing::info!(
            component = name,
            "a part of what was sent wasn't delivered: going on from the committed position"
        );
        self.read_again(&[name.to_owned()], pause);
    }

    /// These sources begin anew after the pause, and with them what only they feed.
    fn read_again(&mut self, sources: &[String], pause: Duration) {
        let Some(topology) = &mut self.topology else { return };
        let config = topology.config.clone();
        let plan = Plan::of(&config, &topology.parts, &self.running, sources);
        match topology.change(config, plan, HashMap::new(), pause, &mut self.running) {
            // None of it drains: what it holds is read again now.
            Ok((_, ended)) => ended.into_iter().for_each(|id| _ = self.running.abort(id)),
            Err(failure) => self.running.report.failures.push(failure),
        }
    }
}

#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;

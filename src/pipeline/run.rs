//! Builds the components of a checked configuration, runs them, and ends them in order.
//!
//! Ending always goes with the stream: a source stops reading and drops its output, so its readers see the end of
//! their input, deliver what they hold, and end in turn; meanwhile the source waits for its acknowledgements and
//! commits. Nothing is stopped in the middle, unless the drain's deadline passes.

mod open;
mod transform;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::open::{Waiting, first_try};
use super::Stores;
use crate::component::{ComponentError, Context, Input, InputSender, Output, Records, WeakInput};
use crate::pipeline::{Config, InputRef};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry};
use nordpass_env::Env;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// End when every source has covered everything up to its start, and all of it is acknowledged and committed.
    pub once: bool,
    /// How long a shutdown may drain.
    pub drain: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { once: false, drain: Duration::from_secs(15) }
    }
}

/// A component that stopped with an error.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Source, transform or sink.
    pub kind: ComponentKind,
    /// Its name.
    pub name: String,
    /// Why.
    pub error: ComponentError,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The components that failed; empty for exit code 0.
    pub failures: Vec<Failure>,
    /// Whether the drain's deadline passed with events unacknowledged: they are read again next time.
    pub drain_timed_out: bool,
}

/// Runs a pipeline set to its end: until `shutdown` begins (then it drains), or with `once` until everything is done.
///
/// A source that fails stops alone: another organization's events go on. When the last of them has ended and one had
/// failed, or when a transform or a required sink fails, everything is drained: by its deadline, so that a supervisor can
/// restart the process. A sink that can't open yet is waited for while the others run, unless it is a required one and
/// waiting can't cure it: then nothing has run.
pub async fn run(
    config: Config,
    options: RunOptions,
    env: Env,
    stores: Stores,
    telemetry: Telemetry,
    shutdown: CancellationToken,
) -> RunReport {
    telemetry.set_clock(env.clock.clone());
    // The components end with the program, and by themselves when one fails that the others can't do without.
    let ending = shutdown.child_token();
    let _ends_when_dropped = ending.clone().drop_guard();
    let base = Base {
        data_dir: config.data_dir.clone(),
        env,
        stores: stores.clone(),
        shutdown: ending.clone(),
        once: options.once,
    };
    let mut running = Running::default();
    // A file sink asks the checkpoint when it opens, and waits for it: that must not outlive the shutdown.
    let built = tokio::select! {
        biased;
        built = build(config, &base, &telemetry, &mut running) => built,
        () = shutdown.cancelled() => return RunReport::default(),
    };
    if let Err(failure) = built {
        running.report.failures.push(failure);
        return running.report;
    }
    let report = running.supervise(&ending, options.drain).await;
    // Best effort, and not for long: a lease that isn't released expires.
    let _ = tokio::time::timeout(RELEASE_TIME, stores.state.close()).await;
    report
}

/// How long releasing leases may take.
const RELEASE_TIME: Duration = Duration::from_secs(3);

/// The pause between the starts of two sources: hundreds of them must not all connect in the same moment.
const STAGGER: Duration = Duration::from_millis(20);

struct Base {
    data_dir: std::path::PathBuf,
    env: Env,
    stores: Stores,
    shutdown: CancellationToken,
    once: bool,
}

impl Base {
    fn context(&self, telemetry: ComponentReporter) -> Context {
        Context {
            name: telemetry.name().into(),
            env: self.env.clone(),
            telemetry,
            data_dir: self.data_dir.clone(),
            store: self.stores.state.clone(),
            dead_letters: self.stores.dead_letters.clone(),
            shutdown: self.shutdown.clone(),
            once: self.once,
        }
    }
}

/// What a task is.
struct Member {
    telemetry: ComponentReporter,
    /// Tells whether anything upstream still lives.
    upstream: Option<WeakInput>,
}

#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<(), ComponentError>>,
    members: HashMap<Id, Member>,
    /// The sources of events that haven't ended.
    reading: HashSet<Id>,
    /// The sinks that the state doesn't wait for.
    optional: HashSet<Id>,
    report: RunReport,
}

/// The readers of each output.
type Readers = HashMap<InputRef, Vec<InputSender>>;

async fn build(config: Config, base: &Base, telemetry: &Telemetry, running: &mut Running) -> Result<(), Failure> {
    let mut readers = Readers::new();
    let mut sinks = Vec::new();
    for sink in config.sinks {
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        let component = telemetry.component(ComponentKind::Sink, &sink.name);
        component.set_type(sink.component_type.name);
        connect(&mut readers, &sink.inputs, sender, sink.required);
        let waiting =
            Waiting { settings: sink.settings, context: base.context(component.clone()), required: sink.required };
        let opened = first_try(&waiting)
            .await
            .map_err(|error| Failure { kind: ComponentKind::Sink, name: sink.name, error })
            .inspect_err(|failure| component.status().stopped(Some(failure.error.to_string())))?;
        sinks.push((component, opened, waiting, input, weak_input));
    }
    for (component, opened, waiting, input, weak_input) in sinks {
        let required = waiting.required;
        let id = running.spawn(component, Some(weak_input), async move {
            match opened {
                Some(sink) => sink.run(input).await,
                None => waiting.open_and_run(input).await,
            }
        });
        if !required {
            running.optional.insert(id);
        }
    }
    // From the last to the first: the readers of a transform's outputs are known before the transform is.
    for transform in config.transforms.into_iter().rev() {
        let component = telemetry.component(ComponentKind::Transform, &transform.name);
        let mut required = false;
        let mut outputs = Vec::with_capacity(transform.outputs.len());
        for output in 0..transform.outputs.len() {
            let senders = readers_of(&mut readers, ComponentKind::Transform, &transform.name, output)?;
            required |= senders.iter().any(InputSender::is_required);
            outputs.push(Output::new(senders, component.clone()));
        }
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        connect(&mut readers, &transform.inputs, sender, required);
        let context = base.context(component.clone());
        let built = transform.settings.build(component.clone());
        let task = transform::Running { transform: built, config: transform, input, outputs, context };
        running.spawn(component, Some(weak_input), task.run());
    }
    // All of them are known before the first one runs: one of them reports about the others.
    for source in &config.sources {
        let component = telemetry.component(ComponentKind::Source, &source.name);
        component.set_type(source.component_type.name);
        if source.feeds != source.name {
            component.set_template(&source.feeds);
        }
    }
    for (number, source) in (0..).zip(config.sources) {
        let component = telemetry.component(ComponentKind::Source, &source.name);
        // The readers of a template read each organization's source.
        let senders = match readers.get(&source.output()) {
            Some(senders) => senders.clone(),
            None => readers_of(&mut readers, ComponentKind::Source, &source.name, 0)?,
        };
        let output = Output::new(senders, component.clone());
        let context = base.context(component.clone());
        let observes = source.component_type.records == Records::Rows;
        let (reading, shutdown) = (source.settings.build(telemetry).run(context, output), base.shutdown.clone());
        let id = running.spawn(component, None, async move {
            tokio::select! {
                biased;
                () = tokio::time::sleep(STAGGER * number) => {}
                () = shutdown.cancelled() => {}
            }
            reading.await
        });
        if !observes {
            running.reading.insert(id);
        }
    }
    Ok(())
}

/// Takes the readers of an output. Without a reader, events would be lost silently: they would count as delivered.
fn readers_of(
    readers: &mut Readers,
    kind: ComponentKind,
    name: &str,
    output: usize,
) -> Result<Vec<InputSender>, Failure> {
    readers.remove(&InputRef { component: name.to_owned(), output }).ok_or_else(|| {
        let error = ComponentError::new(format!("output {output} of the {} `{name}` has no reader", kind.as_str()))
            .hint("this is a defect of the program, which checks it before it starts: please report it");
        Failure { kind, name: name.to_owned(), error }
    })
}

/// Adds a component as a reader of its inputs.
fn connect(readers: &mut Readers, inputs: &[InputRef], sender: InputSender, required: bool) {
    let sender = if required { sender } else { sender.optional() };
    for (index, input) in inputs.iter().enumerate() {
        readers.entry(input.clone()).or_default().push(sender.input(index));
    }
}

impl Running {
    fn spawn(
        &mut self,
        telemetry: ComponentReporter,
        upstream: Option<WeakInput>,
        task: impl Future<Output = Result<(), ComponentError>> + Send + 'static,
    ) -> Id {
        let id = self.tasks.spawn(task).id();
        self.members.insert(id, Member { telemetry, upstream });
        id
    }

    /// Waits for the tasks' ends, and for the signal to end them.
    async fn supervise(mut self, ending: &CancellationToken, drain: Duration) -> RunReport {
        let stop = self.until(ending.cancelled()).await;
        if stop == Stop::AllEnded {
            return self.report;
        }
        ending.cancel();
        let deadline = tokio::time::Instant::now() + drain;
        loop {
            match self.until(tokio::time::sleep_until(deadline)).await {
                Stop::AllEnded => return self.report,
                // Already draining: one more end changes nothing.
                Stop::Broken => {}
                Stop::Told => break,
            }
        }
        self.report.drain_timed_out = true;
        self.tasks.shutdown().await;
        self.report
    }

    /// Collects ended tasks until all have ended, one ends that the others can't do without, or `stop` resolves.
    async fn until(&mut self, stop: impl Future<Output = ()>) -> Stop {
        tokio::pin!(stop);
        loop {
            let ended = tokio::select! {
                biased;
                ended = self.tasks.join_next_with_id() => ended,
                () = &mut stop => return Stop::Told,
            };
            let Some(ended) = ended else { return Stop::AllEnded };
            if self.ended(ended) || self.is_cut_off() {
                return if self.tasks.is_empty() { Stop::AllEnded } else { Stop::Broken };
            }
        }
    }

    /// Notes how a task ended. True when the others have to drain.
    fn ended(&mut self, ended: Result<(Id, Result<(), ComponentError>), JoinError>) -> bool {
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
        let Some(member) = self.members.remove(&id) else { return false };
        let Member { telemetry, upstream } = member;
        match result {
            Ok(()) => {
                telemetry.status().stopped(None);
                !is_optional && upstream.is_some_and(|upstream| upstream.is_alive())
            }
            Err(error) => {
                tracing::error!(
                    component = telemetry.name(),
                    kind = telemetry.kind().as_str(),
                    hint = error.hint.as_deref(),
                    "{error}"
                );
                telemetry.status().stopped(Some(error.to_string()));
                let kind = telemetry.kind();
                self.report.failures.push(Failure { kind, name: telemetry.name().to_owned(), error });
                !is_optional && kind != ComponentKind::Source
            }
        }
    }

    /// Whether no events will come any more because the last source failed. Without an end, a sink could wait forever with
    /// what it holds, such as a suspect that waits for other records to be accepted.
    fn is_cut_off(&self) -> bool {
        !self.report.failures.is_empty() && self.reading.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    AllEnded,
    Told,
    Broken,
}

#[cfg(test)]
mod tests;

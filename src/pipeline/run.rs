//! Builds the components of a checked configuration, runs them, and ends them in order.
//!
//! Ending always goes with the stream: a source stops reading and drops its output, so its readers see the end of
//! their input, deliver what they hold, and end in turn; meanwhile the source waits for its acknowledgements and
//! commits. Nothing is stopped in the middle, unless the drain's deadline passes.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Stores;
use crate::component::{ComponentError, Context, Input, InputSender, Output, Records, Transform, WeakInput};
use crate::pipeline::{Config, InputRef};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry, metrics};
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
/// failed, when a transform or a sink fails, or when its reader is gone, everything is drained: by its deadline, so that
/// a supervisor can restart the process. A sink that can't be opened is a failure, and then nothing has run.
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
        let opened = sink.settings.build(base.context(component.clone())).await;
        let opened = opened
            .map_err(|error| Failure { kind: ComponentKind::Sink, name: sink.name, error })
            .inspect_err(|failure| component.status().stopped(Some(failure.error.to_string())))?;
        // Open is all that a sink can be before the first event: a quiet organization's pipeline is ready.
        component.status().working();
        sinks.push((component, opened, input, weak_input));
    }
    for (component, sink, input, weak_input) in sinks {
        running.spawn(component, Some(weak_input), sink.run(input));
    }
    // From the last to the first: the readers of a transform's outputs are known before the transform is.
    for transform in config.transforms.into_iter().rev() {
        let component = telemetry.component(ComponentKind::Transform, &transform.name);
        let mut required = false;
        let mut outputs = Vec::with_capacity(transform.outputs);
        for output in 0..transform.outputs {
            let senders = readers_of(&mut readers, ComponentKind::Transform, &transform.name, output)?;
            required |= senders.iter().any(InputSender::is_required);
            outputs.push(Output::new(senders, component.clone()));
        }
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        connect(&mut readers, &transform.inputs, sender, required);
        let built = transform.settings.build(component.clone());
        running.spawn(component.clone(), Some(weak_input), run_transform(built, input, outputs, component));
    }
    // All of them are known before the first one runs: one of them reports about the others.
    for source in &config.sources {
        telemetry.component(ComponentKind::Source, &source.name).set_type(source.component_type.name);
    }
    for (number, source) in (0..).zip(config.sources) {
        let component = telemetry.component(ComponentKind::Source, &source.name);
        let senders = readers_of(&mut readers, ComponentKind::Source, &source.name, 0)?;
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

async fn run_transform(
    mut transform: Box<dyn Transform>,
    mut input: Input,
    outputs: Vec<Output>,
    telemetry: ComponentReporter,
) -> Result<(), ComponentError> {
    let mut out = Vec::new();
    telemetry.status().working();
    while let Some((_, chunk)) = input.receive().await {
        telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
        transform.transform(chunk, &mut out);
        out.reverse();
        while let Some((output, chunk)) = out.pop() {
            let Some(output) = outputs.get(output) else { continue };
            if output.send(chunk).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
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
        let Some(member) = self.members.remove(&id) else { return false };
        let Member { telemetry, upstream } = member;
        match result {
            Ok(()) => {
                telemetry.status().stopped(None);
                upstream.is_some_and(|upstream| upstream.is_alive())
            }
            Err(error) if error.reader_gone => {
                telemetry.status().stopped(None);
                true
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
                kind != ComponentKind::Source
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
mod tests {
    use super::*;

    fn running() -> (Running, Telemetry) {
        (Running::default(), Telemetry::new())
    }

    async fn until(shutdown: CancellationToken) -> Result<(), ComponentError> {
        shutdown.cancelled().await;
        Ok(())
    }

    const DRAIN: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_failed_source_stops_alone_and_a_failed_sink_drains_everything() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        let inner = ending.clone();
        let broken = telemetry.component(ComponentKind::Source, "broken");
        running.spawn(broken, None, async { Err(ComponentError::new("its state is damaged")) });
        let other = running.spawn(telemetry.component(ComponentKind::Source, "other"), None, until(inner));
        running.reading.insert(other);
        let sink = telemetry.component(ComponentKind::Sink, "sink");
        running.spawn(sink, None, async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err(ComponentError::new("the table is gone"))
        });
        let began = tokio::time::Instant::now();
        let report = running.supervise(&ending, DRAIN).await;
        assert_eq!(began.elapsed().as_secs(), 60, "the failed source didn't stop the others");
        let names: Vec<&str> = report.failures.iter().map(|failure| failure.name.as_str()).collect();
        assert_eq!(names, ["broken", "sink"]);
        assert!(!report.drain_timed_out);
    }

    /// Simulated worlds 4081 and 8615: the only source had panicked, and the sink went on for ever with a record that
    /// waited for others of its table to be accepted.
    #[tokio::test(start_paused = true)]
    async fn when_the_last_source_has_failed_the_sinks_end_by_the_deadline() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        let inner = ending.clone();
        let source = telemetry.component(ComponentKind::Source, "source");
        let source = running.spawn(source, None, async { panic!("a test's panic") });
        running.reading.insert(source);
        running.spawn(telemetry.component(ComponentKind::Source, "health"), None, until(inner));
        running.spawn(telemetry.component(ComponentKind::Sink, "stuck"), None, std::future::pending());
        let began = tokio::time::Instant::now();
        let ending = running.supervise(&ending, DRAIN);
        let report = tokio::time::timeout(10 * DRAIN, ending).await.expect("it ends by itself");
        assert_eq!((began.elapsed(), report.drain_timed_out), (DRAIN, true));
        assert_eq!(report.failures[0].name, "source");
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_does_not_drain_is_ended_at_the_deadline() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        running.spawn(telemetry.component(ComponentKind::Sink, "stuck"), None, std::future::pending());
        ending.cancel();
        let began = tokio::time::Instant::now();
        let report = running.supervise(&ending, DRAIN).await;
        assert_eq!((began.elapsed(), report.drain_timed_out), (DRAIN, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure_with_a_name() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        running.spawn(telemetry.component(ComponentKind::Transform, "asim"), None, async { panic!("a test's panic") });
        let report = running.supervise(&ending, DRAIN).await;
        assert_eq!(report.failures[0].name, "asim");
        assert!(report.failures[0].error.hint.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_whose_reader_is_gone_drains_everything_without_a_failure() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        let inner = ending.clone();
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        running.spawn(telemetry.component(ComponentKind::Source, "source"), None, async move {
            inner.cancelled().await;
            drop(sender);
            Ok(())
        });
        running.spawn(telemetry.component(ComponentKind::Sink, "console"), Some(weak_input), async move {
            drop(input);
            Ok(())
        });
        let report = running.supervise(&ending, DRAIN).await;
        assert!(report.failures.is_empty() && !report.drain_timed_out);
    }

    /// A source that has read everything has dropped its output, and waits for its acknowledgements only. Then the sink's end
    /// has to reach it as an end and not as a loss: `run --once … | head` failed in most runs.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_when_everything_is_read_is_no_failure() {
        let (mut running, telemetry) = running();
        let ending = CancellationToken::new();
        let inner = ending.clone();
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        drop(sender);
        running.spawn(telemetry.component(ComponentKind::Source, "source"), None, until(inner));
        running.spawn(telemetry.component(ComponentKind::Sink, "console"), Some(weak_input), async move {
            drop(input);
            Err(ComponentError::reader_gone())
        });
        let report = running.supervise(&ending, DRAIN).await;
        assert!(report.failures.is_empty() && !report.drain_timed_out, "{report:?}");
    }
}

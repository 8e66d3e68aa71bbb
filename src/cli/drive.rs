//! Runs a pipeline set until it ends: by itself, at a signal, or at `--timeout`.

use std::{fmt::Write as _, pin::pin, time::Duration};

use futures::{Stream, StreamExt, future::OptionFuture};
use tokio_util::sync::CancellationToken;

use crate::pipeline::RunReport;
use crate::settings::format_duration;
use crate::telemetry::{ComponentState, Health, Telemetry, progress_bar};

/// How long a shutdown may drain. Events not acknowledged by then are read again by the next run.
pub(super) const DRAIN: Duration = Duration::from_secs(15);

/// How long a run may still take to end in order after its timeout.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The pipelines ended by themselves.
    Finished(RunReport),
    /// A signal ended them, and they drained. The work may not be complete.
    Signalled(RunReport),
    /// A second signal ended them without waiting for the drain.
    StoppedAtOnce,
    /// `--timeout` passed.
    TimedOut {
        /// That it passed, and what the components waited for.
        message: String,
        /// The run's own report, if it still ended in order.
        report: Option<RunReport>,
    },
}

impl Ending {
    /// The run's report, if it ended in order.
    pub fn report(&self) -> Option<&RunReport> {
        match self {
            Self::Finished(report) | Self::Signalled(report) => Some(report),
            Self::TimedOut { report, .. } => report.as_ref(),
            Self::StoppedAtOnce => None,
        }
    }

    /// Whether the pipelines ended by themselves and without a failure.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Finished(report) if report.failures.is_empty())
    }
}

/// Shows the progress bar while `work` runs.
pub(super) async fn with_progress<T>(telemetry: &Telemetry, work: impl Future<Output = T>) -> T {
    let (done, over) = tokio::sync::oneshot::channel::<()>();
    let bar = tokio::spawn(progress_bar::watch(telemetry.clone(), async {
        let _ = over.await;
    }));
    let result = work.await;
    drop(done);
    let _ = bar.await;
    result
}

/// Drives `run` to its end. The first signal begins the shutdown, a second one stops at once.
pub(super) async fn drive(
    run: impl Future<Output = RunReport>,
    shutdown: &CancellationToken,
    signals: impl Stream<Item = ()>,
    timeout: Option<Duration>,
    telemetry: &Telemetry,
) -> Ending {
    let mut run = pin!(run);
    let mut signals = pin!(signals);
    let mut signalled = false;
    let mut deadline = pin!(OptionFuture::from(timeout.map(tokio::time::sleep)));
    loop {
        tokio::select! {
            biased;
            report = &mut run => {
                return if signalled { Ending::Signalled(report) } else { Ending::Finished(report) };
            }
            Some(()) = signals.next() => {
                if signalled {
                    return Ending::StoppedAtOnce;
                }
                signalled = true;
                tracing::info!("ending: draining for up to {} s; a second signal stops at once", DRAIN.as_secs());
                shutdown.cancel();
            }
            Some(()) = &mut deadline => {
                let message = out_of_time(timeout, telemetry);
                shutdown.cancel();
                let report = tokio::time::timeout(LAST_MOMENTS, &mut run).await.ok();
                return Ending::TimedOut { message, report };
            }
        }
    }
}

/// The message that the timeout has passed, with a line for each component that isn't done.
pub(super) fn out_of_time(timeout: Option<Duration>, telemetry: &Telemetry) -> String {
    let mut text = format!("not finished within {}", format_duration(timeout.unwrap_or_default()));
    for Health { kind, name, state, .. } in telemetry.health() {
        let state = match state {
            ComponentState::Starting => "hasn't succeeded yet".to_owned(),
            ComponentState::Working => "is still working".to_owned(),
            ComponentState::Waiting { reason, since, .. } => format!("has been waiting since {since}: {reason}"),
            ComponentState::Failed { reason } => format!("has failed: {reason}"),
            ComponentState::Finished => continue,
        };
        let _ = write!(text, "\n  {} {name} {state}", kind.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::telemetry::ComponentKind;

    /// A run that ends only when cancelled, after `drain`.
    fn patient(drain: Duration) -> (impl Future<Output = RunReport>, CancellationToken) {
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let run = async move {
            shutdown.cancelled().await;
            sleep(drain).await;
            RunReport::default()
        };
        (run, signal)
    }

    /// Signals at these seconds.
    fn signals(at: &'static [u64]) -> impl Stream<Item = ()> {
        let start = Instant::now();
        stream::iter(at)
            .then(move |second| tokio::time::sleep_until(start + Duration::from_secs(*second)))
            .chain(stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_ends_by_itself_is_finished() {
        let signal = CancellationToken::new();
        let ending = drive(async { RunReport::default() }, &signal, stream::empty(), None, &Telemetry::new()).await;
        assert!(matches!(ending, Ending::Finished(_)), "{ending:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_signal_drains() {
        let start = Instant::now();
        let (run, signal) = patient(Duration::from_secs(3));
        let ending = drive(run, &signal, signals(&[10]), None, &Telemetry::new()).await;
        assert!(matches!(ending, Ending::Signalled(_)), "{ending:?}");
        assert_eq!(start.elapsed().as_secs(), 13);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_stops_at_once() {
        let start = Instant::now();
        let (run, signal) = patient(Duration::from_secs(3));
        let ending = drive(run, &signal, signals(&[10, 11]), None, &Telemetry::new()).await;
        assert!(matches!(ending, Ending::StoppedAtOnce), "{ending:?}");
        assert_eq!(start.elapsed().as_secs(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_says_what_it_waited_for() {
        let telemetry = Telemetry::new();
        telemetry.component(ComponentKind::Source, "nordpass").status().stopped(None);
        telemetry
            .component(ComponentKind::Sink, "sentinel")
            .status()
            .waiting("the token is refused", jiff::Timestamp::UNIX_EPOCH);
        let (run, signal) = patient(Duration::from_mins(1));
        let start = Instant::now();
        let ending = drive(run, &signal, signals(&[]), Some(Duration::from_secs(20)), &telemetry).await;
        let Ending::TimedOut { message, report } = ending else { panic!("{ending:?}") };
        assert_eq!(
            message,
            "not finished within 20s\n  sink sentinel has been waiting since 1970-01-01T00:00:00Z: the token is refused"
        );
        assert!(report.is_none());
        assert_eq!(start.elapsed(), Duration::from_secs(20) + LAST_MOMENTS);
    }
}

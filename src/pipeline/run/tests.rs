//! How a set ends when one of its components does.

use super::running::Running;
use super::*;
use crate::component::Input;

fn running() -> (Running, Telemetry) {
    (Running::default(), Telemetry::new())
}

async fn supervise(running: Running, ending: &CancellationToken) -> RunReport {
    let mut set = Set::default();
    set.running = running;
    set.supervise(ending, DRAIN, Reloads::none()).await
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
    let report = supervise(running, &ending).await;
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
    let ending = supervise(running, &ending);
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
    let report = supervise(running, &ending).await;
    assert_eq!((began.elapsed(), report.drain_timed_out), (DRAIN, true));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_with_a_name() {
    let (mut running, telemetry) = running();
    let ending = CancellationToken::new();
    running.spawn(telemetry.component(ComponentKind::Transform, "asim"), None, async { panic!("a test's panic") });
    let report = supervise(running, &ending).await;
    assert_eq!(report.failures[0].name, "asim");
    assert!(report.failures[0].error.hint.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_required_sink_that_ends_early_drains_everything() {
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
    let report = supervise(running, &ending).await;
    assert!(report.failures.is_empty() && !report.drain_timed_out);
}

/// A source that has read everything has dropped its output, and waits for its acknowledgements only. Then the sink's end has to
/// reach it as an end and not as a loss: in most runs of `run --once … | head` it failed, too.
#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_before_the_end_is_its_sinks_failure_only() {
    let (mut running, telemetry) = running();
    let ending = CancellationToken::new();
    let inner = ending.clone();
    let (sender, input) = Input::new();
    let weak_input = sender.weak_input();
    drop(sender);
    running.spawn(telemetry.component(ComponentKind::Source, "source"), None, until(inner));
    running.spawn(telemetry.component(ComponentKind::Sink, "console"), Some(weak_input), async move {
        drop(input);
        Err(ComponentError::new("the reader has closed the pipe"))
    });
    let report = supervise(running, &ending).await;
    let names: Vec<&str> = report.failures.iter().map(|failure| failure.name.as_str()).collect();
    assert_eq!((names, report.drain_timed_out), (vec!["console"], false), "{report:?}");
}

/// Its trouble is its own: everything else went on, and was stopped by it.
#[tokio::test(start_paused = true)]
async fn an_optional_sink_that_fails_stops_nobody() {
    let (mut running, telemetry) = running();
    let ending = CancellationToken::new();
    let source = running.spawn(telemetry.component(ComponentKind::Source, "source"), None, async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    });
    running.reading.insert(source);
    let optional = running.spawn(telemetry.component(ComponentKind::Sink, "console"), None, async {
        Err(ComponentError::new("the reader has closed the pipe"))
    });
    running.optional.insert(optional);
    let began = tokio::time::Instant::now();
    let report = supervise(running, &ending).await;
    assert_eq!((began.elapsed().as_secs(), report.failures.len()), (60, 1), "it is told at the end");
}

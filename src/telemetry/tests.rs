//! What a scrape, an operator and the status page see of a component.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::logs::LogFormat;
use super::logs::tests::logged;
use super::{
    ComponentKind, ComponentReporter, ComponentState, METRICS, MetricKind, Telemetry, TokenState, Totals, metrics,
};
use nordpass_env::TestClock;
use tracing_subscriber::filter::LevelFilter;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn every_metric_is_scraped_with_help_and_type() {
    let telemetry = Telemetry::new();
    let component = telemetry.component(ComponentKind::Sink, "sentinel");
    for metric in METRICS {
        match (metric.kind, metric.label) {
            (MetricKind::Counter, None) => component.add(metric, 1),
            (MetricKind::Counter, Some(_)) => component.add_labelled(metric, "a \"label\"\n", 1),
            (MetricKind::Gauge, _) => component.set(metric, 1.0),
            (MetricKind::Histogram, _) => component.observe(metric, 1.0),
        }
    }
    let scrape = telemetry.render();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "summary",
        };
        assert!(scrape.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        assert!(scrape.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
        let sample = "component_kind=\"sink\",component=\"sentinel\"";
        let samples = scrape.lines().filter(|line| line.starts_with(metric.name) && line.contains(sample));
        assert!(samples.count() > 0, "{}:\n{scrape}", metric.name);
    }
    assert!(scrape.contains(r#"kind="a \"label\"\n""#), "{scrape}");
}

/// Byte for byte: dashboards and scrapers read it.
#[test]
fn a_scrape_is_prometheus_text() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nord\\pass");
    source.add_labelled(&metrics::ERRORS, "timeout", 2);
    source.add_labelled(&metrics::ERRORS, "status", 1);
    source.set(&metrics::CURSOR_SECONDS, 1_764_547_200.0);
    let sink = telemetry.component(ComponentKind::Sink, "sentinel");
    for millisecond in [250.0, 125.0] {
        sink.observe(&metrics::REQUEST_SECONDS, millisecond / 1_000.0);
    }
    let expected = r#"# HELP sentinel_errors_total Failed attempts by kind. Each is retried.
# TYPE sentinel_errors_total counter
sentinel_errors_total{component_kind="source",component="nord\\pass",kind="status"} 1
sentinel_errors_total{component_kind="source",component="nord\\pass",kind="timeout"} 2
# HELP sentinel_request_seconds Duration in seconds of an HTTP request, or of a batch to a Kafka topic.
# TYPE sentinel_request_seconds summary
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0"} 0.125
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0.5"} 0.125
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0.9"} 0.25
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0.95"} 0.25
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0.99"} 0.25
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="0.999"} 0.25
sentinel_request_seconds{component_kind="sink",component="sentinel",quantile="1"} 0.25
sentinel_request_seconds_sum{component_kind="sink",component="sentinel"} 0.375
sentinel_request_seconds_count{component_kind="sink",component="sentinel"} 2
# HELP sentinel_cursor_timestamp_seconds Everything before this Unix time is delivered and committed.
# TYPE sentinel_cursor_timestamp_seconds gauge
sentinel_cursor_timestamp_seconds{component_kind="source",component="nord\\pass"} 1764547200
"#;
    assert_eq!(telemetry.render(), expected);
}

#[test]
fn lag_grows_while_nothing_happens() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nordpass");
    telemetry.component(ComponentKind::Source, "idle");
    let at = |second| Timestamp::from_second(second).unwrap();
    assert!(!telemetry.render_at(at(50)).contains("sentinel_lag_seconds{"));
    source.set(&metrics::CURSOR_SECONDS, 1_000.0);
    let lag = |now| {
        let scrape = telemetry.render_at(at(now));
        let mut lines = scrape.lines().filter(|line| line.starts_with("sentinel_lag_seconds{"));
        let value = lines.next().unwrap().rsplit(' ').next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "only of what has a cursor");
        value
    };
    assert_eq!([lag(1_060), lag(1_120), lag(900)], ["60", "120", "0"]);
    // A clock that is ahead changes nothing: what is read goes by the earlier one.
    source.set(&metrics::CLOCK_AHEAD_SECONDS, 500.0);
    assert_eq!(lag(1_560), "560");
}

/// All looked well on a machine whose clock was a day behind, while a day of events wasn't there.
#[test]
fn what_a_clock_is_behind_counts_as_lag() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nordpass");
    source.set(&metrics::CURSOR_SECONDS, 1_000.0);
    source.set(&metrics::CLOCK_AHEAD_SECONDS, -86_400.0);
    let now = Timestamp::from_second(1_006).unwrap();
    assert_eq!(source.numbers().lag(now), Some(86_406.0));
    let scrape = telemetry.render_at(now);
    let line = scrape.lines().find(|line| line.starts_with("sentinel_lag_seconds{"));
    assert!(line.is_some_and(|line| line.ends_with(" 86406")), "{line:?}");
}

#[test]
fn waiting_is_logged_once_for_each_reason() {
    let telemetry = Telemetry::new();
    let sink = telemetry.component(ComponentKind::Sink, "sentinel");
    let text = logged(LogFormat::Human, LevelFilter::INFO, || {
        for minute in 0..5 {
            sink.status().waiting("403: give the identity its role", Timestamp::from_second(minute * 60).unwrap());
        }
        sink.status().waiting("no connection", Timestamp::from_second(600).unwrap());
        assert_eq!(
            sink.status().get(),
            ComponentState::Waiting { reason: "no connection".into(), since: NOW, next_try: None },
            "waiting goes on, only for something else"
        );
        sink.status().working();
        sink.status().working();
        sink.status().waiting("no connection", Timestamp::from_second(700).unwrap());
    });
    assert_eq!(text.matches("403: give the identity").count(), 1, "{text}");
    assert_eq!(text.matches("waiting: no connection").count(), 2, "{text}");
    assert_eq!(text.matches("recovered").count(), 1, "{text}");
}

/// After hours of an outage the last hour of the log held nothing at all.
#[test]
fn what_is_still_waited_for_is_logged_each_hour() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nordpass");
    let text = logged(LogFormat::Human, LevelFilter::INFO, || {
        for second in (0..=3 * 3_600).step_by(30) {
            let now = Timestamp::from_second(second).unwrap();
            source.status().trying_again("the token is refused", Duration::from_secs(30), now);
        }
    });
    assert_eq!(text.matches(" waiting: the token is refused; trying again in 30 s").count(), 4, "{text}");
    assert_eq!(text.matches("still waiting: ").count(), 3, "{text}");
}

#[test]
fn two_streams_that_wait_for_two_things_do_not_fill_the_log() {
    let telemetry = Telemetry::new();
    let clock = Arc::new(TestClock::starting_at(Timestamp::from_second(90).unwrap()));
    telemetry.set_clock(clock);
    let sink = telemetry.component(ComponentKind::Sink, "sentinel");
    let text = logged(LogFormat::Human, LevelFilter::INFO, || {
        for attempt in 0..5 {
            let now = Timestamp::from_second(attempt).unwrap();
            sink.status().trying_again("403 on stream A", Duration::from_millis(29_100), now);
            sink.status().trying_again("404 on stream B", Duration::from_millis(300), now);
        }
        assert_eq!(
            sink.status().get().next_try(),
            Some("1970-01-01T00:00:04.3Z".parse().unwrap()),
            "of the latest attempt"
        );
        sink.status().working();
    });
    assert_eq!(text.matches("waiting: 403 on stream A; trying again in 30 s").count(), 1, "{text}");
    assert_eq!(text.matches("waiting: 404 on stream B; trying again in 1 s").count(), 1, "{text}");
    // Not the bare numbers: the lines' own times hold any digits.
    assert_eq!(text.matches("waiting: ").count(), 2, "{text}");
    assert!(text.contains("recovered after 90 s"), "{text}");
}

/// A read-only disk under the state, while NordPass answers: `/ready` said that all is well, between two commits.
#[test]
fn a_reader_that_works_does_not_hide_a_committer_that_waits() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nordpass");
    source.status().working();
    source.status().held_up("the commit", "read-only", Duration::from_secs(2), Timestamp::from_second(5).unwrap());
    for _ in 0..2 {
        source.status().working();
        assert_eq!(
            (source.status().get().reason(), source.status().get().since()),
            (Some("read-only"), Timestamp::from_second(5).ok())
        );
        assert!(telemetry.render().contains("sentinel_waiting{component_kind=\"source\",component=\"nordpass\"} 1"));
        source.status().waiting("no connection", Timestamp::from_second(6).unwrap());
    }
    source.status().released("the commit");
    assert_eq!(source.status().get().reason(), Some("no connection"));
    source.status().working();
    assert_eq!(source.status().get(), ComponentState::Working);
    assert!(telemetry.render().contains("sentinel_waiting{component_kind=\"source\",component=\"nordpass\"} 0"));
    source.status().held_up("the commit", "read-only", Duration::from_secs(2), NOW);
    source.status().stopped(None);
    assert_eq!(source.status().get(), ComponentState::Finished);
}

#[test]
fn totals_count_what_the_metrics_count() {
    let component = ComponentReporter::detached();
    component.add(&metrics::RECEIVED, 5);
    component.add(&metrics::SENT, 4);
    component.add_labelled(&metrics::ERRORS, "timeout", 2);
    component.add_labelled(&metrics::ERRORS, "status", 1);
    component.add(&metrics::PAGES, 9);
    component.add_labelled(&metrics::DISCARDED, "filtered: exclude login.*", 7);
    component.add_labelled(&metrics::DISCARDED, "optional sink full", 1);
    let expected = Totals { received: 5, sent: 4, errors: 3, discarded: 8, left_out: 7, ..Totals::default() };
    assert_eq!(component.numbers().totals(), expected);
}

#[tokio::test(start_paused = true)]
async fn successes_and_errors_have_their_times() {
    let telemetry = Telemetry::new();
    let source = telemetry.component(ComponentKind::Source, "nordpass");
    source.add_labelled(&metrics::ERRORS, "timeout", 1);
    assert_eq!(source.numbers().lately().error, None, "nobody has told the time");
    let clock = Arc::new(TestClock::starting_at(NOW));
    telemetry.set_clock(clock.clone());
    source.add(&metrics::SENT, 0);
    assert_eq!(source.numbers().lately().success, None, "nothing was passed on");
    source.add(&metrics::PAGES, 1);
    source.add_labelled(&metrics::ERRORS, "token refused", 1);
    source.token(TokenState::Refused);
    let lately = source.numbers().lately();
    assert_eq!((lately.success, lately.error), (Some(NOW), Some(NOW)));
    assert_eq!(lately.error_kind.as_deref(), Some("token refused"));
    assert_eq!(lately.token.map(TokenState::as_str), Some("refused"));
}

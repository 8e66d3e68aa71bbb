use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sources::replay::Count;
use crate::telemetry::metrics;

/// Two passes of a recording of one day with 1,000 events; the sink has streams, the archive hasn't.
fn report() -> Report {
    let telemetry = Telemetry::new();
    let sink = telemetry.component(ComponentKind::Sink, "sentinel");
    for (stream, rows) in [("Custom-NordPassAuditEvent", 1_500), ("Custom-NordPassAuthentication", 500)] {
        sink.add_labelled(&metrics::STREAM_ROWS, stream, rows);
        sink.add_labelled(&metrics::STREAM_BYTES_JSON, stream, rows * 1_000);
        sink.add_labelled(&metrics::REQUESTS, "204", 2);
    }
    sink.add_labelled(&metrics::REQUESTS, "429", 1);
    sink.add_labelled(&metrics::ERRORS, "throttled", 1);
    sink.add(&metrics::BYTES_JSON, 2_000_000);
    sink.add(&metrics::BYTES_WIRE, 250_000);
    let archive = telemetry.component(ComponentKind::Sink, "archive");
    archive.add(&metrics::SENT, 2_000);
    archive.add(&metrics::BYTES_JSON, 800_000);
    archive.add(&metrics::BYTES_WIRE, 100_000);
    telemetry.component(ComponentKind::Source, "nordpass").add(&metrics::DEAD_LETTERS, 3);
    let mut count = Count {
        read: 2_000,
        acknowledged: 2_000,
        first_pass: 1_000,
        span: Some((1_700_000_000, 1_700_086_400)),
        passes: 2,
        text_bytes: 800_000,
        elapsed: Duration::from_millis(500),
        ..Count::default()
    };
    count.latency.record_n(1_000, 1_900).expect("in range");
    count.latency.record_n(100_000, 100).expect("in range");
    let mut report = Report::of(&count, &telemetry);
    // The machine's part.
    (report.cpu_seconds, report.peak_rss_bytes) = (0.01, 40 << 20);
    report
}

#[test]
fn for_people() {
    insta::assert_snapshot!(report().people(), @r"
    2000 events in 0.50 s: 4000/s
    5.00 CPU seconds per million events; at most 40 MiB of memory
    from read to acknowledgement: p50 1.0 ms, p90 1.0 ms, p99 100.4 ms, p99.9 100.4 ms, max 100.4 ms
    5 requests, 1 failed attempt, 3 dead letters; compression 8.0:1
      archive                                        2000 rows         800000 bytes of JSON    400 per row
      sentinel: Custom-NordPassAuditEvent            1500 rows        1500000 bytes of JSON   1000 per row
      sentinel: Custom-NordPassAuthentication         500 rows         500000 bytes of JSON   1000 per row
    the recording has 1000 events per day: 0.03 GB of JSON per month to Azure, which bills the stored values, on average a quarter less
    ");
}

#[test]
fn as_json() {
    let report = report().json();
    let expected = json!({
        "events_read": 2000, "events_acknowledged": 2000, "passes": 2, "seconds": 0.5, "events_per_second": 4000.0,
        "recording_bytes": 800_000, "cpu_seconds": 0.01, "cpu_seconds_per_million_events": 5.0,
        "peak_rss_bytes": 40 << 20, "requests": 5, "failed_attempts": 1, "dead_letters": 3,
        "bytes_json": 2_800_000, "bytes_sent": 350_000, "compression_ratio": 8.0,
        "events_per_day_recorded": 1000.0, "gb_json_per_month_to_azure": 0.03,
        // Two significant digits are kept, the upper end of a value's range is shown.
        "latency_milliseconds": {"p50": 1.003, "p90": 1.003, "p99": 100.351, "p99.9": 100.351, "max": 100.351},
        "tables": [
            {"name": "archive", "rows": 2000, "bytes_json": 800_000, "gb_json_per_month": 0.012},
            {"name": "sentinel: Custom-NordPassAuditEvent", "rows": 1500, "bytes_json": 1_500_000, "gb_json_per_month": 0.023},
            {"name": "sentinel: Custom-NordPassAuthentication", "rows": 500, "bytes_json": 500_000, "gb_json_per_month": 0.008},
        ],
    });
    assert_eq!(report, expected);
}

#[test]
fn a_short_recording_says_nothing_about_a_month() {
    let count = Count { acknowledged: 5, first_pass: 5, span: Some((0, 3_599)), ..Count::default() };
    let report = Report::of(&count, &Telemetry::new());
    assert!(report.people().ends_with("the recording is too short for a monthly projection"));
    assert_eq!(report.json()["gb_json_per_month_to_azure"], serde_json::Value::Null);
}

#[test]
fn nothing_acknowledged_divides_nothing_by_zero() {
    let report = Report::of(&Count::default(), &Telemetry::new());
    assert_eq!(report.json()["events_per_second"], 0.0);
    assert_eq!(report.json()["cpu_seconds_per_million_events"], 0.0);
}

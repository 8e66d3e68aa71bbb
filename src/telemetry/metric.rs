//! The registry of metrics. `docs/reference/metrics.md` is generated from it.

/// What a metric measures and how.
#[derive(Debug)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// What it counts, with its unit.
    pub help: &'static str,
    /// The label besides `component_kind` and `component`, if it has one.
    pub label: Option<&'static str>,
}

/// The kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, shown as a summary.
    Histogram,
}

macro_rules! registry {
    ($($constant:ident: $kind:ident, $name:literal, $label:expr, $help:literal;)*) => {
        /// One constant for each metric.
        pub mod metrics {
            use super::{Metric, MetricKind};
            $(#[doc = $help] pub static $constant: Metric =
                Metric { name: $name, kind: MetricKind::$kind, help: $help, label: $label };)*
        }
        /// All metrics, in the order of the reference page.
        pub static METRICS: &[&Metric] = &[$(&metrics::$constant),*];
    };
}

registry! {
    RECEIVED: Counter, "sentinel_received_records_total", None, "Records that came in: events read by a source, records received by a transform or sink.";
    SENT: Counter, "sentinel_sent_records_total", None, "Records passed on by a source or transform, or delivered by a sink.";
    DISCARDED: Counter, "sentinel_discarded_records_total", Some("reason"), "Records not passed on: already known, filtered out, or meant for an optional sink that was full.";
    DEAD_LETTERS: Counter, "sentinel_dead_letters_total", None, "Records written to the dead-letter file.";
    ODD_EVENTS: Counter, "sentinel_odd_events_total", Some("kind"), "Events with an unexpected structure: kept, but worth checking.";
    SLOW_RECORDS: Counter, "sentinel_slow_records_total", None, "Records for which a transform's program took longer than 10 ms.";
    PROGRAM_SECONDS: Histogram, "sentinel_program_seconds", None, "Time in seconds that a transform's program takes for a record: the slowest of each chunk.";
    ERRORS: Counter, "sentinel_errors_total", Some("kind"), "Failed attempts by kind. Each is retried.";
    RETRIES: Counter, "sentinel_retries_total", None, "Attempts after a failed one.";
    REQUESTS: Counter, "sentinel_requests_total", Some("status"), "HTTP requests by response status; `none` if there was no response.";
    REQUEST_SECONDS: Histogram, "sentinel_request_seconds", None, "Duration in seconds of an HTTP request, or of a batch to a Kafka topic.";
    BATCH_BYTES: Histogram, "sentinel_batch_bytes", None, "JSON bytes of a batch, before gzip.";
    BATCH_WIRE_BYTES: Histogram, "sentinel_batch_wire_bytes", None, "Bytes of a batch as sent, after gzip.";
    BATCH_ROWS: Histogram, "sentinel_batch_rows", None, "Rows of a batch.";
    BYTES_JSON: Counter, "sentinel_json_bytes_total", None, "JSON bytes delivered, before compression.";
    BYTES_WIRE: Counter, "sentinel_wire_bytes_total", None, "Bytes delivered, after compression.";
    STREAM_ROWS: Counter, "sentinel_stream_rows_total", Some("stream"), "Rows accepted by Azure, by stream.";
    STREAM_BYTES_JSON: Counter, "sentinel_stream_json_bytes_total", Some("stream"), "JSON bytes accepted by Azure, before compression, by stream.";
    TRUNCATED: Counter, "sentinel_truncated_fields_total", None, "Fields cut because they exceed the 64 KB that Azure keeps.";
    UNDECLARED_COLUMNS: Counter, "sentinel_undeclared_columns_total", Some("column"), "Values in columns that the stream of the rule doesn't declare. Azure drops them. Only rows that a transform has changed are looked at.";
    PAGES: Counter, "sentinel_pages_total", None, "Pages read from the API.";
    CURSOR_SECONDS: Gauge, "sentinel_cursor_timestamp_seconds", None, "Everything before this Unix time is delivered and committed.";
    LAG_SECONDS: Gauge, "sentinel_lag_seconds", None, "Age of the cursor, by the later of this machine's clock and the other side's.";
    CLOCK_AHEAD_SECONDS: Gauge, "sentinel_clock_ahead_seconds", None, "Seconds that this machine's clock is ahead of the other side's; negative if it is behind.";
    UNPROVEN_SLICES: Counter, "sentinel_unproven_slices_total", None, "Slices whose completeness couldn't be proven immediately.";
    GAPS: Counter, "sentinel_gaps_total", None, "Periods whose events the API no longer had when they were due to be read.";
    GAP_FROM: Gauge, "sentinel_gap_from_timestamp_seconds", None, "Where the latest gap begins, in Unix time.";
    GAP_TO: Gauge, "sentinel_gap_to_timestamp_seconds", None, "Where the latest gap ends, in Unix time.";
    COMMITS: Counter, "sentinel_commits_total", None, "Commits to the checkpoint.";
    LEASE_HELD: Gauge, "sentinel_lease_held", None, "With a shared checkpoint: 1 while this process has the source, 0 while it waits for another process that has it.";
    GAP_RECORDS: Counter, "sentinel_gap_records_total", None, "Records that a topic's retention removed before they were read. The gap itself counts in `sentinel_gaps_total`.";
    KAFKA_LAG: Gauge, "sentinel_kafka_lag_records", None, "Records behind the committed offsets of the partitions that this process has: what a group still has to deliver is the sum over its processes.";
    KAFKA_PARTITIONS: Gauge, "sentinel_kafka_partitions", None, "Partitions that the group has assigned to this process.";
    OLDEST_UNACKNOWLEDGED: Gauge, "sentinel_oldest_unacknowledged_seconds", None, "Age of the oldest records that were read from a topic and aren't delivered yet.";
    REBALANCES: Counter, "sentinel_kafka_rebalances_total", Some("kind"), "Changes of the assignment: partitions `assigned`, `revoked` (delivered what was read of them) or `lost`.";
    REVOKE_SECONDS: Histogram, "sentinel_kafka_revoke_seconds", None, "Time in seconds to deliver and commit what was read of revoked partitions.";
    LATE_RECEIPTS: Counter, "sentinel_kafka_late_receipts_total", None, "Deliveries that were acknowledged after their partition had gone to another process, which delivers the same records again.";
    PRODUCER_REBUILDS: Counter, "sentinel_kafka_producer_rebuilds_total", None, "Kafka producers that were replaced: they couldn't go on, and what they hadn't written was sent again; or a batch took longer than 10 s.";
    QUEUE_FILL: Gauge, "sentinel_queue_chunks", None, "Chunks waiting to enter a component.";
    WAITING: Gauge, "sentinel_waiting", None, "1 while the component waits for something outside, otherwise 0.";
}

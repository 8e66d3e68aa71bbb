//! `docs/reference/metrics.md`, from the registry.

use std::fmt::Write;

use super::{METRICS, MetricKind};

const INTRODUCTION: &str = "\
# Metrics and health

<!-- Generated from src/telemetry/metric.rs. Don't edit. -->

With `[api] listen = \"127.0.0.1:8686\"` in the pipeline file, the program answers these requests. All of them only read,
and none shows an event, an e-mail address or a secret. Without the section nothing listens.

| path | answer |
|---|---|
| `/health` | 200 while the process lives. For a liveness probe. |
| `/ready` | 200 while every component works or has finished its work; 503 while one starts, waits for something outside, or has failed. JSON: each component with its state, and while it waits, what for (`reason`, in words, with what an operator can do), since when, and when it tries again (`next_try`). Waiting is normal in an outage and loses nothing: don't restart the program for it. |
| `/metrics` | The metrics below, in Prometheus' text format. |
| `/` | A status page for people. It loads itself again every five seconds. |

Every metric has the labels `component_kind` (`source`, `transform` or `sink`) and `component` (its name in the
pipeline file). A metric appears once its component has used it. A distribution is shown as a summary: `quantile`
labels, `_sum` and `_count`.

| metric | kind | label | meaning |
|---|---|---|---|
";

const EPILOGUE: &str = "
`sentinel_cursor_timestamp_seconds` moves only when everything before it is delivered and committed; `sentinel_lag_seconds`
is its age, worked out at the moment of the scrape, so that it grows while the source waits. Useful alerts: a lag above an hour,
`sentinel_waiting == 1` for 15 minutes, any growth of `sentinel_dead_letters_total` or `sentinel_gaps_total`.
";

/// The reference page, whole.
pub fn reference_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "distribution",
        };
        let label = metric.label.map(|label| format!("`{label}`")).unwrap_or_default();
        let help = metric.help.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {kind} | {label} | {help} |", metric.name);
    }
    page + EPILOGUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_metric_once() {
        let page = reference_page();
        for metric in METRICS {
            assert_eq!(page.matches(&format!("\n| `{}` |", metric.name)).count(), 1, "{}", metric.name);
        }
        let names: std::collections::BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
    }

    /// Naming rules that dashboards and scrapers rely on.
    #[test]
    fn names_follow_the_conventions() {
        for metric in METRICS {
            assert!(metric.name.starts_with("sentinel_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    /// The metrics that the page's last paragraph names exist.
    #[test]
    fn the_advice_names_real_metrics() {
        let named = EPILOGUE.split('`').skip(1).step_by(2).map(|code| code.split(' ').next().unwrap_or_default());
        for name in named {
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
        }
    }
}

//! `docs/reference/metrics.md`, from the registry.

use std::fmt::Write;

use super::reloads::RELOAD_METRICS;
use super::{METRICS, MetricKind};

const INTRODUCTION: &str = "\
# Metrics and health

<!-- Generated from src/telemetry/metric.rs. Don't edit. -->

With `[api] listen = \"127.0.0.1:8686\"` in the pipeline file, the program serves these paths. They are read-only and
never show an event, an e-mail address or a secret. Without the section nothing listens.

| path | response |
|---|---|
| `/health` | 200 while the process is alive. Use it for liveness probes. |
| `/ready` | 200 while every component works or has finished; 503 while one starts, waits for something outside, or has failed. JSON with the state of each component. For a waiting component it also says why and what to do (`reason`), since when, and when it tries again (`next_try`). `reload` says why changed pipeline files don't count, if they don't: what ran before goes on. Waiting is normal in an outage and loses nothing: don't restart the program. |
| `/metrics` | The metrics below, in Prometheus text format. |
| `/` | A human-readable status page. Refreshes every 5 s. |

Every metric has the labels `component_kind` (`source`, `transform` or `sink`) and `component` (its name in the
pipeline file), except those about the whole program: `sentinel_config_…`. A metric appears once its component has used it. Distributions are exported as summaries: `quantile`
labels of the last minute's values (the latest 1,024 of them), `_sum` and `_count` of all.

| metric | kind | label | meaning |
|---|---|---|---|
";

const EPILOGUE: &str = "
`sentinel_cursor_timestamp_seconds` advances only when everything before it is delivered and committed.
`sentinel_lag_seconds` is its age at the time of the scrape, so it grows while the source waits. Useful alerts: a lag above
an hour, `sentinel_waiting == 1` for 15 minutes, any increase of `sentinel_dead_letters_total` or `sentinel_gaps_total`.
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
    for (name, kind, help) in RELOAD_METRICS {
        let label = if kind == "counter" { "`outcome`" } else { "" };
        let _ = writeln!(page, "| `{name}` | {kind} | {label} | {help} |");
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

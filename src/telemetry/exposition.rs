//! The metrics in Prometheus' text format, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;

use super::distribution::QUANTILES;
use super::{ComponentReporter, METRICS, Metric, MetricKind};

/// Returns all metrics of the components as of `now`. A metric appears once a component has used it.
pub(super) fn render(components: &[ComponentReporter], now: Timestamp) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let header = text.len();
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "summary",
        };
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {0} {kind}", metric.name, metric.help);
        let samples = text.len();
        for component in components {
            Samples { text: &mut text, component, metric }.write(now);
        }
        if text.len() == samples {
            text.truncate(header);
        }
    }
    text
}

/// Writes one metric of one component.
struct Samples<'a> {
    text: &'a mut String,
    component: &'a ComponentReporter,
    metric: &'a Metric,
}

impl Samples<'_> {
    fn write(mut self, now: Timestamp) {
        let numbers = self.component.numbers();
        match self.metric.kind {
            MetricKind::Counter => {
                for (value, number) in numbers.counter(self.metric) {
                    self.sample("", self.metric.label.map(|label| (label, value)), number);
                }
            }
            MetricKind::Gauge => {
                if let Some(value) = numbers.gauge(self.metric) {
                    self.sample("", None, value);
                }
            }
            MetricKind::Histogram => {
                if let Some(summary) = numbers.distribution(self.metric, now) {
                    for (quantile, value) in QUANTILES.into_iter().zip(summary.quantiles) {
                        self.sample("", Some(("quantile", (f64::from(quantile) / 1_000.0).to_string())), value);
                    }
                    self.sample("_sum", None, summary.sum);
                    self.sample("_count", None, summary.count);
                }
            }
        }
    }

    fn sample(&mut self, suffix: &str, label: Option<(&str, String)>, value: impl Display) {
        let (kind, name) = (self.component.kind().as_str(), escaped(self.component.name()));
        let _ = write!(self.text, "{}{suffix}{{component_kind=\"{kind}\",component=\"{name}\"", self.metric.name);
        if let Some((label, value)) = label {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(&value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// A label's value, as it stands between quotation marks.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

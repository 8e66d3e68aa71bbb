//! What a replay took, for people and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::console::counted;
use crate::cli::cost::{events_a_day, gb_a_month, ratio, round};
use crate::cli::usage::{cpu_seconds, peak_rss_bytes};
use crate::sources::replay::Count;
use crate::telemetry::{ComponentKind, Telemetry, Totals};

/// The percentiles of the latency that are reported.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// One table or file.
struct Part {
    /// The sink, and the stream where it has streams.
    name: String,
    /// A stream of a table in Azure, which bills what it keeps.
    is_billed: bool,
    rows: u64,
    /// Before compression.
    bytes_json: u64,
}

/// The figures.
pub(super) struct Report {
    count: Count,
    cpu_seconds: f64,
    peak_rss_bytes: u64,
    /// Milliseconds by percentile, and the most.
    latency: Vec<(&'static str, f64)>,
    parts: Vec<Part>,
    /// Of all sinks; the dead letters are those of all components.
    totals: Totals,
    /// Events per day in the recording, where it is long enough to say.
    recorded_rate: Option<f64>,
}

impl Report {
    /// The figures of a run that has ended.
    pub fn of(count: &Count, telemetry: &Telemetry) -> Self {
        let mut report = Self {
            count: count.clone(),
            cpu_seconds: cpu_seconds(),
            peak_rss_bytes: peak_rss_bytes(),
            latency: Vec::new(),
            parts: Vec::new(),
            totals: Totals::default(),
            recorded_rate: events_a_day(count.first_pass, count.span),
        };
        let millis = |micros: u64| micros as f64 / 1000.0;
        for (name, percentile) in PERCENTILES {
            report.latency.push((name, millis(count.latency.value_at_percentile(percentile))));
        }
        report.latency.push(("max", millis(count.latency.max())));
        for component in telemetry.components() {
            let totals = component.numbers().totals();
            report.totals.dead_letters += totals.dead_letters;
            if component.kind() != ComponentKind::Sink {
                continue;
            }
            report.totals.requests += totals.requests;
            report.totals.errors += totals.errors;
            report.totals.bytes_json += totals.bytes_json;
            report.totals.bytes_wire += totals.bytes_wire;
            let streams = component.numbers().streams();
            if streams.is_empty() {
                let name = component.name().to_owned();
                report.parts.push(Part { name, is_billed: false, rows: totals.sent, bytes_json: totals.bytes_json });
            }
            report.parts.extend(streams.into_iter().map(|(stream, totals)| Part {
                name: format!("{}: {stream}", component.name()),
                is_billed: true,
                rows: totals.rows,
                bytes_json: totals.bytes_json,
            }));
        }
        report
    }

    fn seconds(&self) -> f64 {
        self.count.elapsed.as_secs_f64()
    }

    fn events_per_second(&self) -> f64 {
        ratio(self.count.acknowledged as f64, self.seconds())
    }

    fn cpu_per_million(&self) -> f64 {
        ratio(self.cpu_seconds, self.count.acknowledged as f64) * 1e6
    }

    /// JSON bytes for each byte sent.
    fn compression(&self) -> f64 {
        ratio(self.totals.bytes_json as f64, self.totals.bytes_wire as f64)
    }

    /// GB (10^9 bytes) of JSON in 30 days, if they were all like the recording.
    fn monthly_gb(&self, bytes_json: u64) -> Option<f64> {
        let events = self.recorded_rate?;
        (self.count.acknowledged > 0).then(|| gb_a_month(bytes_json as f64 / self.count.acknowledged as f64 * events))
    }

    /// The same for all tables.
    fn billed_monthly_gb(&self) -> Option<f64> {
        let billed: u64 = self.parts.iter().filter(|part| part.is_billed).map(|part| part.bytes_json).sum();
        self.monthly_gb(billed)
    }

    /// One object.
    pub fn json(&self) -> Value {
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| {
                json!({
                    "name": part.name, "rows": part.rows, "bytes_json": part.bytes_json,
                    "gb_json_per_month": self.monthly_gb(part.bytes_json).map(|gb| round(gb, 3)),
                })
            })
            .collect();
        json!({
            "events_read": self.count.read,
            "events_acknowledged": self.count.acknowledged,
            "passes": self.count.passes,
            "seconds": round(self.seconds(), 3),
            "events_per_second": round(self.events_per_second(), 0),
            "recording_bytes": self.count.text_bytes,
            "cpu_seconds": round(self.cpu_seconds, 2),
            "cpu_seconds_per_million_events": round(self.cpu_per_million(), 2),
            "peak_rss_bytes": self.peak_rss_bytes,
            "latency_milliseconds": self.latency.iter().copied().collect::<BTreeMap<_, _>>(),
            "tables": parts,
            "requests": self.totals.requests,
            "failed_attempts": self.totals.errors,
            "dead_letters": self.totals.dead_letters,
            "bytes_json": self.totals.bytes_json,
            "bytes_sent": self.totals.bytes_wire,
            "compression_ratio": round(self.compression(), 2),
            "events_per_day_recorded": self.recorded_rate.map(|rate| round(rate, 0)),
            "gb_json_per_month_to_azure": self.billed_monthly_gb().map(|gb| round(gb, 3)),
        })
    }

    /// Some lines.
    pub fn people(&self) -> String {
        let mut lines = vec![
            String::new(),
            format!("{} events in {:.2} s: {:.0}/s", self.count.acknowledged, self.seconds(), self.events_per_second()),
            format!(
                "{:.2} CPU seconds per million events; at most {} MiB of memory",
                self.cpu_per_million(),
                self.peak_rss_bytes >> 20
            ),
        ];
        let latency: Vec<String> =
            self.latency.iter().map(|(name, milliseconds)| format!("{name} {milliseconds:.1} ms")).collect();
        lines.push(format!("from read to acknowledgement: {}", latency.join(", ")));
        lines.push(format!(
            "{}, {}, {}; compression {:.1}:1",
            counted(self.totals.requests, "request"),
            counted(self.totals.errors, "failed attempt"),
            counted(self.totals.dead_letters, "dead letter"),
            self.compression()
        ));
        let width = self.parts.iter().map(|part| part.name.len()).max().unwrap_or(0);
        for part in &self.parts {
            let a_row = part.bytes_json.checked_div(part.rows).unwrap_or(0);
            lines.push(format!(
                "  {:<width$}  {:>10} rows  {:>13} bytes of JSON  {a_row:>5} per row",
                part.name, part.rows, part.bytes_json
            ));
        }
        lines.push(match (self.recorded_rate, self.billed_monthly_gb()) {
            (Some(rate), Some(gb)) => format!(
                "the recording has {rate:.0} events per day: {gb:.2} GB of JSON per month to Azure, which bills the stored \
                 values, on average a quarter less"
            ),
            _ => "the recording is too short for a monthly projection".to_owned(),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;

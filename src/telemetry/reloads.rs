//! What became of the reloads of the pipeline files.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use nordpass_env::Mutex;

/// The outcomes, as the metric's label has them.
const OUTCOMES: [&str; 3] = ["applied", "refused", "wrong"];

/// What became of the reloads. Empty for a program that never reloads.
#[derive(Default)]
pub(super) struct ReloadLog(Mutex<Option<Log>>);

struct Log {
    counts: BTreeMap<&'static str, u64>,
    /// When the files that count were read.
    success: Timestamp,
    trouble: Option<ReloadTrouble>,
}

/// Why the pipeline files as they are don't count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadTrouble {
    /// In a sentence, with what to do.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl ReloadLog {
    /// Reloads are possible from now on.
    pub fn begin(&self, now: Timestamp) {
        let counts = OUTCOMES.map(|outcome| (outcome, 0)).into();
        *self.0.lock() = Some(Log { counts, success: now, trouble: None });
    }

    /// Notes a reload: `outcome` is one of [`OUTCOMES`], and `trouble` why the files don't count.
    pub fn note(&self, outcome: &'static str, trouble: Option<String>, now: Timestamp) {
        let mut log = self.0.lock();
        let Some(log) = log.as_mut() else { return };
        *log.counts.entry(outcome).or_default() += 1;
        match trouble {
            None => (log.success, log.trouble) = (now, None),
            Some(reason) => {
                let since = log.trouble.as_ref().map_or(now, |trouble| trouble.since);
                log.trouble = Some(ReloadTrouble { reason, since });
            }
        }
    }

    pub fn trouble(&self) -> Option<ReloadTrouble> {
        self.0.lock().as_ref()?.trouble.clone()
    }

    /// In Prometheus' text format, with the names that Prometheus itself has for these.
    pub fn render(&self, text: &mut String) {
        let log = self.0.lock();
        let Some(log) = log.as_ref() else { return };
        let [total, successful, time] = RELOAD_METRICS;
        let (name, kind, help) = total;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (outcome, count) in &log.counts {
            let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {count}");
        }
        let mut gauge = |metric: (&str, &str, &str), value: i64| {
            let (name, kind, help) = metric;
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        gauge(successful, i64::from(log.trouble.is_none()));
        gauge(time, log.success.as_second());
    }
}

/// The metrics of the whole program: name, kind and meaning.
pub(super) const RELOAD_METRICS: [(&str, &str, &str); 3] = [
    (
        "sentinel_config_reloads_total",
        "counter",
        "Reloads of the pipeline files by outcome: applied, refused (what changed can't be changed now), wrong (the files have errors).",
    ),
    (
        "sentinel_config_last_reload_successful",
        "gauge",
        "1 if the pipeline files, as last read, are what runs; otherwise 0.",
    ),
    (
        "sentinel_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the pipeline files that run were read, in Unix time.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_until_the_files_count_again() {
        let log = ReloadLog::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let render = || {
            let mut text = String::new();
            log.render(&mut text);
            text
        };
        log.note("wrong", Some("a line is wrong".to_owned()), at(1));
        assert_eq!((log.trouble(), render()), (None, String::new()), "it never reloads");
        log.begin(at(5));
        assert!(render().contains("\nsentinel_config_last_reload_successful 1\n"), "{}", render());
        log.note("wrong", Some("a line is wrong".to_owned()), at(6));
        log.note("refused", Some("`data_dir` can't change".to_owned()), at(7));
        assert_eq!(log.trouble().map(|it| (it.reason, it.since)), Some(("`data_dir` can't change".to_owned(), at(6))));
        let text = render();
        assert!(text.contains("sentinel_config_reloads_total{outcome=\"wrong\"} 1\n"), "{text}");
        assert!(text.contains("sentinel_config_last_reload_successful 0\n"), "{text}");
        assert!(text.contains("success_timestamp_seconds 5\n"), "{text}");
        log.note("applied", None, at(8));
        assert!(log.trouble().is_none() && render().contains("success_timestamp_seconds 8\n"));
    }
}

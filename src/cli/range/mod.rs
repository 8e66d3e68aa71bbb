//! What `backfill` and `reconcile` share: a time on the command line, and the sources that it is asked of.

pub(super) mod backfill;
pub(super) mod reconcile;
mod report;
#[cfg(test)]
mod tests;

use crate::sources::omitted::Omitted;
use std::any::Any;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::launch::Refusal;
use crate::pipeline::Config;
use crate::settings::parse_duration;
use crate::sources::nordpass::{ReadMode, Settings};

/// How far back the API answers (design 4.1; nordpass.md 1: "90 days").
const API_SECONDS: i64 = 90 * 86_400;

/// Two minutes inside the API's limit: what is exactly 90 days old now isn't any more when the question arrives.
const MARGIN: i64 = 120;

/// Which time, of which sources.
#[derive(Debug, clap::Args)]
pub struct RangeArgs {
    /// Pipeline files. Several files make one set
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Start of the period: a date (midnight UTC) or an RFC 3339 time, at most 90 days ago
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Timestamp,
    /// End of the period, exclusive. Defaults to now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<Timestamp>,
    /// Use only this `nordpass` source; repeatable. Defaults to all of them
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Time limit, such as `10m`. After that it exits with code 1 and says what it waited for
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// The Unix seconds that are meant, and the sources that are asked, by name with their settings.
type Asked = (Range<i64>, Vec<(String, Settings)>);

/// Reads `2026-11-01` or `2026-11-01T08:30:00Z`.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-01".len());
    date.and_then(|date| TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()).ok_or_else(|| {
        "expected a date such as 2026-11-01 (its midnight, UTC) or a time such as 2026-11-01T08:30:00Z".to_owned()
    })
}

impl RangeArgs {
    /// What is asked, if it can be; a refusal is about the command line.
    fn resolve(&self, config: &mut Config, now: Timestamp) -> Result<Asked, Refusal> {
        Ok((self.seconds(now)?, self.select(config)?))
    }

    /// The Unix seconds that are meant, if the API can still be asked for them.
    fn seconds(&self, now: Timestamp) -> Result<Range<i64>, Refusal> {
        let refusal = |message: String, hint: String| Err(Refusal { message, hint });
        let earliest = now.as_second() - API_SECONDS + MARGIN;
        let (from, to) = (self.from.as_second(), self.to.unwrap_or(now).as_second());
        if from < earliest {
            let earliest = Timestamp::from_second(earliest).unwrap_or(now);
            return refusal(
                format!("`--from` is {} days ago, and NordPass keeps 90 days", (now.as_second() - from) / 86_400),
                format!("use --from {earliest} or later; older events are no longer available"),
            );
        }
        if to > now.as_second() {
            return refusal("`--to` is in the future".into(), "omit it to use the current time".into());
        }
        if to <= from && self.to.is_none() {
            return refusal(
                format!("`--from` ({}) is in the future", self.from),
                "use a time in the past; times are UTC".into(),
            );
        }
        if to <= from {
            return refusal(
                format!("`--to` ({}) isn't after `--from` ({})", self.to.unwrap_or(now), self.from),
                "the end is exclusive: for one day, give the next day's date".into(),
            );
        }
        Ok(from..to)
    }

    /// Leaves every source out but the `nordpass` sources that were asked for, and answers those by name with their
    /// settings. The others' readers see the end of their input at once.
    fn select(&self, config: &mut Config) -> Result<Vec<(String, Settings)>, Refusal> {
        let mut chosen = Vec::new();
        let mut all = Vec::new();
        for source in &mut config.sources {
            let settings: &dyn Any = source.settings.as_ref();
            if let Some(settings) = settings.downcast_ref::<Settings>() {
                all.push(source.name.clone());
                if self.source.is_empty() || self.source.contains(&source.name) {
                    chosen.push((source.name.clone(), settings.clone()));
                    continue;
                }
            }
            source.settings = Arc::new(Omitted);
        }
        let unknown = self.source.iter().find(|name| !all.contains(name));
        if let Some(unknown) = unknown {
            return Err(Refusal {
                message: format!("`--source {unknown}`: no `nordpass` source has this name"),
                hint: format!("available: {}", all.join(", ")),
            });
        }
        if chosen.is_empty() {
            return Err(Refusal {
                message: "these files have no `nordpass` source".into(),
                hint: "only the Activity Logs API can be queried for a period".into(),
            });
        }
        // The command is short, and a service's address may well be in use by the service's probe.
        config.api_listen = None;
        Ok(chosen)
    }
}

/// Gives each of these sources its mission.
fn assign(config: &mut Config, missions: &[(String, ReadMode)]) {
    for source in &mut config.sources {
        let mode = missions.iter().find(|(name, _)| *name == source.name).map(|(_, mode)| mode.clone());
        let settings: &dyn Any = source.settings.as_ref();
        source.settings = match (settings.downcast_ref::<Settings>(), mode) {
            (Some(settings), Some(mode)) => Arc::new(Settings { mode, ..settings.clone() }),
            _ => Arc::new(Omitted),
        };
    }
}

//! What `backfill` and `reconcile` share: the time and the sources, from the command line.

pub(super) mod backfill;
mod left_out;
pub(super) mod reconcile;
mod report;
#[cfg(test)]
mod tests;

use crate::sources::omitted::Omitted;
use std::{any::Any, ops::Range, sync::Arc, time::Duration};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::console::Console;
use super::error::{CommandError, CommandResult};
use super::files::FileArgs;
use crate::pipeline::Config;
use crate::settings::parse_duration;
use crate::sources::nordpass::{ReadMode, Settings};

/// How far back the API has events.
const API_SECONDS: i64 = 90 * 86_400;

/// A distance from the API's limit: what is 90 days old now is older when the request arrives.
const MARGIN: i64 = 120;

/// A time, and the sources to read.
#[derive(Debug, clap::Args)]
pub struct RangeArgs {
    #[command(flatten)]
    set: FileArgs,
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

/// The chosen sources by name, with their settings.
type Chosen = Vec<(String, Settings)>;

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
    /// Loads the files and begins to log. Returns the pipelines, the time in Unix seconds, and the chosen sources.
    fn begin(&self, console: &mut Console, now: Timestamp) -> CommandResult<(Config, Range<i64>, Chosen)> {
        let mut config = console.begin(&self.set.files, &self.set.variables)?;
        let range = self.seconds(now)?;
        let chosen = self.select(&mut config)?;
        Ok((config, range, chosen))
    }

    /// The time in Unix seconds, if the API still has its events.
    fn seconds(&self, now: Timestamp) -> CommandResult<Range<i64>> {
        let refusal = |message: String, hint: &str| Err(CommandError::usage(message, hint));
        let earliest = now.as_second() - API_SECONDS + MARGIN;
        let (from, to) = (self.from.as_second(), self.to.unwrap_or(now).as_second());
        if from < earliest {
            let earliest = Timestamp::from_second(earliest).unwrap_or(now);
            return refusal(
                format!("`--from` is {} days ago, and NordPass keeps 90 days", (now.as_second() - from) / 86_400),
                &format!("use --from {earliest} or later; older events are no longer available"),
            );
        }
        if to > now.as_second() {
            return refusal("`--to` is in the future".into(), "omit it to use the current time");
        }
        if to <= from && self.to.is_none() {
            let message = format!("`--from` ({}) is in the future", self.from);
            return refusal(message, "use a time in the past; times are UTC");
        }
        if to <= from {
            let message = format!("`--to` ({}) isn't after `--from` ({})", self.to.unwrap_or(now), self.from);
            return refusal(message, "the end is exclusive: for one day, give the next day's date");
        }
        Ok(from..to)
    }

    /// Returns the chosen `nordpass` sources by name with their settings, and omits all others: the readers of an omitted source
    /// see the end of their input at once.
    fn select(&self, config: &mut Config) -> CommandResult<Chosen> {
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
            let hint = format!("available: {}", all.join(", "));
            return Err(CommandError::usage(format!("`--source {unknown}`: no `nordpass` source has this name"), hint));
        }
        if chosen.is_empty() {
            let hint = "only the Activity Logs API can be queried for a period";
            return Err(CommandError::usage("these files have no `nordpass` source", hint));
        }
        // The command is short, and the service's probe may use the address.
        config.api_listen = None;
        Ok(chosen)
    }
}

/// Sets each source's read mode, and omits the sources without one.
fn assign(config: &mut Config, modes: &[(String, ReadMode)]) {
    for source in &mut config.sources {
        let mode = modes.iter().find(|(name, _)| *name == source.name).map(|(_, mode)| mode.clone());
        let settings: &dyn Any = source.settings.as_ref();
        source.settings = match (settings.downcast_ref::<Settings>(), mode) {
            (Some(settings), Some(mode)) => Arc::new(Settings { mode, ..settings.clone() }),
            _ => Arc::new(Omitted),
        };
    }
}

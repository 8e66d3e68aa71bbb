//! `estimate`: what a pipeline costs a month, before it runs. Counts by NordPass's own totals, sizes by a sample of events
//! that goes through the pipeline's own transforms. Reads, and sends nothing.

mod meter;
mod report;

use std::any::Any;
use std::path::PathBuf;
use std::process::ExitCode;

use self::meter::{Meter, Tally};
use self::report::Report;
use super::blobs::BlobArgs;
use super::console::{Console, counted, write_data};
use super::cost::{events_a_day, ratio};
use super::error::{CommandError, CommandResult};
use super::event_source::event_source;
use super::files::{FileArgs, load_files};
use crate::component::{ComponentError, Records};
use crate::pipeline::Config;
use crate::sources::nordpass::{SampleSize, Settings, sample};
use crate::sources::recording_file::{Locations, RecordingFile, files, without_events};
use nordpass_env::Env;

/// What `estimate` takes.
#[derive(Debug, clap::Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Estimate from recordings instead of the API: raw events or whole API pages, one per line, plain or as .gz or .zst.
    /// Needs no network and no secrets. Accepts patterns such as `logs/*.gz` and blobs such as
    /// `az://ACCOUNT/CONTAINER/2026-01-*/**`; repeatable
    #[arg(long, value_name = "RECORDING")]
    recording: Vec<PathBuf>,
    /// Price of a GB of logs in your region, in any currency, such as `4.30`
    #[arg(long, value_name = "PRICE", value_parser = parse_price)]
    price_per_gb: Option<f64>,
    /// Estimate only this source, if the pipeline has several. For recordings: where the events go in
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How many days to count, up to the last midnight (UTC): one request each
    #[arg(long, default_value_t = 28, value_name = "DAYS", conflicts_with = "recording", value_parser = clap::value_parser!(u32).range(1..=89))]
    days: u32,
    /// How many pages of events to fetch as a sample: one request each
    #[arg(long, default_value_t = 20, value_name = "PAGES", conflicts_with = "recording", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pages: u32,
    /// Print the estimate as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    blobs: BlobArgs,
}

fn parse_price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "expected a price such as 4.30".to_owned())
}

/// What the estimate rests on.
#[derive(Clone, Debug, Default)]
struct Basis {
    /// Days that the API counted; `None` for a recording.
    days: Option<u32>,
    /// Events that went through the pipeline.
    sampled: u64,
    /// Requests to the API.
    requests: u64,
    /// Lines that are no events.
    others: u64,
}

/// Prints the estimate.
pub(super) async fn run(args: EstimateArgs, console: Console) -> CommandResult {
    let from_recording = !args.recording.is_empty();
    // Nobody has a rule in Azure before knowing what it costs: only what is asked has to be there.
    let (config, _) = load_files(&args.set.files, &args.set.variables, true)?;
    let env = crate::http::system_env();
    let (tally, basis) = if from_recording {
        of_recording(&args, &config, &env).await?
    } else {
        of_api(&args, &config, &env, console).await?
    };
    let observes = config.sources.iter().filter(|source| source.component_type.records == Records::Rows);
    let left_aside = observes.map(|source| source.name.clone()).collect();
    let report = Report { tally, basis, price: args.price_per_gb, left_aside };
    if args.json {
        write_data(&format!("{}\n", report.json())).map_err(|error| {
            let hint = "redirect standard output to a disk with free space";
            CommandError::failed(format!("can't write the estimate: {error}"), hint)
        })?;
    } else {
        console.note(&report.people());
    }
    Ok(ExitCode::SUCCESS)
}

/// All events of the recordings, as those of the days from the first to the last of them.
async fn of_recording(args: &EstimateArgs, config: &Config, env: &Env) -> CommandResult<(Tally, Basis)> {
    let failed = |error: ComponentError| CommandError::failed(error.message, error.hint.unwrap_or_default());
    let source = event_source(config, args.source.as_deref())?;
    let patterns: Vec<String> = args.recording.iter().map(|path| path.display().to_string()).collect();
    let blobs = args.blobs.settings(args.recording.iter())?;
    let locations = Locations::new(blobs.as_ref(), env, None);
    let files = files(&locations, &patterns).await.map_err(failed)?;
    let mut meter = Meter::new(config, &source);
    for path in &files {
        let mut file = RecordingFile::open(&locations, path).await.map_err(failed)?;
        while let Some(block) = file.next().await.map_err(failed)? {
            meter.feed(block.bytes);
        }
    }
    let (tally, span, others) = meter.finish();
    let events = tally.events;
    if events < 1.0 {
        return Err(failed(without_events(&files)));
    }
    let a_day = events_a_day(tally.count(), span).ok_or_else(|| {
        let hint = "record at least an hour, better some weeks: weekends are quiet";
        CommandError::failed("the recording is too short for an estimate", hint)
    })?;
    let basis = Basis { days: None, sampled: tally.count(), requests: 0, others };
    Ok((tally.times(ratio(a_day, events)), basis))
}

/// The API's counts, and a sample of its events, for each source.
async fn of_api(args: &EstimateArgs, config: &Config, env: &Env, console: Console) -> CommandResult<(Tally, Basis)> {
    let (mut total, mut basis) = (Tally::default(), Basis { days: Some(args.days), ..Basis::default() });
    for (name, settings) in nordpass_sources(config, args.source.as_deref())? {
        check_settings(name, settings)?;
        let size = SampleSize { days: args.days, pages: args.pages };
        console.note(&format!("asking NordPass for {}: {}", name, counted(u64::from(args.days), "day")));
        let sample = sample(settings, env, size).await.map_err(|reason| {
            let hint = "`validate --connect` checks the endpoint and the token";
            CommandError::failed(format!("source {name}: {reason}"), hint)
        })?;
        let mut meter = Meter::new(config, name);
        meter.feed(sample.lines);
        let (tally, _, others) = meter.finish();
        basis.sampled += tally.count();
        basis.requests += sample.requests;
        basis.others += others;
        let a_day = sample.days.iter().sum::<u64>() as f64 / f64::from(args.days);
        let events = tally.events;
        total.add(tally.times(ratio(a_day, events)));
    }
    if basis.sampled == 0 {
        let message = format!("NordPass has no events of the last {}", counted(u64::from(args.days), "day"));
        return Err(CommandError::failed(message, "use more --days, or estimate from a --recording"));
    }
    Ok((total, basis))
}

/// What the API needs, which may not be there.
fn check_settings(name: &str, settings: &Settings) -> CommandResult<()> {
    let missing = if settings.endpoint.is_empty() {
        "endpoint"
    } else if !settings.token.is_there() {
        "token"
    } else {
        return Ok(());
    };
    let hint = "set its variable or file; or estimate without NordPass: --recording FILE";
    Err(CommandError::usage(format!("source {name}: its `{missing}` isn't set"), hint))
}

/// The sources that read the API, by name.
fn nordpass_sources<'c>(config: &'c Config, wanted: Option<&str>) -> CommandResult<Vec<(&'c str, &'c Settings)>> {
    let all: Vec<(&str, &Settings)> = config
        .sources
        .iter()
        .filter_map(|source| {
            let settings: &dyn Any = source.settings.as_ref();
            Some((source.name.as_str(), settings.downcast_ref::<Settings>()?))
        })
        .collect();
    let chosen: Vec<_> = all.iter().copied().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)).collect();
    match (chosen.is_empty(), wanted) {
        (false, _) => Ok(chosen),
        (true, Some(wanted)) => {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            let hint = format!("available: {}", names.join(", "));
            Err(CommandError::usage(format!("`--source {wanted}`: no `nordpass` source has this name"), hint))
        }
        (true, None) => {
            let hint = "estimate from what it reads: --recording FILE";
            Err(CommandError::usage("these files have no `nordpass` source", hint))
        }
    }
}

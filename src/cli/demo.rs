//! `demo`: the simulators and `pipelines/demo.toml` in one process, over real sockets, without any account.
//!
//! What the summary says comes from the simulators' judge, which compares what NordPass served with what the ingestion
//! side and the archive hold, by a probe inside each event. None of it is the pipeline's own counting.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use futures::{StreamExt as _, future::select};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::FAILED;
use super::console::{Console, write_data};
use super::drive::Ending;
use super::error::CommandResult;
use super::launch::{launch, show_failures};
use super::signals::signals;
use super::usage::peak_rss_bytes;
use crate::pipeline::{Config, load};
use crate::settings::Environment;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::server::Background;
use nordpass_simulator::{Endpoint, Sample, ServerPorts, Servers, Simulation, SimulationOptions};

/// The pipeline that runs, as it stands in the repository.
const PIPELINE: &str = include_str!("../../pipelines/demo.toml");
/// The token of the simulated Entra that the pipeline's `token` credential sends.
const TOKEN: &str = "demo-token";
const DAY: i64 = 86_400;
/// What to do after the demo.
const NEXT: &str = "
What next?
  nordpass-sentinel demo --dir demo          keep the archive, to see what NordPass sends
  nordpass-sentinel init                     write a pipeline file, set its variables, then `validate --connect` and `run` it
  docs/guide/azure.md                        create the rule, the tables and the connector in Azure with one template";
/// How often the live events are counted.
const LIVE_FIGURES: Duration = Duration::from_secs(10);

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Stop once the seven days of history are delivered, without live events
    #[arg(long)]
    once: bool,
    /// Events in the seven days of history
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    events: u32,
    /// Seed for people and events: the same seed creates the same history
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
    /// Live events per second after the history
    #[arg(long, default_value_t = 5.0, value_name = "RATE", conflicts_with = "once")]
    live_rate: f64,
    /// Keep state, archive and dead letters in this folder. By default they are removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the demo. Exit code 0 only if nothing was lost and nothing doubled.
pub(super) async fn run(args: DemoArgs, console: Console) -> CommandResult {
    let folder = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("nordpass-sentinel-demo-{}", std::process::id())),
    };
    let result = show(&args, &folder, console).await;
    if args.dir.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result
}

async fn show(args: &DemoArgs, folder: &Path, console: Console) -> CommandResult {
    if ["state", "archive"].iter().any(|part| folder.join(part).exists()) {
        let message = "contains the files of an earlier demo, whose events would count as duplicates";
        return Err(format!("{} {message}: choose another folder, or remove it", folder.display()).into());
    }
    let env = crate::http::system_env();
    let now = env.clock.now();
    let events = usize::try_from(args.events).unwrap_or(usize::MAX);
    let history =
        Generator::new(args.seed, Options::default()).history(now.as_second() - 7 * DAY + 60, now.as_second(), events);
    let simulation = Simulation::new(SimulationOptions { events: history, ..SimulationOptions::default() }, now);
    simulation.entra.tokens.accept(TOKEN);
    let servers = simulation
        .serve(ServerPorts::default(), None, env.clock.clone())
        .await
        .map_err(|error| format!("the simulators can't listen: {error}"))?;
    console.note(&format!("NordPass is simulated at {}, Azure at {}", servers.nordpass.url(), servers.ingestion.url()));
    let config = pipeline(&simulation, &servers, folder)?;
    let telemetry = Telemetry::new();
    let began = Instant::now();
    let mut interrupted = signals()?;
    let _live = (!args.once).then(|| {
        console.note("first seven days of history, then live events; press Ctrl-C to end the demo with a summary");
        // A generator of its own: its events never meet those of the history.
        let generator = Generator::new(args.seed.wrapping_add(1), Options::default());
        let trickle = simulation.clone().trickle(generator, args.live_rate, env.clock.clone());
        // The first signal also ends the live events, or the drain would never catch up with them.
        Background::spawn(async move {
            select(pin!(trickle), pin!(interrupted.next())).await;
        })
    });
    let dead_letters = config.data_dir.join("dead-letters");
    let ending = tokio::select! {
        ending = launch(config, args.once, None, &env, &telemetry) => ending?,
        never = live_figures(&telemetry, u64::from(args.events), console) => never,
    };
    let (Ending::Finished(report) | Ending::Signalled(report)) = ending else {
        return Err("stopped before the pipeline had drained".to_owned().into());
    };
    let code = show_failures(&report, console);
    let summary = summary(&simulation, folder, &dead_letters, &env, began.elapsed()).await?;
    if args.json {
        write_data(&format!("{summary}\n")).map_err(|error| format!("can't write the summary: {error}"))?;
    } else {
        console.note(&people(&summary));
        if let Some(sample) = simulation.sample() {
            let Sample { event, table, row } = sample;
            console.note(&format!("\nAn event of NordPass:\n  {event}\nits row in {table}:\n  {row}"));
        }
        console.note(NEXT);
    }
    let zero = |path: &str| summary.pointer(path) == Some(&json!(0));
    let clean = ["/events_lost", "/events_duplicated", "/archive/events_lost", "/archive/events_duplicated"];
    Ok(if clean.into_iter().all(zero) { code } else { ExitCode::from(FAILED) })
}

/// Says from time to time how many live events have arrived: else nobody would see that they do.
async fn live_figures<T>(telemetry: &Telemetry, history: u64, console: Console) -> T {
    let sink = telemetry.component(ComponentKind::Sink, "sentinel");
    let mut said = history;
    loop {
        tokio::time::sleep(LIVE_FIGURES).await;
        let delivered = sink.numbers().totals().sent;
        if delivered > said {
            said = delivered;
            console.note(&format!("{} live events delivered so far", delivered - history));
        }
    }
}

fn pipeline(simulation: &Simulation, servers: &Servers, folder: &Path) -> Result<Config, String> {
    let nordpass = &simulation.nordpass.settings;
    let environment = Environment::of([
        ("NORDPASS_ENDPOINT_URL", format!("{}{}", servers.nordpass.url(), nordpass.path)),
        ("NORDPASS_TOKEN", nordpass.token.clone()),
        ("DATA_COLLECTION_ENDPOINT", servers.ingestion.url()),
        ("DCR_IMMUTABLE_ID", simulation.ingestion.settings.dcr.immutable_id.clone()),
        ("AZURE_TOKEN", TOKEN.to_owned()),
        ("DEMO_DIR", folder.display().to_string()),
    ]);
    let files = [(PathBuf::from("pipelines/demo.toml"), PIPELINE.to_owned())];
    let loaded = load(&files, &environment)
        .map_err(|found| found.iter().map(|diagnostic| diagnostic.human(false)).collect::<Vec<_>>().join("\n"))?;
    Ok(loaded.0)
}

async fn summary(
    simulation: &Simulation,
    folder: &Path,
    dead_letters: &Path,
    env: &Env,
    elapsed: Duration,
) -> Result<Value, String> {
    let verdict = simulation.verdict();
    let archive = received_in_files(env.disk.as_ref(), &files_below(&folder.join("archive"))).await?;
    let archive = simulation.verdict_on(&archive);
    let totals = simulation.ingestion.totals();
    let dead_lettered: usize = files_below(dead_letters)
        .iter()
        .map(|file| std::fs::read(file).map_or(0, |text| memchr::memchr_iter(b'\n', &text).count()))
        .sum();
    Ok(json!({
        "events_read": verdict.events_read,
        "events_delivered": verdict.events_delivered,
        "events_lost": verdict.events_lost,
        "events_duplicated": verdict.events_duplicated,
        "dead_lettered": dead_lettered,
        "rows": verdict.rows,
        "archive": {
            "events_delivered": archive.events_delivered,
            "events_lost": archive.events_lost,
            "events_duplicated": archive.events_duplicated,
        },
        "requests": totals.requests,
        "requests_nordpass": simulation.log().at(Endpoint::Nordpass).len(),
        "bytes_json": totals.bytes_json,
        "bytes_sent": totals.bytes_received,
        "elapsed_seconds": (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
        "peak_rss_bytes": peak_rss_bytes(),
    }))
}

/// The summary for a person.
fn people(summary: &Value) -> String {
    let number = |path: &str| summary.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let rows = summary["rows"].as_object().into_iter().flatten();
    // The rule has tables that this pipeline doesn't fill.
    let rows = rows.filter_map(|(table, rows)| rows.as_u64().filter(|rows| *rows > 0).map(|rows| (table, rows)));
    let rows: Vec<String> = rows.map(|(table, rows)| format!("{rows:>11}   rows in {table}")).collect();
    // At the end of a demo with live events.
    let new = number("/events_read").saturating_sub(number("/events_delivered") + number("/events_lost"));
    let new = if new > 0 { format!(", {new} of them too recent to be due") } else { String::new() };
    format!(
        "\n{:>11} events read from NordPass{new}\n{:>11} delivered to Sentinel, {} lost, {} duplicated, {} dead \
         letters\n{}\n{:>11} in the archive, {} lost, {} duplicated\n{:>11} requests to Azure: {} bytes of JSON in {} \
         bytes of gzip\n{:>11} s, at most {} MiB of memory, including the simulators",
        number("/events_read"),
        number("/events_delivered"),
        number("/events_lost"),
        number("/events_duplicated"),
        number("/dead_lettered"),
        rows.join("\n"),
        number("/archive/events_delivered"),
        number("/archive/events_lost"),
        number("/archive/events_duplicated"),
        number("/requests"),
        number("/bytes_json"),
        number("/bytes_sent"),
        summary["elapsed_seconds"].as_f64().unwrap_or_default(),
        number("/peak_rss_bytes") >> 20,
    )
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

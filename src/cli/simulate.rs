//! `simulate`: the simulators alone, for load tests and other people's tools.
//!
//! When they listen, one JSON line on stdout says where; when it ends, another one says what the judge found. A client
//! in any language can start it, read the first line, do its work, and read the second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::Notify;

use super::blobs::{BlobArgs, Wrong};
use super::console::write_data;
use super::{error::CommandResult, signals::signals};
use crate::component::ComponentError;
use crate::sources::recording_file::{BlobSettings, Locations, RecordingFile, files};
use nordpass_env::{Disk, Env};
use nordpass_simulator::faults::Plan;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::server::{Authority, Background};
use nordpass_simulator::{
    ServerPorts, Servers, SimulatedEvent, Simulation, SimulationOptions, entra, ingestion, nordpass, receiver,
    recording,
};

/// How often new rows are written to the output folder.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);

/// A ready token that the ingestion endpoint accepts, for the `token` credential.
const READY_TOKEN: &str = "simulated-ready-token";

/// Options of `simulate`.
#[derive(clap::Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Port of the NordPass API; 0 for a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub nordpass_port: u16,
    /// Port of Entra ID; 0 for a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub entra_port: u16,
    /// Port of the Logs Ingestion API; 0 for a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub ingestion_port: u16,
    /// Port of the receivers of records: Splunk, Elastic, OTLP, plain HTTP; 0 for a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub receiver_port: u16,
    /// Serve over TLS, with a certificate authority created for this run
    #[arg(long, requires = "ca_file")]
    pub tls: bool,
    /// Where to write the authority's certificate (PEM), for clients to trust
    #[arg(long, requires = "tls", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Serve this recording instead of generated events: a file, or blobs such as `az://ACCOUNT/CONTAINER/2026-01-*/**`
    #[arg(long, value_name = "RECORDING", conflicts_with = "events")]
    pub recording: Option<PathBuf>,
    /// How blobs are read
    #[command(flatten)]
    pub blobs: BlobArgs,
    /// Keep the recording's times instead of shifting its newest event to now
    #[arg(long, requires = "recording")]
    pub keep_times: bool,
    /// Number of generated events in the history
    #[arg(long, default_value_t = 5000, value_name = "N")]
    pub events: usize,
    /// Number of days in the history
    #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=90))]
    pub days: u16,
    /// Seed for people, events and faults
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Live events per second
    #[arg(long, default_value_t = 0.0, value_name = "RATE", value_parser = rate)]
    pub live_rate: f64,
    /// Order of events on NordPass's pages
    #[arg(long, value_enum, default_value_t = Order::Descending)]
    pub order: Order,
    /// Largest page that NordPass returns
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub max_page_size: u64,
    /// TOML file of faults: what fails, where and when
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Use this data collection rule, or the one in this ARM template, instead of the built-in rule
    #[arg(long, value_name = "FILE")]
    pub dcr: Option<PathBuf>,
    /// Write accepted rows to `TABLE.ndjson` in this folder, and records to `splunk.ndjson` and so on
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Stop when stdin closes, so it never outlives the program that started it
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// The order of events on pages.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Order {
    /// Oldest first
    Ascending,
    /// Newest first
    Descending,
    /// Different inside one second from request to request
    UnstableWithinSecond,
    /// Different from request to request
    Unstable,
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=100_000.0).contains(rate))
        .ok_or_else(|| "a number from 0 to 100000".to_owned())
}

/// Runs the simulators until a signal (or the end of stdin) comes.
pub async fn run(args: SimulateArgs) -> CommandResult {
    let env = crate::http::system_env();
    let (simulation, generator) = prepare(&args, &env).await?;
    let authority = args.tls.then(Authority::new).transpose()?;
    if let (Some(authority), Some(path)) = (&authority, &args.ca_file) {
        let refused = |error: std::io::Error| format!("can't write {}: {error}", path.display());
        // Absolute: the folder that a bare file name is in has no name itself.
        let path = std::path::absolute(path).map_err(refused)?;
        env.disk.replace(&path, authority.pem.as_bytes()).await.map_err(refused)?;
    }
    let ports = ServerPorts {
        nordpass: args.nordpass_port,
        entra: args.entra_port,
        ingestion: args.ingestion_port,
        receivers: args.receiver_port,
    };
    let servers = simulation.serve(ports, authority.as_ref(), env.clock.clone()).await;
    let servers =
        servers.map_err(|error| format!("can't listen: {error}\nhint: choose other ports, or 0 for free ones"))?;
    let ended = until_ended(args.until_stdin_closes)?;
    print(&addresses(&args, &simulation, &servers))?;

    let _live = (args.live_rate > 0.0)
        .then(|| Background::spawn(simulation.clone().trickle(generator, args.live_rate, env.clock.clone())));
    tokio::pin!(ended);
    loop {
        let over = tokio::time::timeout(WRITE_INTERVAL, &mut ended).await.is_ok();
        if let Some(dir) = &args.out {
            write_rows(&simulation, env.disk.as_ref(), dir).await?;
        }
        if over {
            break;
        }
    }
    drop(servers);
    let mut verdict = json!(simulation.verdict());
    verdict["receivers"] = json!(simulation.receiver_verdicts());
    print(&verdict)?;
    Ok(ExitCode::SUCCESS)
}

/// The simulators, and the generator that goes on with live events of the same organization.
async fn prepare(args: &SimulateArgs, env: &Env) -> Result<(Simulation, Generator), String> {
    let disk = env.disk.as_ref();
    let now = env.clock.now();
    let faults = read(disk, args.faults.as_deref(), Plan::from_toml).await?;
    let dcr = read(disk, args.dcr.as_deref(), ingestion::Dcr::from_json).await?;
    if let Some(dir) = &args.out {
        disk.create_dir_all(dir).await.map_err(|error| format!("can't create {}: {error}", dir.display()))?;
    }
    let mut generator = Generator::new(args.seed, Options::default());
    let options = SimulationOptions {
        events: events(args, &mut generator, env, now.as_second()).await?,
        nordpass: nordpass::Settings {
            order: args.order.into(),
            max_page_size: args.max_page_size,
            seed: args.seed,
            ..nordpass::Settings::default()
        },
        entra: entra::Settings::default(),
        ingestion: ingestion::Settings { dcr, ndjson: args.out.is_some(), ..ingestion::Settings::default() },
        receivers: receiver::Settings { ndjson: args.out.is_some(), ..receiver::Settings::default() },
        faults,
    };
    let simulation = Simulation::new(options, now);
    simulation.entra.tokens.accept(READY_TOKEN);
    Ok((simulation, generator))
}

async fn events(
    args: &SimulateArgs,
    generator: &mut Generator,
    env: &Env,
    now: i64,
) -> Result<Vec<SimulatedEvent>, String> {
    if let Some(path) = &args.recording {
        let blobs = args.blobs.settings(args.recording.iter()).map_err(|Wrong(message, _)| message)?;
        let events = match &blobs {
            Some(blobs) => recording::parse(&text_of_blobs(path, blobs, env).await?, now)?,
            None => recording::read(env.disk.as_ref(), path, now).await?,
        };
        return Ok(if args.keep_times { events } else { recording::ending_at(&events, now) });
    }
    let from = now - i64::from(args.days) * 86_400;
    Ok(generator.history(from, now, args.events))
}

/// The text of all blobs that are meant.
async fn text_of_blobs(path: &Path, blobs: &BlobSettings, env: &Env) -> Result<String, String> {
    let locations = Locations::new(Some(blobs), env, None);
    let failed = |error: ComponentError| error.to_string();
    let mut text = String::new();
    for path in files(&locations, &[path.to_string_lossy().into_owned()]).await.map_err(failed)? {
        let mut file = RecordingFile::open(&locations, &path).await.map_err(failed)?;
        while let Some(block) = file.next().await.map_err(failed)? {
            text.push_str(&String::from_utf8_lossy(&block.bytes));
        }
    }
    Ok(text)
}

/// What a file says, or the default without a file.
async fn read<T: Default>(
    disk: &dyn Disk,
    path: Option<&Path>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    let Some(path) = path else { return Ok(T::default()) };
    let data = disk.read(path).await.map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let text = String::from_utf8(data).map_err(|_| format!("{} isn't UTF-8", path.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where everything is, for the program that started this one.
fn addresses(args: &SimulateArgs, simulation: &Simulation, servers: &Servers) -> serde_json::Value {
    let (nordpass, entra) = (&simulation.nordpass.settings, &simulation.entra.settings);
    let dcr = &simulation.ingestion.settings.dcr;
    let receiver = |path: &str| format!("{}{path}", servers.receivers.url());
    json!({
        "nordpass_endpoint": format!("{}{}", servers.nordpass.url(), nordpass.path),
        "nordpass_token": nordpass.token,
        "entra_authority": servers.entra.url(),
        "tenant_id": entra.tenant,
        "client_id": entra.client_id,
        "client_secret": entra.client_secret,
        "identity_endpoint": format!("{}{}", servers.identity.url(), entra::IDENTITY_PATH),
        "identity_header": entra.identity_header,
        "ingestion_endpoint": servers.ingestion.url(),
        "ingestion_token": READY_TOKEN,
        "dcr_immutable_id": dcr.immutable_id,
        "streams": dcr.streams.iter().map(|(name, stream)| (name, &stream.table)).collect::<BTreeMap<_, _>>(),
        "http_endpoint": receiver("/records"),
        "splunk_endpoint": receiver("/services/collector/event"),
        "splunk_token": simulation.receivers.settings.splunk_token,
        "elastic_endpoint": receiver("/nordpass/_bulk"),
        "elastic_api_key": simulation.receivers.settings.elastic_api_key,
        "otlp_endpoint": receiver("/v1/logs"),
        "ca_file": args.ca_file,
        "events": simulation.nordpass.count(),
    })
}

fn print(line: &serde_json::Value) -> Result<(), String> {
    write_data(&format!("{line}\n")).map_err(|error| format!("can't write to stdout: {error}"))
}

async fn write_rows(simulation: &Simulation, disk: &dyn Disk, dir: &Path) -> Result<(), String> {
    for (table, rows) in simulation.ingestion.take_ndjson().into_iter().chain(simulation.receivers.take_ndjson()) {
        let path = dir.join(format!("{table}.ndjson"));
        disk.append(&path, &rows).await.map_err(|error| format!("can't write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Resolves at a signal or, if wanted, at the end of stdin. The handlers are in place when this returns.
fn until_ended(stdin: bool) -> CommandResult<impl Future<Output = ()>> {
    let mut signals = signals()?;
    let closed = Arc::new(Notify::new());
    if stdin {
        let closed = closed.clone();
        // A thread of its own: the runtime would wait for a blocking read of its pool when the program ends.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            closed.notify_one();
        });
    }
    Ok(async move {
        tokio::select! {
            biased;
            _ = signals.next() => {}
            () = closed.notified() => {}
        }
    })
}

impl From<Order> for nordpass::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Ascending => Self::Ascending,
            Order::Descending => Self::Descending,
            Order::UnstableWithinSecond => Self::UnstableWithinSecond,
            Order::Unstable => Self::Unstable,
        }
    }
}

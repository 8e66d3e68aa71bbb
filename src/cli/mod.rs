//! The command line: what can be typed, and what each command does.
//!
//! Exit codes: 0 done; 1 failed at run time; 2 usage or configuration. Standard output carries data only; logs and
//! errors go to standard error, and a closed pipe is no error.

mod console;
mod dead_letters;
#[cfg(feature = "simulator")]
mod demo;
mod drive;
mod function;
mod launch;
mod page;
mod range;
mod replay;
mod run;
mod schema;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;
mod usage;
mod validate;
#[cfg(not(feature = "simulator"))]
mod without_simulator;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::telemetry::logs;

pub use self::console::Console;
pub use self::page::reference_page;

/// Something failed while it ran.
pub const FAILED: u8 = 1;
/// The command line or a pipeline file is wrong; nothing was started.
pub const USAGE: u8 = 2;

/// Where `--help` lists what every command has: behind the command's own options.
const BEHIND: usize = 900;

/// NordPass activity logs into Microsoft Sentinel: a streaming pipeline with a delivery guarantee.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Command,
}

/// How the program talks about itself.
#[derive(Clone, Copy, Debug, Args)]
pub struct LogArgs {
    /// How logs and errors are written to standard error
    ///
    /// `auto` is for people on a terminal, and JSON lines otherwise. Errors about pipeline files and the command line
    /// are for people unless `json` is asked for.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = BEHIND)]
    pub log_format: LogFormat,
    /// The least important log lines that are still written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "LEVEL", display_order = BEHIND)]
    pub log_level: LogLevel,
}

/// A form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise
    #[default]
    Auto,
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What needs a look
    Warn,
    /// What happens
    #[default]
    Info,
    /// Each request and each batch
    Debug,
    /// Everything
    Trace,
}

impl LogArgs {
    /// Begins to log as asked.
    fn init(self) {
        let format = match self.log_format {
            LogFormat::Auto => logs::LogFormat::Auto,
            LogFormat::Human => logs::LogFormat::Human,
            LogFormat::Json => logs::LogFormat::Json,
        };
        // The level comes from a list, so it exists.
        let _ = logs::init(format, self.log_level.as_str());
    }
}

impl LogLevel {
    /// Its name as tracing knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run pipelines until SIGINT or SIGTERM, or with `--once` until everything is delivered
    Run(run::RunArgs),
    /// Check pipeline files without starting anything
    Validate(validate::ValidateArgs),
    /// Be an Azure Function: one bounded catch-up for each call of the Functions host
    ///
    /// Started by the host, which sets `FUNCTIONS_CUSTOMHANDLER_PORT`; `deploy/functions` holds what belongs to it. Settings
    /// are variables: `NORDPASS_SENTINEL_PIPELINE` (one or more pipeline files, separated by commas; `pipeline.toml`
    /// beside the program) and `NORDPASS_SENTINEL_TIME_LIMIT` (how long a call may take; `3m`)
    Function(function::FunctionArgs),
    /// Compare what NordPass has for a time with what was acknowledged, and fetch just the difference
    ///
    /// The live position stays as it is. Needs the state for itself: stop the service first. Exit code 1 when something
    /// is missing still, or NordPass's own count of events doesn't add up
    Reconcile(range::reconcile::ReconcileArgs),
    /// Read a time of up to 90 days again, and deliver what never was
    ///
    /// The live position stays as it is, and known events aren't sent a second time. Needs the state for itself: stop
    /// the service first
    Backfill(range::backfill::BackfillArgs),
    /// Send a recording through a pipeline, in place of its source, and say what that took
    ///
    /// A load test with the pipeline's own sinks. It has a state of its own, which is removed at the end, and leaves the
    /// pipeline's alone. A variable that only the replaced source needs, such as a token, must be set but may be anything
    Replay(replay::ReplayArgs),
    /// Show what a destination refused and why, and send it again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Write the JSON Schema of pipeline files to standard output
    Schema,
    /// Run the simulators alone, for load tests and other programs
    #[cfg(feature = "simulator")]
    Simulate(simulate::SimulateArgs),
    #[cfg(not(feature = "simulator"))]
    #[command(hide = true)]
    Simulate(without_simulator::AnyArgs),
    /// Show a whole pipeline at work, with simulators in place of NordPass and Azure
    #[cfg(feature = "simulator")]
    Demo(demo::DemoArgs),
    #[cfg(not(feature = "simulator"))]
    #[command(hide = true)]
    Demo(without_simulator::AnyArgs),
}

impl Cli {
    /// Standard error, as the command line wants it.
    pub fn console(&self) -> Console {
        Console::new(self.logs.log_format)
    }
}

/// Does what the command line says.
pub async fn run(cli: Cli) -> ExitCode {
    let console = cli.console();
    match cli.command {
        Command::Run(args) => run::run(args, cli.logs, console).await,
        Command::Validate(args) => validate::run(args, console).await,
        Command::Function(args) => function::run(args, cli.logs, console).await,
        Command::Reconcile(args) => range::reconcile::run(args, cli.logs, console).await,
        Command::Backfill(args) => range::backfill::run(args, cli.logs, console).await,
        Command::Replay(args) => replay::run(args, cli.logs, console).await,
        Command::DeadLetters(args) => dead_letters::run(args, cli.logs, console).await,
        Command::Schema => schema::run(console),
        #[cfg(not(feature = "simulator"))]
        Command::Simulate(_) => without_simulator::refuse("simulate", console),
        #[cfg(not(feature = "simulator"))]
        Command::Demo(_) => without_simulator::refuse("demo", console),
        #[cfg(feature = "simulator")]
        Command::Demo(args) => demo::run(args, cli.logs, console).await,
        #[cfg(feature = "simulator")]
        Command::Simulate(args) => {
            cli.logs.init();
            console.finish(simulate::run(args).await)
        }
    }
}

/// Parses the command line of this process. On a usage error, or when help was asked for, the text is written and the
/// exit code answered.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // Nobody is there to be told that the text couldn't be written.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
    })
}

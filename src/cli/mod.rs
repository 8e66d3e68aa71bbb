//! The command line: what can be typed, and what each command does.
//!
//! Exit codes: 0 done; 1 failed at run time; 2 usage or configuration. Standard output carries data only; logs and
//! errors go to standard error, and a closed pipe is no error, unless a `console` sink writes to it.

mod blobs;
mod completions;
mod console;
pub mod core_dumps;
mod cost;
mod dead_letters;
#[cfg(feature = "simulator")]
mod demo;
mod drive;
mod error;
mod estimate;
mod event_source;
mod examples;
mod files;
mod function;
mod init;
mod launch;
mod man;
mod organizations;
mod page;
mod preflight;
mod range;
mod reload;
mod replay;
mod run;
mod schema;
mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;
mod test;
mod usage;
mod validate;
mod version;
mod watch;
#[cfg(not(feature = "simulator"))]
mod without_simulator;

use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use futures::future::LocalBoxFuture;

use crate::telemetry::logs::{self, LogFormat, LogLevel};

pub use self::console::Console;
pub use self::error::CommandError;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::function::fuzz as function_fuzz;
pub use self::page::reference_page;

/// Something failed while it ran.
pub const FAILED: u8 = 1;
/// The command line or a pipeline file is wrong; nothing was started.
pub const USAGE: u8 = 2;

/// Where `--help` lists what every command has: behind the command's own options.
const BEHIND: usize = 900;

/// Send NordPass activity logs to Microsoft Sentinel through a streaming pipeline with a delivery guarantee.
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
    /// Format of logs and errors on standard error
    ///
    /// `auto` is human-readable on a terminal, and JSON lines otherwise. Errors about pipeline files and the command
    /// line are human-readable unless you select `json`.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", display_order = BEHIND)]
    pub log_format: LogFormat,
    /// Lowest level of log lines to write
    #[arg(long, global = true, value_enum, default_value_t, value_name = "LEVEL", display_order = BEHIND)]
    pub log_level: LogLevel,
}

impl LogArgs {
    /// Begins to log as asked.
    fn init(self) {
        logs::init(self.log_format, self.log_level);
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first pipeline file, from a few questions or options
    ///
    /// Asks only on a terminal, and only what no option answers; without one it takes the defaults. Secrets are neither asked
    /// for nor written: the file refers to variables or, for a service, to files
    Init(init::InitArgs),
    /// Run pipelines until SIGINT or SIGTERM, or until everything is delivered with `--once`
    Run(run::RunArgs),
    /// Check pipeline files without starting anything
    Validate(validate::ValidateArgs),
    /// Run the tests of pipeline files, without network, secrets or state
    ///
    /// Feeds the events of each `[[tests]]` to the pipeline's own transforms and compares what comes out. Exits with 1 if a
    /// test fails
    Test(test::TestArgs),
    /// Run as an Azure Functions custom handler: one bounded catch-up per call of the host
    ///
    /// The host starts this command and sets `FUNCTIONS_CUSTOMHANDLER_PORT`; see `deploy/functions`. Set
    /// `NORDPASS_SENTINEL_PIPELINE` to one or more pipeline files, separated by commas (default: `pipeline.toml` beside
    /// the program), and `NORDPASS_SENTINEL_TIME_LIMIT` to the time limit of a call (default: `3m`)
    Function(function::FunctionArgs),
    /// Compare a period at NordPass with what was acknowledged, and fetch only the difference
    ///
    /// The live position stays unchanged. Needs exclusive access to the state: stop the service first. Exits with 1 if
    /// something is still missing or NordPass's own event count doesn't add up
    Reconcile(range::reconcile::ReconcileArgs),
    /// Re-read a period of up to 90 days, and deliver what wasn't delivered before
    ///
    /// The live position stays unchanged, and known events aren't sent again. Needs exclusive access to the state: stop
    /// the service first
    Backfill(range::backfill::BackfillArgs),
    /// Send a recording through a pipeline in place of its source, and report the cost
    ///
    /// A load test with the pipeline's own sinks. It uses a temporary state and leaves the pipeline's alone. Set
    /// variables that only the replaced source needs, such as a token, to any value
    Replay(replay::ReplayArgs),
    /// Estimate what a pipeline costs a month, before it runs
    ///
    /// Takes the number of events from NordPass's own counts, and sizes from a sample that goes through the pipeline as it
    /// is. Only reads. With `--recording` it needs neither network nor secrets
    Estimate(estimate::EstimateArgs),
    /// Show what a destination rejected and why, and resend it
    DeadLetters(dead_letters::DeadLettersArgs),
    /// List, check or import the organizations that one pipeline file reads
    Organizations(organizations::OrganizationsArgs),
    /// Print the JSON Schema of pipeline files
    Schema,
    /// Print the version, the commit it was built from, the target and the features
    Version(version::VersionArgs),
    /// Print a script that lets a shell complete commands and options
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(man::ManArgs),
    /// Run only the simulators, for load tests and other programs
    #[cfg(feature = "simulator")]
    Simulate(simulate::SimulateArgs),
    #[cfg(not(feature = "simulator"))]
    #[command(hide = true)]
    Simulate(without_simulator::AnyArgs),
    /// Run a complete pipeline with simulators in place of NordPass and Azure
    #[cfg(feature = "simulator")]
    Demo(demo::DemoArgs),
    #[cfg(not(feature = "simulator"))]
    #[command(hide = true)]
    Demo(without_simulator::AnyArgs),
}

impl Cli {
    /// Standard error, as the command line wants it.
    pub fn console(&self) -> Console {
        Console::new(self.logs)
    }
}

/// Runs the command and returns its exit code.
///
/// The future is boxed: otherwise the binary would compile every command once more, a tenth of the first build.
pub fn run(cli: Cli) -> LocalBoxFuture<'static, ExitCode> {
    Box::pin(run_command(cli))
}

async fn run_command(cli: Cli) -> ExitCode {
    let mut console = cli.console();
    let result = match cli.command {
        Command::Init(args) => init::run(args, console),
        Command::Run(args) => run::run(args, &mut console).await,
        Command::Validate(args) => validate::run(args, console).await,
        Command::Test(args) => test::run(args, console).await,
        Command::Function(args) => function::run(args, &mut console).await,
        Command::Reconcile(args) => range::reconcile::run(args, &mut console).await,
        Command::Backfill(args) => range::backfill::run(args, &mut console).await,
        Command::Replay(args) => replay::run(args, &mut console).await,
        Command::Estimate(args) => estimate::run(args, console).await,
        Command::DeadLetters(args) => dead_letters::run(args, &mut console).await,
        Command::Organizations(args) => organizations::run(args, console).await,
        Command::Schema => schema::run(),
        Command::Version(args) => version::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, console),
        #[cfg(not(feature = "simulator"))]
        Command::Simulate(_) => Err(without_simulator::error("simulate")),
        #[cfg(not(feature = "simulator"))]
        Command::Demo(_) => Err(without_simulator::error("demo")),
        #[cfg(feature = "simulator")]
        Command::Demo(args) => {
            cli.logs.init();
            demo::run(args, console).await
        }
        #[cfg(feature = "simulator")]
        Command::Simulate(args) => {
            cli.logs.init();
            simulate::run(args).await
        }
    };
    console.exit(result)
}

/// The definition of the command line: what is parsed, `--help`, completions, manual pages and the reference page come from
/// it.
pub(crate) fn command() -> clap::Command {
    examples::add(Cli::command())
}

/// Parses the command line of this process. On a usage error, or when help was asked for, writes the text and returns the
/// exit code.
pub fn parse() -> Result<Cli, ExitCode> {
    let parsed = command().try_get_matches().and_then(|matches| {
        // What the types refuse is told as a usage error, too.
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
    });
    parsed.map_err(|error| {
        // There is nowhere to report that the text couldn't be written.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
    })
}

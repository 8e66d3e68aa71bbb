//! The `nordpass-sentinel` program.
//!
//! It ends with 0 when it is done, 1 when it failed at run time, and 2 when the command line or a pipeline file is
//! wrong. A closed pipe isn't an error, unless a `console` sink writes to it.

use std::process::ExitCode;

use nordpass_sentinel::cli;
use nordpass_sentinel::telemetry::{logs, stderr};

/// Parsing and writing rows allocate little, but often; this is faster at it than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most threads that do the work: each keeps freed memory of its own, and memory is promised to stay small. A single
/// one encodes far more events than hundreds of organizations have.
const MOST_WORKERS: usize = 4;

fn main() -> ExitCode {
    let code = start();
    stderr::finish();
    code
}

fn start() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    logs::report_panics();
    cli::core_dumps::forbid();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli.console().exit(Err(format!("can't start the runtime: {error}").into())),
    };
    let code = runtime.block_on(cli::run(cli));
    // A thread that waits for the system (a name look-up, standard input) must not hold up the end.
    runtime.shutdown_background();
    code
}

//! `function`: this program as a custom handler of the Azure Functions host
//! (<https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>).
//!
//! | file | what it does |
//! |---|---|
//! | [`settings`] | what the host and the operator set, as variables |
//! | [`server`] | the HTTP server that the host calls |
//! | [`call`] | what the host sends and wants back |
//! | [`catch_up`] | one bounded run of the pipelines |
//! | [`outcome`] | its outcome, in words |
//!
//! A call opens the state and releases it at its end (ADR 0015): the host moves the timer from instance to instance, and
//! an idle instance must not keep the state from the one that is called now.

mod call;
mod catch_up;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod outcome;
mod server;
mod settings;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, sync::Arc};

use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::FAILED;
use super::console::Console;
use super::error::{CommandError, CommandResult};
use super::files::VariableArgs;
use super::signals::signals;

use catch_up::CatchUp;
use settings::Settings;

/// What `function` takes. The host sets variables, and a token is never an argument.
#[derive(Debug, clap::Args)]
pub struct FunctionArgs {
    #[command(flatten)]
    variables: VariableArgs,
}

/// Serves the host until it ends this process.
pub(super) async fn run(args: FunctionArgs, console: &mut Console) -> CommandResult {
    let (environment, warnings) = args.variables.environment()?;
    let settings = Settings::read(&environment).map_err(|(message, hint)| CommandError::usage(message, hint))?;
    console.begin_logs();
    for warning in &warnings {
        console.show(warning);
    }
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        let hint = "the Functions host chooses this port; no other process may use it";
        CommandError::failed(format!("can't listen on {}: {error}", settings.listen), hint)
    })?;
    let mut signals = signals()?;
    tracing::info!(limit = settings.limit.as_secs(), "serving the Functions host on http://{}", settings.listen);
    let shutdown = CancellationToken::new();
    let work = Arc::new(CatchUp::new(settings, environment, crate::http::system_env(), shutdown.clone()));
    let mut serving = std::pin::pin!(server::serve(listener, work, shutdown.clone()));
    tokio::select! {
        biased;
        _ = signals.next() => {}
        () = &mut serving => return Ok(ExitCode::SUCCESS),
    }
    tracing::info!("the host is stopping this process: draining; a second signal stops at once");
    shutdown.cancel();
    let code = tokio::select! {
        biased;
        () = &mut serving => ExitCode::SUCCESS,
        _ = signals.next() => ExitCode::from(FAILED),
    };
    Ok(code)
}

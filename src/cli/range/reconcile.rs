//! `reconcile`: what NordPass has, what was acknowledged, what the pipeline leaves out on purpose, the difference, and fetching just
//! that.

use std::{ops::Range, process::ExitCode, sync::Arc, time::Duration};

use futures::future::{OptionFuture, try_join_all};
use futures::{StreamExt as _, TryFutureExt as _};
use tokio_util::sync::CancellationToken;

use super::super::FAILED;
use super::super::console::Console;
use super::super::drive::{out_of_time, with_progress};
use super::super::error::{CommandError, CommandResult};
use super::super::launch::{finish, launch, open_state};
use super::super::signals::signals;
use super::left_out::{Counted, LeftOut};
use super::report::{self, Found};
use super::{Chosen, RangeArgs, assign};
use crate::component::Context;
use crate::pipeline::Config;
use crate::sources::nordpass::{Comparison, ReadMode, compare};
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;

/// The hint after a comparison that didn't end.
const UNCHANGED: &str = "run it again; nothing was changed";

/// What `reconcile` takes.
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Compare only: fetch and deliver nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object per source, with every missing event's id, time and type
    #[arg(long)]
    json: bool,
}

/// Compares, fetches the difference, and compares again. Exit code 1 if something is still missing, or if NordPass's own
/// count doesn't prove that nothing is.
pub(in super::super) async fn run(args: ReconcileArgs, console: &mut Console) -> CommandResult {
    let env = crate::http::system_env();
    let (mut config, range, chosen) = args.range.begin(console, env.clock.now())?;
    let timeout = args.range.timeout;
    let comparing = Comparing { config: config.clone(), chosen, range, env, timeout };
    let before = comparing.run().await?;
    let mut found: Vec<_> = comparing
        .chosen
        .iter()
        .zip(&before)
        .map(|((name, _), (comparison, left_out))| Found::new(name, &comparing.range, comparison, left_out))
        .collect();
    let modes: Vec<_> = comparing
        .chosen
        .iter()
        .zip(&before)
        .filter_map(|((name, _), (comparison, _))| Some((name.clone(), ReadMode::Fetch(around(comparison)?))))
        .collect();
    let mut code = ExitCode::SUCCESS;
    if !args.dry_run && !modes.is_empty() {
        let telemetry = Telemetry::new();
        assign(&mut config, &modes);
        let ending = launch(config, true, timeout, &comparing.env, &telemetry).await?;
        let complete = ending.is_complete();
        code = finish(ending, true, *console);
        if complete {
            for (found, (comparison, _)) in found.iter_mut().zip(&comparing.run().await?) {
                found.after(&telemetry, comparison);
            }
        }
    }
    for found in &found {
        report::write(found, args.json, Found::human)?;
    }
    Ok(if found.iter().all(Found::is_complete) { code } else { ExitCode::from(FAILED) })
}

/// The shortest time with all the missing events.
fn around(comparison: &Comparison) -> Option<Range<i64>> {
    let (first, last) = (comparison.missing.first()?, comparison.missing.last()?);
    Some(first.time..last.time + 1)
}

/// What is compared, and how long that may take.
struct Comparing {
    config: Config,
    chosen: Chosen,
    range: Range<i64>,
    env: Env,
    timeout: Option<Duration>,
}

impl Comparing {
    /// Compares every chosen source, at the same time. The state is open only meanwhile.
    async fn run(&self) -> CommandResult<Vec<(Comparison, Counted)>> {
        let store = open_state(&self.env, &self.config).await?;
        let telemetry = Telemetry::new();
        telemetry.set_clock(self.env.clock.clone());
        // Also cancelled when a signal or the deadline ends this function.
        let shutdown = CancellationToken::new();
        let _cancels_when_dropped = shutdown.clone().drop_guard();
        let comparisons = try_join_all(self.chosen.iter().map(|(name, settings)| {
            let context = Context {
                name: name.as_str().into(),
                env: self.env.clone(),
                telemetry: telemetry.component(ComponentKind::Source, name),
                data_dir: self.config.data_dir.clone(),
                store: store.state.clone(),
                dead_letters: store.dead_letters.clone(),
                shutdown: shutdown.clone(),
                once: true,
            };
            let left_out = Arc::new(LeftOut::new(&self.config, name));
            let comparison = compare(settings.clone(), context, self.range.clone(), left_out.clone());
            let counted = comparison.map_ok(move |comparison| (comparison, left_out.counted()));
            counted.map_err(move |error| {
                let hint = error.hint.unwrap_or_else(|| UNCHANGED.to_owned());
                CommandError::failed(format!("can't compare {name}: {}", error.message), hint)
            })
        }));
        let mut signals = signals()?;
        let deadline = OptionFuture::from(self.timeout.map(tokio::time::sleep));
        let comparisons = with_progress(&telemetry, async {
            tokio::select! {
                biased;
                comparisons = comparisons => comparisons,
                Some(()) = signals.next() => {
                    Err(CommandError::failed("stopped by a signal before the comparison finished", UNCHANGED))
                }
                Some(()) = deadline => {
                    let hint = "run it again with a longer --timeout; nothing was changed";
                    Err(CommandError::failed(out_of_time(self.timeout, &telemetry), hint))
                }
            }
        })
        .await;
        // The run that fetches needs a shared checkpoint's lease soon.
        store.state.close().await;
        comparisons
    }
}

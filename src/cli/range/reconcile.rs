//! `reconcile`: what NordPass has, what was acknowledged, the difference, and fetching just that.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use futures::StreamExt as _;
use futures::future::{OptionFuture, try_join_all};
use tokio_util::sync::CancellationToken;

use super::super::console::Console;
use super::super::drive::{Ending, waiting, with_progress};
use super::super::launch::{Refusal, finish, launch, open_state, out_of_time, signals};
use super::super::{FAILED, LogArgs};
use super::report::{self, Found, delivered};
use super::{Asked, RangeArgs, assign};
use crate::component::Context;
use crate::pipeline::Config;
use crate::settings::Environment;
use crate::sources::nordpass::{Comparison, ReadMode, Settings, compare};
use crate::state::CheckpointSettings;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;

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

/// Does it. Exit code 1 when something is missing still, or can't be proven not to be.
pub(in super::super) async fn run(args: ReconcileArgs, logs: LogArgs, console: Console) -> ExitCode {
    let people = console;
    let (mut config, console) = match console.begin(&args.range.files, &Environment::system(), logs) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let env = crate::http::system_env();
    let asked = match args.range.resolve(&mut config, env.clock.now()) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.usage(people),
    };
    match reconcile(config, &args, asked, env, console).await {
        Ok(code) => code,
        Err(refusal) => refusal.show(console),
    }
}

async fn reconcile(
    mut config: Config,
    args: &ReconcileArgs,
    (range, chosen): Asked,
    env: Env,
    console: Console,
) -> Result<ExitCode, Refusal> {
    let state = (config.data_dir.clone(), config.checkpoint.clone());
    let before = compare_all(&state, &chosen, &range, &env, &args.range).await?;
    let mut found: Vec<_> =
        chosen.iter().zip(&before).map(|((name, _), comparison)| Found::new(name, &range, comparison)).collect();
    let mut code = ExitCode::SUCCESS;
    let missions: Vec<_> = chosen
        .iter()
        .zip(&before)
        .filter_map(|((name, _), comparison)| Some((name.clone(), ReadMode::Fetch(around(comparison)?))))
        .collect();
    if !args.dry_run && !missions.is_empty() {
        let telemetry = Telemetry::new();
        assign(&mut config, &missions);
        let store = open_state(&env, &state.1, &state.0).await?;
        let ending = launch(config, true, args.range.timeout, env.clone(), store, &telemetry).await?;
        let ended_well = matches!(&ending, Ending::Finished(report) if report.failures.is_empty());
        code = finish(ending, true, args.range.timeout, console);
        if ended_well {
            let after = compare_all(&state, &chosen, &range, &env, &args.range).await?;
            for ((found, comparison), (name, _)) in found.iter_mut().zip(&after).zip(&chosen) {
                found.after(delivered(&telemetry, name), comparison);
            }
        }
    }
    for found in &found {
        report::say(&if args.json { report::json(found) } else { found.human() })?;
    }
    Ok(if found.iter().all(Found::is_well) { code } else { ExitCode::from(FAILED) })
}

/// The smallest time that holds everything missing.
fn around(comparison: &Comparison) -> Option<Range<i64>> {
    let (first, last) = (comparison.missing.first()?, comparison.missing.last()?);
    Some(first.time..last.time + 1)
}

/// Compares every chosen source, side by side. The state is open only meanwhile.
async fn compare_all(
    (data_dir, settings): &(PathBuf, CheckpointSettings),
    chosen: &[(String, Settings)],
    range: &Range<i64>,
    env: &Env,
    args: &RangeArgs,
) -> Result<Vec<Comparison>, Refusal> {
    let store = open_state(env, settings, data_dir).await?;
    let telemetry = Telemetry::new();
    telemetry.set_clock(env.clock.clone());
    // Also when this function ends by a signal or the deadline.
    let shutdown = CancellationToken::new();
    let _cancels_when_dropped = shutdown.clone().drop_guard();
    let comparisons = try_join_all(chosen.iter().map(|(name, settings)| {
        let context = Context {
            name: name.as_str().into(),
            env: env.clone(),
            telemetry: telemetry.component(ComponentKind::Source, name),
            data_dir: data_dir.to_owned(),
            store: store.state.clone(),
            dead_letters: store.dead_letters.clone(),
            shutdown: shutdown.clone(),
            once: true,
        };
        let comparing = compare(settings.clone(), context, range.clone());
        async move {
            comparing.await.map_err(|error| Refusal {
                message: format!("can't compare {name}: {}", error.message),
                hint: error.hint.unwrap_or_else(|| "run it again; nothing was changed".into()),
            })
        }
    }));
    let mut signals = std::pin::pin!(signals()?.stream());
    let deadline = OptionFuture::from(args.timeout.map(tokio::time::sleep));
    let comparisons = with_progress(&telemetry, async {
        tokio::select! {
            biased;
            comparisons = comparisons => comparisons,
            Some(()) = signals.next() => Err(Refusal {
                message: "stopped by a signal before the comparison finished".into(),
                hint: "run it again; nothing was changed".into(),
            }),
            Some(()) = deadline => Err(Refusal {
                message: out_of_time(args.timeout, &waiting(&telemetry)),
                hint: "run it again with a longer --timeout; nothing was changed".into(),
            }),
        }
    })
    .await;
    // What is held of a shared checkpoint is needed again soon.
    store.state.close().await;
    comparisons
}

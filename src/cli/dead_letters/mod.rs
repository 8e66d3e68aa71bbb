//! `dead-letters`: what a destination refused and why, and sending it again.

mod report;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::value::RawValue;

use self::report::Report;
use self::view::{View, lines, page, table};
use super::FAILED;
use super::console::{Console, write_data};
use super::error::{CommandError, CommandResult};
use super::files::{FileArgs, VariableArgs, load_files};
use crate::dead_letters::{
    DeadLetterFolder, Fate, MarkState, ResendError, Resending, StoredDeadLetter, storage_trouble,
};
use crate::pipeline;
use crate::pipeline::Config;
use crate::settings::parse_duration;
use nordpass_env::Env;

/// What `dead-letters` takes.
#[derive(Debug, clap::Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List rejected records with their reasons, without their contents
    List(ListArgs),
    /// Show one dead letter with its record, which contains personal data
    Show(ShowArgs),
    /// Resend dead letters through their sink, or into their transform and what comes behind it
    ///
    /// Uses the sink's own settings, credential and limits; works while the pipeline runs, unless a transform leads to a file. Accepted letters are marked
    /// and not sent again. Only a crash between Azure's response and the mark can send a record twice; both copies then
    /// have the same `EventOriginalUid`. Exits with 1 if a letter wasn't accepted
    Resend(ResendArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Include resent letters
    #[arg(long)]
    all: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(override_usage = "nordpass-sentinel dead-letters show [OPTIONS] <FILE>... <ID>")]
struct ShowArgs {
    /// Pipeline files as for `list`, then the letter's id or at least its first six characters
    #[arg(required = true, value_name = "FILE… ID")]
    arguments: Vec<String>,
    #[command(flatten)]
    variables: VariableArgs,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(override_usage = "nordpass-sentinel dead-letters resend [OPTIONS] <FILE>... [ID]...")]
struct ResendArgs {
    /// Pipeline files as for `list`, then the letters' ids or at least their first six characters
    #[arg(required = true, value_name = "FILE… ID")]
    arguments: Vec<String>,
    #[command(flatten)]
    variables: VariableArgs,
    /// Resend all letters that weren't resent yet
    #[arg(long)]
    all: bool,
    /// Also resend accepted letters: they are then there twice, with the same `EventOriginalUid`
    #[arg(long)]
    force: bool,
    /// How long to wait for a destination that throttles or is unavailable
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_duration)]
    timeout: Duration,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// The error when the dead letters can't be read, or shown on standard output.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> CommandError {
    let hint = match storage_trouble(&error) {
        Some(_) => "check the [checkpoint] table: its container holds the dead letters",
        None => "check that this user may read the dead letters in data_dir",
    };
    CommandError::failed(format!("can't read or show the dead letters: {error}"), hint)
}

/// Lists, shows or resends dead letters.
pub(super) async fn run(args: DeadLettersArgs, console: &mut Console) -> CommandResult {
    match args.action {
        Action::List(args) => list(args, *console).await,
        Action::Show(args) => show(args).await,
        Action::Resend(args) => {
            console.begin_logs();
            resend(args, *console).await
        }
    }
}

/// Loads the files and reads the dead letters of their pipelines.
async fn open(
    files: &[PathBuf],
    variables: &VariableArgs,
    env: &Env,
) -> CommandResult<(Config, DeadLetterFolder, Vec<StoredDeadLetter>)> {
    if files.is_empty() {
        let hint = "name the pipeline files first: they say where the dead letters are and how to send them";
        return Err(CommandError::usage("no pipeline file", hint));
    }
    let (config, _) = load_files(files, variables, false)?;
    let folder = pipeline::dead_letters(&config.checkpoint, &config.data_dir, env)
        .map_err(|reason| CommandError::failed(reason, "see the checkpoint's tls, proxy and credential tables"))?;
    let dead_letters = folder.list().await.map_err(unreadable)?;
    Ok((config, folder, dead_letters))
}

async fn list(args: ListArgs, console: Console) -> CommandResult {
    let (_, _, dead_letters) = open(&args.set.files, &args.set.variables, &crate::http::system_env()).await?;
    let total = dead_letters.len();
    let shown: Vec<StoredDeadLetter> =
        dead_letters.into_iter().filter(|dead_letter| args.all || !is_resent(dead_letter)).collect();
    let text = match (args.json, shown.is_empty()) {
        (true, _) => lines(shown.iter().map(|dead_letter| View { dead_letter, record: None })).map_err(unreadable)?,
        (false, true) => "no dead letters\n".to_owned(),
        (false, false) => table(&shown),
    };
    write_data(&text).map_err(unreadable)?;
    if total > shown.len() {
        console.note(&format!("{} resent, not shown without --all", total - shown.len()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: ShowArgs) -> CommandResult {
    let (files, ids) = split(&args.arguments);
    let [id] = &ids[..] else {
        return Err(CommandError::usage(format!("{} ids instead of one", ids.len()), LIST_HINT));
    };
    let (_, folder, dead_letters) = open(&files, &args.variables, &crate::http::system_env()).await?;
    for dead_letter in select(&dead_letters, id)? {
        let record = folder.record(dead_letter).await.map_err(unreadable)?;
        let raw = serde_json::from_str::<&RawValue>(&record).map_err(|error| unreadable(error.into()))?;
        let text =
            if args.json { lines([View { dead_letter, record: Some(raw) }]) } else { Ok(page(dead_letter, &record)) };
        let text = text.map_err(unreadable)?;
        write_data(&text).map_err(unreadable)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn resend(args: ResendArgs, console: Console) -> CommandResult {
    let (files, ids) = split(&args.arguments);
    if ids.is_empty() != args.all {
        let message = if args.all { "both ids and --all" } else { "neither ids nor --all" };
        return Err(CommandError::usage(message, "name letters by their ids, or send all with `--all`"));
    }
    let env = crate::http::system_env();
    let (config, folder, dead_letters) = open(&files, &args.variables, &env).await?;
    let mut chosen: Vec<StoredDeadLetter> = Vec::new();
    for id in &ids {
        let new: Vec<&StoredDeadLetter> = select(&dead_letters, id)?;
        let is_new = |dead_letter: &&StoredDeadLetter| {
            !chosen.iter().any(|known| {
                (&known.id, &known.stream, &known.component)
                    == (&dead_letter.id, &dead_letter.stream, &dead_letter.component)
            })
        };
        let new: Vec<StoredDeadLetter> = new.into_iter().filter(is_new).cloned().collect();
        chosen.extend(new);
    }
    if args.all {
        chosen = dead_letters.into_iter().filter(|dead_letter| args.force || !is_resent(dead_letter)).collect();
    }
    if chosen.is_empty() {
        console.note("no dead letters to send");
        return Ok(ExitCode::SUCCESS);
    }
    chosen.sort_by(|a, b| a.component.cmp(&b.component));
    let resending = Resending::begin(folder.clone(), args.timeout, args.force).await.map_err(|error| failed(&error))?;
    let mut report = Report::new(args.json, args.all);
    for group in chosen.chunk_by(|a, b| a.component == b.component) {
        let sink = config.sinks.iter().find(|sink| group[0].is_of(&sink.name));
        let transform = config.transforms.iter().find(|transform| group[0].is_of(&transform.name));
        let destination = match (sink, transform) {
            (Some(sink), _) => sink.settings.resender(&sink.name, &env),
            (None, Some(transform)) => pipeline::resender(&config, &transform.name, &env).await,
            (None, None) => Err(format!("these files have no sink or transform `{}`", group[0].component)),
        };
        match destination {
            Ok(destination) => {
                let tell = |dead_letter: &StoredDeadLetter, fate| report.tell(dead_letter, &fate);
                resending
                    .send(group, destination.as_ref(), env.clock.as_ref(), tell)
                    .await
                    .map_err(|error| failed(&error))?;
            }
            Err(reason) => {
                for dead_letter in group {
                    report.tell(dead_letter, &Fate::without_destination(dead_letter, &reason));
                }
            }
        }
    }
    resending.end().await;
    report.written.map_err(unreadable)?;
    console.note(&format!("{} accepted, {} not", report.accepted, report.not_accepted));
    Ok(if report.failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn failed(error: &ResendError) -> CommandError {
    let hint = match error {
        ResendError::Busy => "wait for it to end",
        ResendError::Lost => "run it again: letters reported as accepted are marked",
        ResendError::Disk(error) if storage_trouble(error).is_some() => {
            "letters reported as accepted are marked; check the [checkpoint] table: its identity needs the role \
             Storage Blob Data Contributor"
        }
        ResendError::Disk(_) => {
            "letters reported as accepted are marked; check the disk and the permissions of data_dir"
        }
    };
    CommandError::failed(error.to_string(), hint)
}

/// Pipeline files and ids: an id is hexadecimal and no file's name.
fn split(arguments: &[String]) -> (Vec<PathBuf>, Vec<String>) {
    let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit()) && !Path::new(text).exists();
    let (ids, files): (Vec<_>, Vec<_>) = arguments.iter().partition(|text| is_id(text));
    (files.into_iter().map(PathBuf::from).collect(), ids.into_iter().map(|id| id.to_ascii_lowercase()).collect())
}

const LIST_HINT: &str =
    "`dead-letters list` shows the ids; after the files, give at least the first 6 characters of one";

/// The dead letters of the one id with this prefix. An event that was refused for two streams has two.
fn select<'a>(dead_letters: &'a [StoredDeadLetter], id: &str) -> CommandResult<Vec<&'a StoredDeadLetter>> {
    if id.len() < 6 {
        return Err(CommandError::usage(format!("the id `{id}` is too short"), LIST_HINT));
    }
    let found: Vec<&StoredDeadLetter> =
        dead_letters.iter().filter(|dead_letter| dead_letter.id.starts_with(id)).collect();
    match found.first() {
        None => Err(CommandError::usage(format!("no dead letter's id begins with `{id}`"), LIST_HINT)),
        Some(first) if found.iter().any(|dead_letter| dead_letter.id != first.id) => {
            Err(CommandError::usage(format!("several ids begin with `{id}`"), "give more characters of the id"))
        }
        Some(_) => Ok(found),
    }
}

fn is_resent(dead_letter: &StoredDeadLetter) -> bool {
    dead_letter.mark.as_ref().is_some_and(|mark| mark.state == MarkState::Resent)
}

//! `organizations`: what the organizations file lists, whether it is right, and a first one from blocks of sources.

mod import;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::json;

use super::FAILED;
use super::console::{Console, counted, write_data};
use super::error::{CommandError, CommandResult};
use super::files::{FileArgs, load_files};
use crate::component::Takes;
use crate::event::Organization;
use crate::pipeline::{Config, SourceConfig};

/// As many tokens are tried at the same time.
const SIDE_BY_SIDE: usize = 8;

/// What `organizations` takes.
#[derive(Debug, clap::Args)]
pub struct OrganizationsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the organizations that are read, with their ids, labels and states
    List(ListArgs),
    /// Check the organizations file and the secrets that it names
    ///
    /// Exits with 1 if an entry is wrong, also where `on_error = "skip"` keeps only this organization out
    Check(CheckArgs),
    /// Make an organizations file of the `nordpass` sources that a pipeline file has
    ///
    /// Prints the organizations file. Each organization goes on from its source's state, so nothing is read or sent twice.
    /// Says what to do with the tokens and the pipeline file; changes nothing and shows no secret
    Import(import::ImportArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    set: FileArgs,
    /// Also try each token with one request, and each destination
    #[arg(long)]
    connect: bool,
}

/// Runs one of the commands.
pub(super) async fn run(args: OrganizationsArgs, console: Console) -> CommandResult {
    match args.action {
        Action::List(args) => list(&args, console),
        Action::Check(args) => check(&args, console).await,
        Action::Import(args) => import::run(&args, console),
    }
}

/// The sources of organizations, each with its organization.
fn of_organizations(config: &Config) -> impl Iterator<Item = (&SourceConfig, &Arc<Organization>)> {
    config.sources.iter().filter_map(|source| Some((source, source.settings.organization()?)))
}

fn list(args: &ListArgs, console: Console) -> CommandResult {
    let (config, warnings) = load_files(&args.set.files, &args.set.variables, false)?;
    for warning in &warnings {
        console.show(warning);
    }
    let mut text = String::new();
    for (source, organization) in of_organizations(&config) {
        let key = source.settings.state_key(&source.name);
        let (state, endpoint) = key.as_ref().map_or(("", ""), |key| (key.name.as_str(), key.endpoint.as_str()));
        let Organization { name, id, labels, has_destination, .. } = &**organization;
        if args.json {
            let labels: serde_json::Map<_, _> = labels.iter().map(|(key, text)| (key.clone(), json!(text))).collect();
            let line = json!({ "name": name, "id": id, "source": source.name, "endpoint": endpoint, "state": state,
                "labels": labels, "has_destination": has_destination });
            let _ = writeln!(text, "{line}");
        } else {
            let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}={text:?}")).collect();
            let _ = writeln!(text, "{name}\t{id}\t{endpoint}\t{}", labels.join(" "));
        }
    }
    write_data(&text).map_err(|error| format!("can't write to standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn check(args: &CheckArgs, console: Console) -> CommandResult {
    let (config, warnings) = load_files(&args.set.files, &args.set.variables, false)?;
    for warning in &warnings {
        console.show(warning);
    }
    let sources: Vec<(&SourceConfig, &Arc<Organization>)> = of_organizations(&config).collect();
    if sources.is_empty() {
        let hint = "add [organizations], or print a first organizations file: `organizations import`";
        return Err(CommandError::usage("these files read no organizations file", hint));
    }
    let kept_out = config.kept_out.names.len();
    let wrong = if kept_out == 0 { String::new() } else { format!("; {kept_out} more aren't read") };
    console.note(&format!("{}{wrong}", counted(sources.len() as u64, "organization")));
    let mut works = kept_out == 0;
    if args.connect {
        let env = crate::http::system_env();
        let tries = sources.into_iter().map(|(source, organization)| {
            let env = &env;
            let own = Takes::Organization(organization.id.as_str().into());
            let destination = config.sinks.iter().find(|sink| sink.takes == own);
            async move {
                let result = source.settings.probe(env).await;
                match (result, destination) {
                    (Ok(words), Some(sink)) => {
                        let of_destination = sink.settings.probe(env).await;
                        (organization, of_destination.map(|more| format!("{words}; {more}")))
                    }
                    (result, _) => (organization, result),
                }
            }
        });
        let mut tried = futures::stream::iter(tries).buffered(SIDE_BY_SIDE);
        while let Some((organization, result)) = tried.next().await {
            match result {
                Ok(words) => console.note(&format!("organization {}: {words}", organization.name)),
                Err(reason) => {
                    works = false;
                    console.error(format!("organization {}: {reason}", organization.name), None);
                }
            }
        }
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

//! `organizations import`: today's blocks become an organizations file, with their states.

use std::any::Any;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::console::{Console, counted, write_data};
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::files::{FileArgs, load_files};
use crate::sources::nordpass::Settings;

/// What `organizations import` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    set: FileArgs,
}

/// Prints the file, and tells people what else to do.
pub(super) fn run(args: &ImportArgs, console: Console) -> CommandResult {
    // Tokens needn't be there: only where they come from counts.
    let (config, _) = load_files(&args.set.files, &args.set.variables, true)?;
    let blocks: Vec<(&str, &Settings)> = config
        .sources
        .iter()
        .filter_map(|source| {
            let settings: &dyn Any = source.settings.as_ref();
            let settings = settings.downcast_ref::<Settings>()?;
            (source.settings.organization().is_none()).then_some((source.name.as_str(), settings))
        })
        .collect();
    if blocks.is_empty() {
        let hint = "only sources with an `endpoint` and a `token` of their own can be imported";
        return Err(CommandError::usage("these files have no `nordpass` source to import", hint));
    }
    if let Some((name, _)) = blocks.iter().find(|(_, settings)| settings.endpoint.is_empty()) {
        let hint = "set its variable as it is where the pipeline runs: the state is known by the endpoint, too";
        return Err(CommandError::usage(format!("source {name}: its `endpoint` isn't set"), hint));
    }
    write_data(&file(&blocks)).map_err(|error| format!("can't write to standard output: {error}"))?;
    steps(&blocks, console);
    Ok(ExitCode::SUCCESS)
}

/// The organizations file.
fn file(blocks: &[(&str, &Settings)]) -> String {
    let mut text = String::from(
        "# The organizations, one table each. `id` never changes; `token` is the name of a file in `secrets_dir`;\n\
         # `state` is the source that read the organization before.\n",
    );
    for (name, settings) in blocks {
        let endpoint = serde_json::Value::from(settings.endpoint.as_str());
        let _ = write!(
            text,
            "\n[{name}]\nid = \"{name}\"\nendpoint = {endpoint}\ntoken = \"{name}\"\nstate = \"{name}\"\n"
        );
    }
    text
}

fn steps(blocks: &[(&str, &Settings)], console: Console) {
    let (_, first) = blocks[0];
    let mut endpoints: Vec<&str> = blocks.iter().map(|(_, settings)| settings.endpoint.as_str()).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    console.note(&format!("{}. What to do with them:", counted(blocks.len() as u64, "organization")));
    console
        .note("1. Put each token into a file of its own in `secrets_dir`, called as the source, for its owner only:");
    for (name, settings) in blocks {
        console.note(&match settings.token.files().next() {
            Some(path) => format!("   {name}: from {}", path.display()),
            None => format!("   {name}: from the variable or text in [sources.{name}]"),
        });
    }
    console.note("2. In the pipeline file, put this in place of these sources:");
    console.note(&format!(
        "   [organizations]\n   file = \"organizations.toml\"\n   secrets_dir = \"/run/secrets/nordpass\"\n   \
         allowed_endpoints = {endpoints:?}\n\n   [sources.organizations]\n   type = \"nordpass\""
    ));
    console.note("3. In the `inputs` of the components that read them, write \"organizations\".");
    console.note("4. Stop the service, check with `organizations check`, and start it.");
    for (name, settings) in &blocks[1..] {
        let different = first.differences(settings);
        if !different.is_empty() {
            let (one, keys) = (blocks[0].0, different.join(", "));
            console.note(&format!("note: {one} and {name} differ in {keys}; one source has one value for all"));
        }
    }
}

//! `init`: a first pipeline file, from a few questions or options, and a unit or compose file that runs it.
//!
//! | file | what it does |
//! |---|---|
//! | [`choices`] | what can be chosen, and what is taken without a choice |
//! | [`ask`] | the questions, on a terminal |
//! | [`pipeline_file`] | the pipeline file, out of the tables of the files in `pipelines/` |
//! | [`variables`] | the variables that it refers to |
//! | [`host`] | the files of `deploy/` that run it, fitted to it |
//! | [`output`] | writes all files or none, and says what is next |

mod ask;
mod choices;
mod host;
mod output;
mod pipeline_file;
#[cfg(test)]
mod tests;
mod variables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::ask::Asker;
use self::choices::{Choices, Credential, Sink, Tables};
use self::output::Written;
use super::console::{self, Console, write_data};
use super::error::{CommandError, CommandResult};
use crate::pipeline::load;
use crate::settings::{Diagnostic, Environment, Severity};

/// What `init` takes.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct InitArgs {
    /// Where to write the pipeline file, or `-` for standard output
    #[arg(default_value = "pipeline.toml", value_name = "FILE")]
    file: PathBuf,
    /// Your NordPass data centre: `eu`, `us`, or the complete URL that the Admin Panel shows. Defaults to a variable
    #[arg(long, visible_alias = "endpoint", value_name = "REGION", value_parser = choices::region)]
    region: Option<String>,
    /// Where to deliver the rows. Defaults to `sentinel`
    #[arg(long, value_enum, value_name = "SINK")]
    sink: Option<Sink>,
    /// Which tables' rows to make. Defaults to `asim`
    #[arg(long, value_enum, value_name = "TABLES")]
    tables: Option<Tables>,
    /// The logs ingestion URL of the data collection endpoint, or of the rule itself. Defaults to a variable
    #[arg(long, value_name = "URL", value_parser = choices::text)]
    data_collection_endpoint: Option<String>,
    /// The data collection rule's immutable id, `dcr-…`. Defaults to a variable
    #[arg(long, value_name = "ID", value_parser = choices::text)]
    dcr_immutable_id: Option<String>,
    /// The identity that writes to Sentinel. Defaults to `client_secret`
    #[arg(long, value_enum, value_name = "KIND")]
    credential: Option<Credential>,
    /// How much history the first run reads, at most `90d`. Defaults to `7d`
    #[arg(long, value_name = "DURATION", value_parser = choices::history)]
    history: Option<String>,
    /// Folder for the state and dead letters. Defaults to `./data`
    #[arg(long, value_name = "FOLDER", value_parser = choices::text)]
    data_dir: Option<String>,
    /// Also keep the events, as NordPass sent them, in compressed files
    #[arg(long)]
    archive: bool,
    /// Serve a status page, `/health`, `/ready` and `/metrics`, on `127.0.0.1:8686` unless an address is given
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = choices::API,
        value_parser = choices::text
    )]
    api: Option<String>,
    /// Also write a systemd unit that runs the file, and an example of its environment file
    #[arg(long, conflicts_with_all = ["compose", "data_dir"])]
    systemd: bool,
    /// Also write a compose file that runs the file in a container, and an example of its settings
    #[arg(long, conflicts_with_all = ["data_dir", "api"])]
    compose: bool,
    /// Ask nothing on a terminal either: take the default of what isn't given
    #[arg(long)]
    yes: bool,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// Asks what isn't given, if somebody is there, and writes the files.
pub(super) fn run(args: InitArgs, console: Console) -> CommandResult {
    let to_stdout = args.file == Path::new("-");
    if to_stdout && (args.systemd || args.compose) {
        let hint = "give the pipeline file a name: the other files refer to it";
        return Err(CommandError::usage("`-` can't be combined with `--systemd` or `--compose`", hint));
    }
    if !to_stdout {
        // Before the questions: nobody wants to answer them for nothing.
        output::check_target(&args.file, args.force)?;
    }
    let (file, force) = (args.file.clone(), args.force);
    let args = if !args.yes && console.can_ask() {
        Asker::new(std::io::stdin().lock(), console::ask).complete(args)?
    } else {
        args
    };
    let choices = Choices::of(args)?;
    let shown = if to_stdout { Path::new("pipeline.toml") } else { &file };
    let text = checked(&choices, shown)?;
    if to_stdout {
        write_data(&text).map_err(|error| format!("can't write to standard output: {error}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let files = host::files(&choices, &file, text)?;
    let written = output::write(&files, force)?;
    console.note(&next(&choices, &file, &files[0].text, &written));
    Ok(ExitCode::SUCCESS)
}

/// The pipeline file's text, which `validate --no-environment` accepts.
fn checked(choices: &Choices, file: &Path) -> CommandResult<String> {
    let text = pipeline_file::text(choices, file);
    // No variable of this machine: the file has to be right on another one, too.
    match load(&[(file.to_owned(), text.clone())], &Environment::default().may_be_absent()) {
        Ok(_) => Ok(text),
        Err(found) => Err(CommandError { in_files: false, ..CommandError::files(of_options(found)) }),
    }
}

/// The same errors, about the options whose values are wrong.
fn of_options(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    const OPTIONS: [(&str, &str); 5] = [
        ("sources.nordpass.endpoint", "--region"),
        ("sources.nordpass.initial_lookback", "--history"),
        ("sinks.sentinel.endpoint", "--data-collection-endpoint"),
        ("sinks.sentinel.dcr_immutable_id", "--dcr-immutable-id"),
        ("api.listen", "--api"),
    ];
    let errors = found.into_iter().filter(|found| found.severity == Severity::Error);
    errors
        .map(|error| match OPTIONS.iter().find(|(path, _)| *path == error.path) {
            Some((_, option)) => Diagnostic {
                message: format!("`{option}`: {}", error.message),
                location: None,
                path: String::new(),
                ..error
            },
            None => error,
        })
        .collect()
}

/// What was written, which variables to set, and what to run.
fn next(choices: &Choices, file: &Path, text: &str, written: &Written) -> String {
    use std::fmt::Write as _;
    let mut said = format!("wrote {written}\n");
    let file = output::in_shell(file);
    let variables = variables::to_set(text);
    let place = match choices.host {
        None => "in the environment, or in a file for `--env-file`".to_owned(),
        Some(host) => format!("in {}", host.settings_file()),
    };
    if !variables.is_empty() {
        let _ = writeln!(said, "\nSet these variables {place}:");
        for (name, meaning) in &variables {
            let _ = writeln!(said, "  {name:<26} {meaning}");
        }
    }
    if choices.credential == Credential::AzureCli && choices.sink == Sink::Sentinel {
        said.push_str("\nSign in with `az login`.\n");
    }
    let check = match choices.host {
        // What the host sets isn't on this machine.
        Some(_) => "validate --no-environment",
        None => "validate --connect",
    };
    let _ = write!(said, "\nThen:\n  nordpass-sentinel {check} {file}\n");
    match choices.host {
        Some(host) => {
            let _ =
                write!(said, "\nThe first lines of {} say how to store the secrets and start it.", host.unit_file());
        }
        None => {
            let _ = write!(said, "  nordpass-sentinel run {file}");
        }
    }
    said
}

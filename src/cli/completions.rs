//! `completions`: what a shell needs to complete this program's commands and options.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{command, console::write_data, error::CommandResult};

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Writes the script to standard output.
#[expect(clippy::needless_pass_by_value, reason = "as every command")]
pub(super) fn run(args: CompletionsArgs) -> CommandResult {
    write_data(&script(args.shell)).map_err(|error| format!("can't write to standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> String {
    let mut command = command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if shell != Shell::Bash {
        return script;
    }
    // The script spells a name with a hyphen in two ways, and then completes nothing behind a command:
    // https://github.com/clap-rs/clap/issues/6421
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

#[cfg(test)]
mod tests {
    use clap::{Command, ValueEnum as _};

    use super::*;

    /// The names of all commands below this one, and their options' long names.
    fn names(command: &Command, found: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            found.extend(argument.get_long().map(str::to_owned));
        }
        for nested in command.get_subcommands().filter(|nested| !nested.is_hide_set()) {
            found.push(nested.get_name().to_owned());
            names(nested, found);
        }
    }

    #[test]
    fn each_shells_script_names_every_command_and_option() {
        let mut found = Vec::new();
        names(&command(), &mut found);
        assert!(
            ["dead-letters", "resend", "env-file", "log-format"].iter().all(|name| found.iter().any(|n| n == name))
        );
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for name in &found {
                assert!(script.contains(name.as_str()), "{shell}: {name}");
            }
        }
    }
}

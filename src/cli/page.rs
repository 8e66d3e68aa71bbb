//! `docs/reference/cli.md`, from the command line's own description.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::{command, examples};

/// The reference page of all commands.
pub fn reference_page() -> String {
    let mut root = command();
    root.build();
    let name = root.get_name().to_owned();
    let mut page = format!(
        "<!-- Generated from src/cli by `cargo xtask docs`. Don't edit. -->\n\n# The command line\n\n{}\n\nExit codes: \
         0 done; 1 failed at run time; 2 usage or configuration. Standard output carries data only; logs\nand errors \
         go to standard error. A closed pipe isn't an error, unless a `console` sink writes to it.\n",
        root.get_about().map(ToString::to_string).unwrap_or_default()
    );
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        section(&mut page, &name, command);
    }
    let global: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    page.push_str("\n## Every command\n");
    arguments(&mut page, &global);
    page
}

fn section(page: &mut String, program: &str, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let usage = if usage.starts_with(program) { usage.to_owned() } else { format!("{program} {usage}") };
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    // A command of a command has both names, and a smaller heading.
    let called = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let called = called.strip_prefix(program).unwrap_or(called).trim();
    let marks = if called.contains(' ') { "###" } else { "##" };
    let _ = write!(page, "\n{marks} {called}\n\n{about}.\n\n```text\n{usage}\n```\n");
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_global_set() && !is_built_in(arg)).collect();
    arguments(page, &own);
    let examples = examples::lines(examples::of(examples::words(command)));
    if !examples.is_empty() {
        let _ = write!(page, "\n```sh\n{examples}```\n");
    }
    for nested in command.get_subcommands().filter(|nested| nested.get_name() != "help") {
        section(page, program, nested);
    }
}

fn is_built_in(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

fn arguments(page: &mut String, arguments: &[&Arg]) {
    let mut rows = arguments.iter().filter(|arg| !arg.is_hide_set()).peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
    for arg in rows {
        let takes_value = arg.get_action().takes_values();
        let values: Vec<_> = if takes_value {
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
        } else {
            Vec::new()
        };
        let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
        let written = match arg.get_long() {
            // Its value may be left out; a word behind it is another argument.
            Some(long) if arg.is_require_equals_set() => format!("--{long}[={value}]"),
            Some(long) if takes_value => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None if matches!(arg.get_action(), ArgAction::Append) => format!("{value}…"),
            None => value,
        };
        let defaults: Vec<String> = if takes_value {
            arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect()
        } else {
            Vec::new()
        };
        let mut help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        help = help.replace("\n\n", ". ").replace('\n', " ").replace('|', "\\|");
        if !help.ends_with('.') {
            help.push('.');
        }
        if !values.is_empty() {
            let _ = write!(help, " One of `{}`.", values.join("`, `"));
        }
        let _ = writeln!(page, "| `{written}` | {} | {help} |", defaults.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_is_explained() {
        let page = reference_page();
        for command in command().get_subcommands() {
            assert!(page.contains(&format!("\n## {}\n", command.get_name())), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let nested = command.get_subcommands().flat_map(Command::get_arguments);
            for arg in command.get_arguments().chain(nested).filter(|arg| !is_built_in(arg)) {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            for nested in command.get_subcommands() {
                let heading = format!("\n### {} {}\n", command.get_name(), nested.get_name());
                assert!(page.contains(&heading) && nested.get_about().is_some(), "{heading}");
            }
        }
        assert!(page.contains("| `--timeout DURATION` |") && page.contains("One of `auto`, `human`, `json`."));
    }
}

//! The examples that end each `--help`, each manual page and each section of `docs/reference/cli.md`.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::StyledStr;

/// A command line, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    /// What it does, as a comment above it.
    pub what: &'static str,
    /// The line, as one types it into a shell.
    pub line: &'static str,
}

const fn example(what: &'static str, line: &'static str) -> Example {
    Example { what, line }
}

/// The examples of each command, by its words. The first ones are the program's.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("See it work, without any account", "nordpass-sentinel demo"),
            example("Write a first pipeline file", "nordpass-sentinel init"),
            example("Check the file, the token, the endpoints", "nordpass-sentinel validate --connect pipeline.toml"),
            example("Deliver", "nordpass-sentinel run pipeline.toml"),
        ],
    ),
    (
        "run",
        &[
            example("Deliver until SIGINT or SIGTERM", "nordpass-sentinel run pipeline.toml"),
            example("With variables from a file", "nordpass-sentinel run --env-file settings.env pipeline.toml"),
            example(
                "Deliver everything up to now, and stop",
                "nordpass-sentinel run --once --timeout 10m pipeline.toml",
            ),
            example("All *.toml files of a folder as one set", "nordpass-sentinel run /etc/nordpass-sentinel"),
        ],
    ),
    (
        "test",
        &[
            example("Run the tests of a pipeline file", "nordpass-sentinel test pipeline.toml"),
            example(
                "Of each file in a folder, for continuous integration",
                "nordpass-sentinel test --junit report.xml pipelines",
            ),
            example("Of files that make one set together", "nordpass-sentinel test --one-set nordpass.toml asim.toml"),
            example("Fill in what a new test is to expect", "nordpass-sentinel test --record pipeline.toml"),
        ],
    ),
    (
        "estimate",
        &[
            example("GB a month by table", "nordpass-sentinel estimate pipeline.toml"),
            example("And money", "nordpass-sentinel estimate --price-per-gb 4.30 pipeline.toml"),
            example(
                "From recorded logs, without a token",
                "nordpass-sentinel estimate --recording 'logs/*.gz' pipeline.toml",
            ),
        ],
    ),
    (
        "validate",
        &[
            example("Check a file and what it needs of this machine", "nordpass-sentinel validate pipeline.toml"),
            example(
                "Also try the token, the endpoints and each stream",
                "nordpass-sentinel validate --connect pipeline.toml",
            ),
            example("In continuous integration", "nordpass-sentinel validate --no-environment pipeline.toml"),
            example(
                "Find columns that Azure would drop",
                "nordpass-sentinel validate --no-environment --dcr rule.json pipeline.toml",
            ),
        ],
    ),
    (
        "init",
        &[
            example("Answer a few questions (or take the defaults, without a terminal)", "nordpass-sentinel init"),
            example(
                "Rows for the official connector's table, from an identity of Azure",
                "nordpass-sentinel init --region eu --tables official --credential managed_identity",
            ),
            example(
                "A pipeline file and a systemd unit that runs it",
                "nordpass-sentinel init --systemd pipeline.toml",
            ),
            example("Look at it first", "nordpass-sentinel init --sink files -"),
        ],
    ),
    (
        "function",
        &[
            example("Without a host, to try it", "FUNCTIONS_CUSTOMHANDLER_PORT=7071 nordpass-sentinel function"),
            example(
                "With other pipeline files than pipeline.toml beside the program",
                "NORDPASS_SENTINEL_PIPELINE=nordpass.toml,asim.toml FUNCTIONS_CUSTOMHANDLER_PORT=7071 \
                 nordpass-sentinel function",
            ),
        ],
    ),
    (
        "reconcile",
        &[
            example(
                "What is missing since a day? Fetch it",
                "nordpass-sentinel reconcile --from 2026-11-01 pipeline.toml",
            ),
            example(
                "Only compare, for a program",
                "nordpass-sentinel reconcile --from 2026-11-01 --to 2026-11-02 --dry-run --json pipeline.toml",
            ),
        ],
    ),
    (
        "backfill",
        &[
            example("Read everything since a day again", "nordpass-sentinel backfill --from 2026-11-01 pipeline.toml"),
            example(
                "Two hours, from one of several sources",
                "nordpass-sentinel backfill --from 2026-11-01T08:00:00Z --to 2026-11-01T10:00:00Z --source nordpass \
                 pipeline.toml",
            ),
        ],
    ),
    (
        "replay",
        &[
            example(
                "As fast as the pipeline accepts",
                "nordpass-sentinel replay events.ndjson --pipeline pipeline.toml",
            ),
            example(
                "For ten minutes, at 500 events per second",
                "nordpass-sentinel replay 'archive/*/*.ndjson.gz' --pipeline pipeline.toml --rate 500 --duration 10m",
            ),
        ],
    ),
    (
        "dead-letters",
        &[
            example("What was rejected, and why?", "nordpass-sentinel dead-letters list pipeline.toml"),
            example(
                "Send it again, once the cause is gone",
                "nordpass-sentinel dead-letters resend --all pipeline.toml",
            ),
        ],
    ),
    (
        "dead-letters list",
        &[
            example("Those that weren't resent yet", "nordpass-sentinel dead-letters list pipeline.toml"),
            example("All of them, for a program", "nordpass-sentinel dead-letters list --all --json pipeline.toml"),
        ],
    ),
    (
        "dead-letters show",
        &[
            example("By the first characters of its id", "nordpass-sentinel dead-letters show pipeline.toml 4f1c09"),
            example("For a program", "nordpass-sentinel dead-letters show --json pipeline.toml 4f1c09"),
        ],
    ),
    (
        "dead-letters resend",
        &[
            example("Two of them", "nordpass-sentinel dead-letters resend pipeline.toml 4f1c09 a07b21"),
            example("All that weren't resent yet", "nordpass-sentinel dead-letters resend --all pipeline.toml"),
        ],
    ),
    (
        "organizations",
        &[
            example("Which organizations are read?", "nordpass-sentinel organizations list pipeline.toml"),
            example(
                "Is the file right, and is each token?",
                "nordpass-sentinel organizations check --connect pipeline.toml",
            ),
        ],
    ),
    (
        "organizations list",
        &[
            example("For people", "nordpass-sentinel organizations list pipeline.toml"),
            example("For a program", "nordpass-sentinel organizations list --json pipeline.toml"),
        ],
    ),
    (
        "organizations check",
        &[
            example("The file and the secrets", "nordpass-sentinel organizations check pipeline.toml"),
            example(
                "And each token, with one request",
                "nordpass-sentinel organizations check --connect pipeline.toml",
            ),
        ],
    ),
    (
        "organizations import",
        &[
            example(
                "From blocks to a file",
                "nordpass-sentinel organizations import pipeline.toml > organizations.toml",
            ),
            example(
                "From a folder of pipeline files",
                "nordpass-sentinel organizations import pipelines/ > organizations.toml",
            ),
        ],
    ),
    (
        "schema",
        &[
            example("For an editor that completes and checks TOML", "nordpass-sentinel schema > pipeline.schema.json"),
            example("Which types of sink are there?", "nordpass-sentinel schema | jq '.properties.sinks'"),
        ],
    ),
    (
        "simulate",
        &[
            example("All simulators on free ports, with live events", "nordpass-sentinel simulate --live-rate 2"),
            example(
                "On known ports, with what arrives in a folder",
                "nordpass-sentinel simulate --nordpass-port 8701 --ingestion-port 8703 --out rows",
            ),
            example("With the same events each time", "nordpass-sentinel simulate --seed 7 --events 20000 --days 30"),
        ],
    ),
    (
        "demo",
        &[
            example("Seven days of history, then live events, until Ctrl-C", "nordpass-sentinel demo"),
            example("Only the history, with a summary for a program", "nordpass-sentinel demo --once --json"),
            example("Keep the archive, to see what NordPass sends", "nordpass-sentinel demo --once --dir demo"),
        ],
    ),
    (
        "version",
        &[
            example("For people", "nordpass-sentinel version"),
            example("For programs", "nordpass-sentinel version --json"),
        ],
    ),
    (
        "completions",
        &[
            example(
                "bash, for every user",
                "nordpass-sentinel completions bash > /etc/bash_completion.d/nordpass-sentinel",
            ),
            example("zsh, into a folder of $fpath", "nordpass-sentinel completions zsh > ~/.zfunc/_nordpass-sentinel"),
            example("fish", "nordpass-sentinel completions fish > ~/.config/fish/completions/nordpass-sentinel.fish"),
        ],
    ),
    (
        "man",
        &[
            example("Read a page", "nordpass-sentinel man run | man -l -"),
            example("That of a command of a command", "nordpass-sentinel man dead-letters resend | man -l -"),
            example("Install all pages", "nordpass-sentinel man --dir /usr/local/share/man/man1"),
        ],
    ),
];

/// The examples of a command, by its words, such as `dead-letters list`; those of the program by none.
pub(super) fn of(words: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(known, _)| *known == words).map_or(&[], |(_, examples)| examples)
}

/// The words of a command that was built, without the program's name.
pub(super) fn words(command: &Command) -> &str {
    let called = command.get_bin_name().unwrap_or_default();
    called.split_once(' ').map_or("", |(_, words)| words)
}

/// The command with its examples, and all commands in it with theirs.
pub(super) fn add(command: Command) -> Command {
    add_below("", command)
}

fn add_below(words: &str, command: Command) -> Command {
    let command = command.mut_subcommands(|nested| {
        let words = format!("{words} {}", nested.get_name());
        add_below(words.trim_start(), nested)
    });
    let examples = of(words);
    if examples.is_empty() { command } else { command.after_help(section(examples)) }
}

fn section(examples: &[Example]) -> StyledStr {
    let styles = clap::builder::Styles::styled();
    let (heading, literal) = (styles.get_header(), styles.get_literal());
    let mut text = StyledStr::new();
    let _ = write!(text, "{heading}Examples:{heading:#}");
    for Example { what, line } in examples {
        let _ = write!(text, "\n  # {what}\n  {literal}{line}{literal:#}");
    }
    text
}

/// The same as plain lines, for a page.
pub(super) fn lines(examples: &[Example]) -> String {
    let mut text = String::new();
    for Example { what, line } in examples {
        let _ = writeln!(text, "# {what}\n{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::command;

    /// The words of all commands that `--help` shows.
    fn all() -> BTreeSet<String> {
        fn below(words: &str, command: &Command, found: &mut BTreeSet<String>) {
            found.insert(words.to_owned());
            for nested in command.get_subcommands().filter(|nested| !nested.is_hide_set()) {
                below(format!("{words} {}", nested.get_name()).trim_start(), nested, found);
            }
        }
        let mut found = BTreeSet::new();
        below("", &command(), &mut found);
        found
    }

    /// The arguments of a line as a shell passes them on to the program: from its name to a pipe or redirection.
    fn arguments(line: &str) -> Vec<&str> {
        let words = line.split_whitespace().map(|word| word.trim_matches('\''));
        words.skip_while(|word| *word != "nordpass-sentinel").take_while(|word| !["|", ">"].contains(word)).collect()
    }

    #[test]
    fn every_command_has_two_to_four_examples_and_no_other() {
        let known: BTreeSet<String> = EXAMPLES.iter().map(|(words, _)| (*words).to_owned()).collect();
        if cfg!(feature = "simulator") {
            assert_eq!(known, all());
        }
        for (words, examples) in EXAMPLES {
            assert!((2..=4).contains(&examples.len()), "{words}");
        }
    }

    #[test]
    fn every_example_parses_and_is_of_its_command() {
        for (words, examples) in EXAMPLES {
            for Example { line, .. } in *examples {
                let arguments = arguments(line);
                let matches =
                    command().try_get_matches_from(&arguments).unwrap_or_else(|error| panic!("{line}: {error}"));
                let mut called = Vec::new();
                let mut matches = Some(&matches);
                while let Some((name, nested)) = matches.and_then(clap::ArgMatches::subcommand) {
                    called.push(name);
                    matches = Some(nested);
                }
                let called = called.join(" ");
                assert!(called.starts_with(words) && !called.is_empty(), "{line}");
                if cfg!(feature = "simulator") {
                    assert!(all().contains(&called), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_help_ends_with_its_examples_as_typed() {
        for words in all() {
            let mut command = command();
            let error = command.try_get_matches_from_mut(
                std::iter::once("nordpass-sentinel").chain(words.split_whitespace()).chain(["--help"]),
            );
            let help = error.expect_err("help").to_string();
            let (_, examples) = help.rsplit_once("\n\nExamples:\n").unwrap_or_else(|| panic!("{words}: {help}"));
            for Example { line, .. } in of(&words) {
                // A narrow terminal wraps a line; what is typed stays the same.
                let flat: Vec<&str> = examples.split_whitespace().collect();
                assert!(flat.join(" ").contains(&line.split_whitespace().collect::<Vec<_>>().join(" ")), "{line}");
            }
        }
    }

    /// The other test must be able to fail.
    #[test]
    fn a_wrong_example_is_noticed() {
        assert!(command().try_get_matches_from(arguments("nordpass-sentinel run --onec pipeline.toml")).is_err());
        assert_eq!(arguments("A=1 nordpass-sentinel man run | man -l -"), ["nordpass-sentinel", "man", "run"]);
    }
}

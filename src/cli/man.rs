//! `man`: the manual pages, from the same definition as `--help`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::console::{Console, counted, write_data};
use super::error::{CommandError, CommandResult};
use super::examples::{self, Example};
use super::launch::disk_hint;
use crate::settings::nearest::nearest;

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The command whose page to print. Defaults to the program's own page
    #[arg(value_name = "COMMAND", num_args = 0.., conflicts_with = "dir")]
    command: Vec<String>,
    /// Write all pages into this folder instead, as `nordpass-sentinel-COMMAND.1`
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// What every page says about the end of the program.
const EXIT_CODES: [(&str, &str); 3] = [
    ("0", "done"),
    ("1", "failed at run time"),
    ("2", "the command line or a pipeline file is wrong; nothing was started"),
];

/// A page: the command's words, its file's name, its text.
struct Page {
    words: String,
    file: String,
    text: String,
}

/// Prints one page, or writes all of them.
pub(super) fn run(args: ManArgs, console: Console) -> CommandResult {
    let pages = pages().map_err(|error| format!("can't make a manual page: {error}"))?;
    if let Some(folder) = args.dir {
        write(&folder, &pages).map_err(|error| {
            let message = format!("can't write manual pages into {}: {error}", folder.display());
            CommandError::failed(message, disk_hint(error.kind()).replace("`data_dir`", "`--dir`"))
        })?;
        console.note(&format!("wrote {} into {}", counted(pages.len() as u64, "manual page"), folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    // `dead-letters list` may come as one argument or as two.
    let words = args.command.join(" ");
    let Some(page) = pages.iter().find(|page| page.words == words) else {
        let hint = match nearest(&words, pages.iter().map(|page| page.words.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`nordpass-sentinel --help` lists the commands".to_owned(),
        };
        return Err(CommandError::usage(format!("there is no command `{words}`"), hint));
    };
    write_data(&page.text).map_err(|error| format!("can't write to standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, pages: &[Page]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|page| std::fs::write(folder.join(&page.file), &page.text))
}

/// All pages: the program's, and one for each command that `--help` shows.
fn pages() -> std::io::Result<Vec<Page>> {
    // A page of `help` would only repeat the others.
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut commands = vec![root];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|nested| !nested.is_hide_set()).cloned());
        pages.push(page(command)?);
    }
    Ok(pages)
}

fn page(command: Command) -> std::io::Result<Page> {
    let words = examples::words(&command).to_owned();
    let has_commands = command.has_subcommands();
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let man = Man::new(command);
    let file = man.get_filename();
    // Its own title leaves out the date's place with the date, and what follows moves up. No date: two builds are the same.
    let version = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let mut text = format!(".TH \"{name}\" 1 \"\" \"{version}\" \"\"\n").into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    rest.control("SH", ["EXAMPLES"]);
    for Example { what, line } in examples::of(&words) {
        rest.control("PP", []).text([roman(*what)]);
        rest.control("RS", ["4"]).control("nf", []).text([bold(*line)]).control("fi", []).control("RE", []);
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        rest.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    rest.to_writer(&mut text)?;
    Ok(Page { words, file, text: escaped(&String::from_utf8_lossy(&text)) })
}

/// The text in ASCII: groff takes bytes beyond it for Latin-1.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "\\[u{:04X}]", u32::from(character));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a command and of all below it.
    fn words(prefix: &str, command: &Command, found: &mut Vec<String>) {
        found.push(prefix.to_owned());
        for nested in command.get_subcommands().filter(|nested| !nested.is_hide_set()) {
            words(format!("{prefix} {}", nested.get_name()).trim_start(), nested, found);
        }
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let mut expected = Vec::new();
        words("", &crate::cli::command(), &mut expected);
        let pages = pages().unwrap();
        let mut there: Vec<&str> = pages.iter().map(|page| page.words.as_str()).collect();
        expected.sort();
        there.sort_unstable();
        assert_eq!(there, expected);
        for Page { words, file, text } in &pages {
            assert_eq!(*file, format!("nordpass-sentinel {words}").trim_end().replace(' ', "-") + ".1");
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"] {
                let heading =
                    if section.contains(' ') { format!("\n.SH \"{section}\"\n") } else { format!("\n.SH {section}\n") };
                assert!(text.contains(&heading), "{file}: {section}\n{text}");
            }
        }
    }
}

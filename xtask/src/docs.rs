//! `cargo xtask docs`: what is generated from the code's own registries: the reference pages, and the Azure template's
//! columns.

use std::fs;

use nordpass_env::catalogue;
use nordpass_sentinel::sources::health;
use nordpass_sentinel::{cli, pipeline, telemetry};
use tools_common::root;
use tools_solution::{GENERATED, Page};

const PAGES: &[Page] = &[
    ("docs/reference/events.md", || Ok(catalogue::reference_page())),
    ("docs/reference/configuration.md", || Ok(pipeline::reference_page())),
    ("docs/reference/cli.md", || Ok(cli::reference_page())),
    ("docs/reference/metrics.md", || Ok(telemetry::reference_page())),
    ("docs/reference/health.md", || Ok(health::reference_page())),
    ("docs/reference/pipeline.schema.json", || Ok(schema())),
];

fn schema() -> String {
    let mut text = pipeline::json_schema();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Writes all pages.
pub fn write() -> Result<(), String> {
    for (path, page) in PAGES.iter().chain(GENERATED) {
        let file = root().join(path);
        let text = page()?;
        if fs::read_to_string(&file).is_ok_and(|found| found == text) {
            continue;
        }
        tools_common::write(&file, text)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Compares all pages, and looks for links to files that aren't there and for marks that a merge left.
pub fn check() -> Result<(), String> {
    let mut stale = Vec::new();
    for (path, page) in PAGES.iter().chain(GENERATED) {
        let found = fs::read_to_string(root().join(path)).unwrap_or_default();
        let text = page()?;
        if found != text {
            let line = found.lines().zip(text.lines()).take_while(|(found, now)| found == now).count() + 1;
            stale.push(format!("{path} is stale from line {line} on"));
        }
    }
    if !stale.is_empty() {
        return Err(format!("{}\nhint: run `cargo xtask docs`", stale.join("\n")));
    }
    println!("{} generated files are current", PAGES.len() + GENERATED.len());
    prose()
}

/// Checks all Markdown files of the repository: their relative links, and marks of a merge, which nothing else would notice there.
fn prose() -> Result<(), String> {
    let (mut wrong, mut number) = (Vec::new(), 0);
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("can't read {}: {error}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if !["target", ".git", "node_modules"].iter().any(|skip| name == *skip) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let shown = path.strip_prefix(root()).unwrap_or(&path).display();
                for target in targets(&text) {
                    number += 1;
                    if !folder.join(target.replace("%20", " ")).exists() {
                        wrong.push(format!("{shown}: a link to nowhere, {target}"));
                    }
                }
                wrong.extend(merge_mark(&text).map(|line| format!("{shown}:{line}: a merge left this line")));
            }
        }
    }
    if wrong.is_empty() {
        println!("{number} relative links lead somewhere");
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Returns the number of the first line that git writes where two sides of a merge differ.
fn merge_mark(text: &str) -> Option<usize> {
    let marks = ["<".repeat(7), ">".repeat(7)];
    let place = text.lines().position(|line| marks.iter().any(|mark| line.starts_with(mark.as_str())));
    place.map(|place| place + 1)
}

/// Returns the relative link targets of a Markdown text, without their anchors.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        let relative =
            !target.is_empty() && !target.contains("://") && !target.contains(' ') && !target.starts_with("mailto:");
        relative.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::{merge_mark, targets};

    #[test]
    fn finds_what_a_merge_left() {
        assert_eq!(merge_mark(&format!("# A\n\n{} HEAD\nb\n", "<".repeat(7))), Some(3));
        assert_eq!(merge_mark("# A\n> > quoted\n=======\n"), None);
    }

    #[test]
    fn finds_relative_targets_only() {
        let text = "[a](docs/a.md#part) [b](https://example.com) [c](#here) ![d](d.png)";
        assert_eq!(targets(text).collect::<Vec<_>>(), ["docs/a.md", "d.png"]);
    }
}

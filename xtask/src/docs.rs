//! `cargo xtask docs`: what is generated from the code's own registries: the reference pages, and the Azure template's
//! columns.

use nordpass_env::catalogue;
use nordpass_sentinel::sources::health;
use nordpass_sentinel::{cli, pipeline, telemetry};
use tools_common::{files, passed, root};
use tools_solution::{GENERATED, Page};

const PAGES: &[Page] = &[
    ("docs/reference/events.md", || Ok(catalogue::reference_page())),
    ("docs/reference/configuration.md", || Ok(pipeline::reference_page())),
    ("docs/reference/cli.md", || Ok(cli::reference_page())),
    ("docs/reference/metrics.md", || Ok(telemetry::reference_page())),
    ("docs/reference/health.md", || Ok(health::reference_page())),
    ("docs/reference/pipeline.schema.json", || Ok(format!("{}\n", pipeline::json_schema().trim_end()))),
];

/// Writes the pages that are stale.
pub fn write() -> Result<(), String> {
    for (path, _, text) in stale()? {
        tools_common::write(path, text)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Compares all pages, and looks for links to files that aren't there and for marks that a merge left.
pub fn check() -> Result<(), String> {
    let differs = |(path, found, text): (&str, String, String)| {
        let line = found.lines().zip(text.lines()).take_while(|(found, now)| found == now).count() + 1;
        format!("{path} is stale from line {line} on")
    };
    let stale: Vec<_> = stale()?.into_iter().map(differs).collect();
    passed(&stale).map_err(|stale| format!("{stale}\nhint: run `cargo xtask docs`"))?;
    println!("{} generated files are current", PAGES.len() + GENERATED.len());
    prose()
}

/// Returns the pages that differ from their files: path, what is there, and what should be.
fn stale() -> Result<Vec<(&'static str, String, String)>, String> {
    let pages = PAGES.iter().chain(GENERATED);
    let compared = pages.map(|(path, page)| Ok((*path, tools_common::read(path).unwrap_or_default(), page()?)));
    let differs =
        |page: &Result<(&str, String, String), String>| page.as_ref().map_or(true, |(_, is, should)| is != should);
    compared.filter(differs).collect()
}

/// Checks all Markdown files of the repository: their relative links, and marks of a merge, which nothing else would notice there.
fn prose() -> Result<(), String> {
    let (mut wrong, mut number) = (Vec::new(), 0);
    for path in files("")?.iter().filter(|path| path.ends_with(".md")) {
        let text = tools_common::read(path)?;
        let folder = root().join(path).with_file_name("");
        for target in targets(&text) {
            number += 1;
            if !folder.join(target.replace("%20", " ")).exists() {
                wrong.push(format!("{path}: a link to nowhere, {target}"));
            }
        }
        wrong.extend(merge_mark(&text).map(|line| format!("{path}:{line}: a merge left this line")));
    }
    passed(&wrong)?;
    println!("{number} relative links lead somewhere");
    Ok(())
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

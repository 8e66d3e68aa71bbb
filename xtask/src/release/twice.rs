//! `cargo xtask release --dry-run`: everything that this machine can make, twice, and compared. Nothing leaves the machine.

use std::collections::BTreeMap;
use std::path::Path;

use tools_common::{json, passed};

use super::facts::Facts;
use super::files::{self, File};
use super::{formula, published, sbom};
use crate::package::sums;
use crate::workflows;

/// Builds here and in a copy of the sources in another folder, and compares.
pub fn run(root: &Path) -> Result<(), String> {
    // The cheap checks first.
    workflows::check()?;
    let facts = Facts::rehearsal(root)?;
    let first = all(root, &facts)?;
    let again = root.join("target/again");
    sbom::copy_sources(root, &again)?;
    let second = all(&again, &facts)?;
    let folder = root.join("target/release-files");
    files::save(&folder, &first)?;
    passed(&differences(&first, &second))?;
    println!("both builds made the same {} files", first.len());
    for (name, _) in first.iter().filter(|(name, _)| name.ends_with(".cdx.json")) {
        sbom::validate(&folder.join(name))?;
        println!("{name} is CycloneDX");
    }
    rehearse_publishing(root, &facts, &first)?;
    println!("\nNothing was pushed. The files are in target/release-files/");
    Ok(())
}

/// Builds the files of the sources in a folder, the formula of their sums, and the sums.
fn all(root: &Path, facts: &Facts) -> Result<Vec<File>, String> {
    let mut files = files::build(root, facts)?;
    let known = published::Sums::parse(&sums(&files))?;
    files.push(("nordpass-sentinel.rb".to_owned(), formula::formula(facts, |name| known.of(name))?.into_bytes()));
    files.push(("SHA256SUMS".to_owned(), sums(&files).into_bytes()));
    Ok(files)
}

/// Writes a release's values into the template and its form in memory, and checks the results.
fn rehearse_publishing(root: &Path, facts: &Facts, files: &[File]) -> Result<(), String> {
    let image = format!("registry.example.com/nordpass-sentinel@sha256:{}", "0".repeat(64));
    let released = published::Release::new(facts, published::Sums::parse(&sums(files))?, &image)?;
    for (path, text) in released.texts(root)? {
        if path.ends_with(".json") {
            json::parse::<serde_json::Value>(path, text)?;
        }
    }
    println!("the Azure template, its form and the manifests take a release's values");
    Ok(())
}

/// Returns the names of the files that only one build made, or both differently.
fn differences(first: &[File], second: &[File]) -> Vec<String> {
    fn by_name(files: &[File]) -> BTreeMap<&String, &Vec<u8>> {
        files.iter().map(|(name, bytes)| (name, bytes)).collect()
    }
    let (first, second) = (by_name(first), by_name(second));
    let names = first.keys().chain(second.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ = names.into_iter().filter(|name| first.get(**name) != second.get(**name));
    differ.map(|name| format!("{name} differs between the two builds")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_or_is_missing_is_named() {
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        let first = [file("a", "1"), file("b", "1"), file("c", "1")];
        assert_eq!(differences(&first, &first), Vec::<String>::new());
        let found = differences(&first, &[file("a", "1"), file("b", "2"), file("d", "1")]);
        let names: Vec<_> = found.iter().filter_map(|words| words.split(' ').next()).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}

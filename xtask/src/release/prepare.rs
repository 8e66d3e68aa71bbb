//! The half before the tag: the changelog's heading, and the version wherever it stands.

use std::path::Path;
use std::process::Command;

use tools_common::{process, read, write};

use super::changelog;
use super::facts::{Facts, Version};

/// The packages that have the program's version; the others are tools at 0.0.0.
const PACKAGES: [(&str, &str); 3] = [
    ("nordpass-sentinel", "Cargo.toml"),
    ("nordpass-env", "crates/env/Cargo.toml"),
    ("nordpass-simulator", "crates/simulator/Cargo.toml"),
];

/// Writes them, and says what comes next.
pub fn run(root: &Path, version: &Version) -> Result<(), String> {
    let date = process::output(Command::new("date").args(["-u", "+%F"]))?;
    let date = String::from_utf8_lossy(&date.stdout);
    for path in files(root, version, date.trim())? {
        println!("wrote {path}");
    }
    println!(
        "\nNext (RELEASING.md has the reasons):\n\
         1. Read the changelog as somebody who upgrades would: `git diff`\n\
         2. cargo xtask test && cargo xtask release --dry-run\n\
         3. git commit -am 'Release {version}', and merge it to main by a pull request\n\
         4. git tag --sign v{version} -m v{version} && git push origin v{version}\n\
         5. Check the draft that the workflow leaves, and publish it\n\
         6. cargo xtask release {version} --published FOLDER"
    );
    Ok(())
}

/// Writes the files. Returns which.
pub fn files(root: &Path, version: &Version, date: &str) -> Result<Vec<&'static str>, String> {
    let facts = Facts::read(root)?;
    // The first release may have the version that stands there from the beginning.
    if *version < facts.version {
        return Err(format!("{version} comes before {}, the version in Cargo.toml", facts.version));
    }
    // Everything is made before anything is written.
    let changelog = changelog::release(&read(root.join("CHANGELOG.md"))?, version, date)?;
    let mut texts = vec![("CHANGELOG.md", changelog)];
    let mut lock = read(root.join("Cargo.lock"))?;
    for (package, path) in PACKAGES {
        texts.push((path, with_version(path, &read(root.join(path))?, package, version)?));
        lock = with_version("Cargo.lock", &lock, package, version)?;
    }
    texts.push(("Cargo.lock", lock));
    for (path, text) in &texts {
        write(root.join(path), text)?;
    }
    Ok(texts.into_iter().map(|(path, _)| path).collect())
}

/// Returns the version of each package, by its file.
pub fn versions(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let lock = read(root.join("Cargo.lock"))?;
    let mut found = Vec::new();
    for (package, path) in PACKAGES {
        for (path, text) in [(path, &read(root.join(path))?), ("Cargo.lock", &lock)] {
            found.push((path, place(path, text, package).map(|(_, version)| version.to_owned())?));
        }
    }
    Ok(found)
}

/// Returns a manifest or the lock file with another version of a package.
fn with_version(path: &str, text: &str, package: &str, version: &Version) -> Result<String, String> {
    let (at, old) = place(path, text, package)?;
    let mut text = text.to_owned();
    text.replace_range(at..at + old.len(), &version.to_string());
    Ok(text)
}

/// Finds a package's version: both files have it in the line below its name.
fn place<'a>(path: &str, text: &'a str, package: &str) -> Result<(usize, &'a str), String> {
    let before = format!("\nname = \"{package}\"\nversion = \"");
    let find = || {
        let at = text.find(&before)? + before.len();
        let (version, _) = text.get(at..)?.split_once('"')?;
        Some((at, version))
    };
    find().ok_or_else(|| format!("{path}: no version stands below the name of {package}"))
}

//! Licences, bans and sources of all dependencies, by cargo-deny. The advisory database can't be fetched everywhere, so that check
//! runs in the public workflow only.
//!
//! The verdict depends on a few files of this repository and on nothing else, and cargo-deny takes longer to build than to run. So what
//! has passed is recorded in [`PASSED`], beside the sources: while these files are the same, there is nothing to find out. The public
//! workflow runs cargo-deny each time.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tools_common::{json, process, root};

use crate::{package, tools};

/// The digest of what last passed.
const PASSED: &str = "xtask/checks/deny.sha256";

/// Runs cargo-deny, unless the same has passed before.
pub fn check() -> Result<(), String> {
    let root = root();
    let (digest, passed) = (digest(&root)?, root.join(PASSED));
    if fs::read_to_string(&passed).is_ok_and(|known| known.trim() == digest) {
        println!("the dependencies and their rules are those that passed before; remove {PASSED} to check again");
        return Ok(());
    }
    process::run(Command::new(tools::cargo_deny()?).args(["--workspace", "check", "bans", "licenses", "sources"]))?;
    tools_common::write(passed, format!("{digest}\n"))?;
    println!("passed; commit {PASSED}, so that the next run needn't check it again");
    Ok(())
}

/// Returns the digest of everything that the verdict depends on: the tool, its rules, the lock file and each manifest.
fn digest(root: &Path) -> Result<String, String> {
    digest_of(root, files(root)?)
}

fn digest_of(root: &Path, files: BTreeSet<PathBuf>) -> Result<String, String> {
    let mut text = tools::CARGO_DENY.to_owned();
    for path in files {
        let content = tools_common::read(root.join(&path))?;
        write!(text, "\n{} {}\n{content}", path.display(), content.len()).map_err(|error| error.to_string())?;
    }
    Ok(package::sum(text.as_bytes()))
}

/// Returns the files, relative to the root.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let output =
        process::output(process::cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = json::parse("cargo metadata", output.stdout)?;
    let manifests = json::items(&metadata["packages"]).map(|package| {
        let path = Path::new(json::text(&package["manifest_path"]));
        path.strip_prefix(root).map(Path::to_owned).map_err(|error| format!("{}: {error}", path.display()))
    });
    manifests.chain(["Cargo.lock", "deny.toml"].map(|name| Ok(name.into()))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_verdict_depends_on_the_rules_the_lock_file_and_each_manifest() {
        let files = files(&root()).expect("cargo knows its packages");
        for file in ["Cargo.lock", "Cargo.toml", "deny.toml", "crates/env/Cargo.toml", "xtask/Cargo.toml"] {
            assert!(files.contains(Path::new(file)), "{file}");
        }
    }

    #[test]
    fn any_change_of_these_files_is_checked_again() {
        let copy = tempfile::tempdir().expect("a folder");
        for file in files(&root()).expect("cargo knows its packages") {
            let to = copy.path().join(&file);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(root().join(&file), to).expect("a copy");
        }
        let listed = |path: &Path| digest_of(path, files(&root())?);
        let before = listed(copy.path()).expect("a digest");
        assert_eq!(before, digest(&root()).expect("a digest"));
        for file in files(&root()).expect("cargo knows its packages") {
            let (file, text) = (copy.path().join(&file), fs::read_to_string(root().join(&file)).expect("a text"));
            fs::write(&file, format!("{text}\n# Changed.\n")).expect("written");
            assert_ne!(listed(copy.path()).expect("a digest"), before, "{}", file.display());
            fs::write(&file, text).expect("written");
        }
    }
}

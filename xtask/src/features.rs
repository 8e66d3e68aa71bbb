//! `cargo xtask test features`: these commands are built of the same crates, with the same features, as the tests;
//! and the lock file of `fuzz/` knows them.
//!
//! Cargo builds a crate anew for each set of features. The tests of some package want a few more of them, so without care
//! `cargo xtask` and `cargo test` would each build the program and nearly all of its dependencies.

use std::collections::BTreeSet;

use tools_common::process::{cargo, output};

/// Compares the two.
pub fn check() -> Result<(), String> {
    let (own, all) = (
        crates(&["--package", "xtask", "--edges", "normal,build"])?,
        crates(&["--workspace", "--edges", "normal,build,dev"])?,
    );
    let only_own: Vec<_> = own.difference(&all).map(String::as_str).collect();
    if only_own.is_empty() {
        println!("{} crates of these commands are those of the tests", own.len());
        return fuzz_lock();
    }
    Err(format!(
        "built twice, because the tests want other features of them:\n  {}\nhint: turn these features on in xtask/Cargo.toml, too; \
         `cargo tree --workspace --edges normal,build,dev -f \"{{p}} {{f}}\"` shows them",
        only_own.join("\n  ")
    ))
}

/// The lock file of `fuzz/`, a workspace of its own, has to know what the program depends on: `cargo xtask fuzz` changes nothing.
fn fuzz_lock() -> Result<(), String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"]);
    output(&mut metadata).map(drop).map_err(|error| {
        format!(
            "fuzz/Cargo.lock doesn't fit the program's dependencies: {error}\n\
             hint: cp Cargo.lock fuzz/ && cargo metadata --manifest-path fuzz/Cargo.toml"
        )
    })
}

/// The crates with their versions and features.
fn crates(scope: &[&str]) -> Result<BTreeSet<String>, String> {
    let output = output(cargo().args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"]).args(scope))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
}

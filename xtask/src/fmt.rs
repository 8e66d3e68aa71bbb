//! `cargo xtask fmt`: formats every file.
//!
//! `cargo fmt` follows `mod` lines, and those of the components stand in a macro: their files are named here.

use std::fs;
use std::process::Command;

use tools_common::process::{self, cargo};
use tools_common::root;

/// Formats all files, or only says which of them aren't formatted.
pub fn run(check: bool) -> Result<(), String> {
    let mut all = cargo();
    all.args(["fmt", "--all"]);
    let mut components = Command::new("rustfmt");
    components.args(["--edition", "2024"]);
    for folder in ["src/sources", "src/transforms", "src/sinks"] {
        let failed = |error| format!("can't read {folder}: {error}");
        for entry in fs::read_dir(root().join(folder)).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let file = if path.is_dir() { path.join("mod.rs") } else { path };
            // The tests of a file have a folder without a `mod.rs`.
            if file.is_file() {
                components.arg(file);
            }
        }
    }
    if check {
        all.args(["--", "--check"]);
        components.arg("--check");
    }
    process::run(&mut all)?;
    process::run(&mut components)
}

//! `cargo xtask fmt`: formats every file.
//!
//! `cargo fmt` follows `mod` lines, and those of the components stand in a macro: their files are named here.

use std::process::Command;

use tools_common::files;
use tools_common::process::{self, cargo};

/// Formats all files, or only says which of them aren't formatted.
pub fn run(check: bool) -> Result<(), String> {
    let mut all = cargo();
    all.args(["fmt", "--all"]);
    let mut components = Command::new("rustfmt");
    components.args(["--edition", "2024"]);
    for folder in ["src/sources", "src/transforms", "src/sinks"] {
        let is_component = |path: &String| match path.split_once('/') {
            Some((_, inner)) => inner == "mod.rs",
            None => path.ends_with(".rs"),
        };
        components.args(files(folder)?.into_iter().filter(is_component).map(|path| format!("{folder}/{path}")));
    }
    if check {
        all.args(["--", "--check"]);
        components.arg("--check");
    }
    process::run(&mut all)?;
    process::run(&mut components)
}

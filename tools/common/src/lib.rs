//! What the project's own commands share: running programs, installing tools, reading the repository's files, archives.
#![expect(clippy::print_stdout, reason = "these commands are for people at a terminal")]

pub mod archive;
pub mod install;
pub mod json;
pub mod process;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Returns the repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Reads a file, named by its path in the repository.
pub fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("can't read {path}: {error}"))
}

/// Reads a JSON file, named by its path in the repository.
pub fn read_json(path: &str) -> Result<Value, String> {
    serde_json::from_str(&read(path)?).map_err(|error| format!("{path}: {error}"))
}

/// Writes a file, and makes the folders above it.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), String> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| format!("can't write {}: {error}", path.display()))
}

/// Makes an empty folder, or empties the one that is there.
pub fn empty(folder: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| format!("can't create {}: {error}", folder.display()))
}

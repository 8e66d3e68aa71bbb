//! What the project's own commands share: running programs, installing tools, reading the repository's files, archives.
#![expect(clippy::print_stdout, reason = "these commands are for people at a terminal")]

pub mod archive;
pub mod install;
pub mod json;
pub mod process;

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Returns the repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Says what can't be done with a file.
pub fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> String {
    let place = format!("can't {what} {}", path.strip_prefix(root()).unwrap_or(path).display());
    move |error| format!("{place}: {error}")
}

/// Reads a text file. A relative path begins in the repository.
pub fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = root().join(path);
    fs::read_to_string(&path).map_err(failed("read", &path))
}

/// Reads a file. A relative path begins in the repository.
pub fn bytes(path: impl AsRef<Path>) -> Result<Vec<u8>, String> {
    let path = root().join(path);
    fs::read(&path).map_err(failed("read", &path))
}

/// Writes a file, and makes the folders above it. A relative path begins in the repository.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), String> {
    let path = root().join(path);
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(&path, bytes))
        .map_err(failed("write", &path))
}

/// Makes an empty folder, or empties the one that is there.
pub fn empty(folder: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(failed("create", folder))
}

/// Returns the files below a folder, by their paths in it. What git and the tools keep for themselves is left out.
pub fn files(folder: impl AsRef<Path>) -> Result<Vec<String>, String> {
    let (top, mut found) = (root().join(folder), Vec::new());
    let mut folders = vec![top.clone()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).map_err(failed("read", &inner))? {
            let path = entry.map_err(failed("read", &inner))?.path();
            if !path.is_dir() {
                found.push(path.strip_prefix(&top).unwrap_or(&path).to_string_lossy().replace('\\', "/"));
            } else if !["target", ".git", "node_modules"].iter().any(|skipped| path.ends_with(skipped)) {
                folders.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Turns what checks have found wrong into a result.
pub fn passed(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

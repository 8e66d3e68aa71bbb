//! Writes all files or none, and never over what is there without `--force`.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::error::{CommandError, CommandResult};

/// A file to write.
pub(super) struct OutputFile {
    pub path: PathBuf,
    pub text: String,
}

/// The files that were written, for a sentence.
pub(super) struct Written(Vec<PathBuf>);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|path| path.display().to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

/// Whether a file may be written there.
pub(super) fn check_target(path: &Path, force: bool) -> CommandResult<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() || path.is_dir() => {
            let message = format!("{} is a folder", path.display());
            Err(CommandError::usage(message, format!("name the file: {}", path.join("pipeline.toml").display())))
        }
        Ok(_) if !force => Err(exists(path)),
        // Whatever else is wrong shows when it is written.
        _ => Ok(()),
    }
}

fn exists(path: &Path) -> CommandError {
    let hint = "choose another name, move it away, or replace it with `--force`";
    CommandError::usage(format!("{} exists, and nothing was written", path.display()), hint)
}

/// Writes the files.
pub(super) fn write(files: &[OutputFile], force: bool) -> CommandResult<Written> {
    for file in files {
        check_target(&file.path, force)?;
    }
    let mut written = Vec::with_capacity(files.len());
    for file in files {
        if let Err(error) = write_one(file, force) {
            // Half of them would be in the way of the next try. With `--force` they aren't.
            if !force {
                for path in &written {
                    let _ = fs::remove_file(path);
                }
            }
            // Somebody else was faster.
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Err(exists(&file.path));
            }
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "create the folder first",
                _ => "check that this user may write there and that the disk has room",
            };
            return Err(CommandError::failed(format!("can't write {}: {error}", file.path.display()), hint));
        }
        written.push(file.path.clone());
    }
    Ok(Written(written))
}

fn write_one(file: &OutputFile, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let mut out = options.open(&file.path)?;
    let result = out.write_all(file.text.as_bytes()).and_then(|()| out.sync_all());
    if result.is_err() && !force {
        let _ = fs::remove_file(&file.path);
    }
    result
}

/// A path as one types it into a shell.
pub(super) fn in_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:@%,".contains(&byte) || byte >= 0x80;
    if text.bytes().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

//! Secrets of the pipeline file.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::environment::LONGEST_FILE;
use nordpass_env::Disk;

/// A secret: text from the file or a variable, with `${file:PATH}` parts that are read when the secret is used, so
/// that a renewed file counts without a restart. `Debug` shows nothing of it.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(SecretString),
    File(PathBuf),
}

/// The secret can't be read now. At run time that means waiting.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("can't read the secret file {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is there but empty.
    #[error("the secret file {} is empty", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    /// A secret given as text.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(SecretString::from(text.into()))] }
    }

    /// A secret that is a file's content without its line end.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { parts: vec![Part::File(path.into())] }
    }

    /// This secret, then another: `prefix-${file:…}`.
    #[must_use]
    pub fn then(mut self, other: Secret) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// The files that it is read from.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.parts.iter().filter_map(|part| match part {
            Part::File(path) => Some(path),
            Part::Text(_) => None,
        })
    }

    /// The secret's value now; files are read again at each call.
    pub async fn load(&self, disk: &dyn Disk) -> Result<SecretString, SecretError> {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => value.push_str(text.expose_secret()),
                Part::File(path) => {
                    let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
                    let bytes = disk.read_bounded(path, LONGEST_FILE).await.map_err(unreadable)?;
                    let text = String::from_utf8(bytes)
                        .map_err(|_| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8")))?;
                    let text = text.trim_end_matches(['\r', '\n']);
                    if text.is_empty() {
                        return Err(SecretError::Empty { path: path.clone() });
                    }
                    value.push_str(text);
                }
            }
        }
        Ok(SecretString::from(value))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use nordpass_env::SystemDisk;

    use super::*;

    /// A secret that became a named pipe used to hang its source, while `/ready` said that it works.
    #[tokio::test]
    async fn a_secret_that_becomes_something_else_is_an_error_and_nothing_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::file(&path);
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(secret.load(&SystemDisk).await.unwrap().expose_secret(), "abc");
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = secret.load(&SystemDisk).await.unwrap_err().to_string();
        assert!(error.contains("a named pipe, not a regular file"), "{error}");
        let error = Secret::file("/dev/zero").load(&SystemDisk).await.unwrap_err().to_string();
        assert!(error.contains("a device"), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![b'x'; LONGEST_FILE + 1]).unwrap();
        let error = secret.load(&SystemDisk).await.unwrap_err().to_string();
        assert!(error.contains("longer than 1024 KiB"), "{error}");
    }
}

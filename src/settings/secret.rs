//! Secrets of the pipeline file.

use std::io;
use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::environment::{LONGEST_FILE, read_file};
use super::flaw::Flaw;
use super::section::fingerprint::Fingerprinter;
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
    /// It is read, and can't be what was meant.
    #[error("{what} {}: {}", .flaw.what(), .flaw.hint())]
    Flawed {
        /// The file, where it comes from one alone.
        what: String,
        /// What is wrong.
        flaw: Flaw,
    },
}

impl Secret {
    /// A secret given as text.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(wiped(text.into()))] }
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
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            parts.push(match part {
                Part::Text(text) => Zeroizing::new(text.expose_secret().as_bytes().to_vec()),
                Part::File(path) => {
                    let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
                    let mut bytes = Zeroizing::new(disk.read_bounded(path, LONGEST_FILE).await.map_err(unreadable)?);
                    let text = std::str::from_utf8(&bytes)
                        .map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8")))?;
                    let length = text.trim_end_matches(['\r', '\n']).len();
                    bytes.truncate(length);
                    if length == 0 {
                        return Err(SecretError::Flawed { what: self.described(), flaw: Flaw::Empty });
                    }
                    bytes
                }
            });
        }
        // Of exactly its length: growing and shrinking would leave copies behind that nobody wipes.
        let mut value = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in &parts {
            value.push_str(str::from_utf8(part).unwrap_or_default());
        }
        let value = SecretString::from(value);
        match Flaw::of(value.expose_secret()) {
            Some(flaw) if self.files().next().is_some() => Err(SecretError::Flawed { what: self.described(), flaw }),
            _ => Ok(value),
        }
    }

    /// Whether it has a value now.
    pub fn is_there(&self) -> bool {
        self.peek().is_some_and(|value| !value.is_empty())
    }

    /// Its value, to be checked. `None`: a file can't be read.
    pub(crate) fn peek(&self) -> Option<Zeroizing<String>> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            parts.push(match part {
                Part::Text(text) => Zeroizing::new(text.expose_secret().to_owned()),
                Part::File(path) => Zeroizing::new(read_file(path).ok()?),
            });
        }
        let mut value = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in &parts {
            value.push_str(part);
        }
        Some(value)
    }

    /// Adds what it is to a fingerprint. Of a file the name: its content is read again at each use.
    pub(crate) fn fingerprint(&self, to: &mut Fingerprinter) {
        for part in &self.parts {
            match part {
                Part::Text(text) => to.add(text.expose_secret()),
                Part::File(path) => to.debug(path),
            }
        }
    }

    /// Where it comes from, for the beginning of a sentence.
    fn described(&self) -> String {
        match self.files().next() {
            Some(path) => format!("the secret file {}", path.display()),
            None => "the secret".to_owned(),
        }
    }
}

/// Takes a secret over without leaving a copy: a `String` with room to spare would be copied, and freed as it is.
fn wiped(text: String) -> SecretString {
    let text = Zeroizing::new(text);
    let mut exact = String::with_capacity(text.len());
    exact.push_str(&text);
    SecretString::from(exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::SystemDisk;

    /// What is found in a variable is found in a file, too, also when the file is written anew while the program runs.
    #[tokio::test]
    async fn a_file_is_checked_as_a_variable_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let secret = Secret::file(&path);
        for (content, what) in [
            ("np-4711\n", None),
            ("np-4711\r\n", None),
            ("\u{feff}np-4711\n", Some(Flaw::ByteOrderMark)),
            ("np-4711 \n", Some(Flaw::WhiteSpace)),
            ("\nnp-4711\n", Some(Flaw::WhiteSpace)),
            ("np-4711\nmore\n", Some(Flaw::WhiteSpace)),
            ("\n", Some(Flaw::Empty)),
            ("@Microsoft.KeyVault(SecretUri=https://v)\n", Some(Flaw::KeyVault)),
        ] {
            std::fs::write(&path, content).unwrap();
            match (secret.load(&SystemDisk).await, what) {
                (Ok(value), None) => assert_eq!(value.expose_secret(), "np-4711"),
                (Err(SecretError::Flawed { flaw, .. }), Some(expected)) => assert_eq!(flaw, expected, "{content:?}"),
                (result, _) => panic!("{content:?}: {result:?}"),
            }
        }
    }

    /// A secret that became a named pipe used to hang its source, while `/ready` said that it works.
    #[cfg(unix)]
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

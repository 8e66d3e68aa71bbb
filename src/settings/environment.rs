//! What a pipeline file may refer to: variables and files. The only place that reads the process's environment.

use std::collections::BTreeMap;
use std::env::VarError;
use std::io;
use std::path::{Path, PathBuf};

use super::Diagnostic;
use super::env_file::{self, Variables};

/// No secret and no setting is longer; the limit keeps a wrong path from filling the memory.
pub(super) const LONGEST_FILE: usize = 1 << 20;

/// The variables that `${VAR}` sees, and the files that `${file:PATH}` sees.
#[derive(Clone, Default)]
pub struct Environment {
    own: BTreeMap<String, String>,
    inherit: bool,
    /// What files of variables set, for what isn't set otherwise.
    files: Variables,
    /// Whether what isn't there is no error: variables and files.
    absent: bool,
}

impl Environment {
    /// The process's environment.
    pub fn system() -> Self {
        Self { inherit: true, ..Self::default() }
    }

    /// These variables and no others.
    pub fn of<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let own = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { own, ..Self::default() }
    }

    /// The same, where variables and files may be missing, as on another machine than the one that runs the pipeline. What
    /// depends on them isn't checked.
    #[must_use]
    pub fn may_be_absent(self) -> Self {
        Self { absent: true, ..self }
    }

    /// The same, with files of `NAME=value` lines for what isn't set otherwise: the environment wins, as with Compose and uv.
    /// Of two files, the later one wins. Returns the warnings, too, or everything that is wrong with the files.
    pub fn or_files(self, paths: &[PathBuf]) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (files, warnings) = env_file::read(paths)?;
        Ok((Self { files, ..self }, warnings))
    }

    /// Whether variables and files must be there.
    pub fn is_present(&self) -> bool {
        !self.absent
    }

    /// The same with one variable set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.own.insert(name.into(), value.into());
        self
    }

    /// A variable's value; `None` when it isn't set or isn't UTF-8.
    pub fn variable(&self, name: &str) -> Option<String> {
        if let Some(value) = self.own.get(name) {
            return Some(value.clone());
        }
        match if self.inherit { inherited(name) } else { Err(VarError::NotPresent) } {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => self.files.get(name).map(|value| value.to_string()),
            Err(VarError::NotUnicode(_)) => None,
        }
    }
}

/// Shows names only: values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Environment");
        debug.field("own", &self.own.keys()).field("inherit", &self.inherit);
        debug.field("files", &self.files.keys()).field("absent", &self.absent).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
fn inherited(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}

/// A file's text without its line end. Waits for nobody: a named pipe is an error.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    let bytes = nordpass_env::read_bounded(path, LONGEST_FILE)?;
    let mut text = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Whether users other than the owner may read or change a file. `None` if the system can't determine it.
#[cfg(unix)]
pub(super) fn open_to_others(path: &Path) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether users other than the owner may read or change a file. `None` if the system can't determine it.
#[cfg(not(unix))]
pub(super) fn open_to_others(_path: &Path) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_files_and_debug_shows_names_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.env");
        std::fs::write(&path, "SET=s3cret\nEMPTY=s3cret\nNEW=s3cret\n").unwrap();
        let (environment, _) =
            Environment::of([("SET", "own"), ("EMPTY", "")]).or_files(std::slice::from_ref(&path)).unwrap();
        let value = |name| environment.variable(name);
        assert_eq!((value("SET").as_deref(), value("EMPTY").as_deref()), (Some("own"), Some("")));
        assert_eq!((value("NEW").as_deref(), value("NONE")), (Some("s3cret"), None));
        let shown = format!("{environment:?}");
        assert!(shown.contains("NEW") && !shown.contains("s3cret"), "{shown}");
        // Every process has a `PATH`.
        std::fs::write(&path, "PATH=s3cret\nNORDPASS_SENTINEL_NOWHERE=file\n").unwrap();
        let (environment, _) = Environment::system().or_files(&[path]).unwrap();
        assert_ne!(environment.variable("PATH").as_deref(), Some("s3cret"));
        assert_eq!(environment.variable("NORDPASS_SENTINEL_NOWHERE").as_deref(), Some("file"));
    }
}

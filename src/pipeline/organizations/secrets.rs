//! Names of secrets become files in one folder, and in no other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::settings::{Flaw, Secret};

/// The longest name of a file.
const LONGEST: usize = 255;

/// What is wrong, and what to do.
type Refusal = (String, String);

/// The folder, and whose each secret is.
#[derive(Debug)]
pub(super) struct Secrets {
    folder: PathBuf,
    /// Without links; `None` where the folder isn't there and needn't be.
    real: Option<PathBuf>,
    /// By the file, however it is named: the organization that it is bound to.
    owners: HashMap<PathBuf, String>,
    /// How many files others may read.
    open: usize,
}

impl Secrets {
    /// Opens the folder, which must be there if it `is_needed`.
    pub fn open(folder: &Path, is_needed: bool) -> Result<Self, Refusal> {
        let real = std::fs::canonicalize(folder).ok().filter(|real| real.is_dir());
        if real.is_none() && is_needed {
            let message = "`secrets_dir` is no folder that this user can read".to_owned();
            return Err((message, "make it, and put each organization's token into a file of its own".to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), real, owners: HashMap::new(), open: 0 })
    }

    /// How many of the files others may read.
    pub fn open_to_others(&self) -> usize {
        self.open
    }

    /// The file of this name with a secret, bound to an organization. Shows nothing of the name: it may be a secret by mistake.
    pub fn bind(&mut self, name: &str, organization: &str, key: &str) -> Result<PathBuf, Refusal> {
        self.bind_if(name, organization, key, Flaw::of)
    }

    /// The same for a file with anything else, such as a certificate.
    pub fn bind_file(&mut self, name: &str, organization: &str, key: &str) -> Result<PathBuf, Refusal> {
        self.bind_if(name, organization, key, |_| None)
    }

    fn bind_if(
        &mut self,
        name: &str,
        organization: &str,
        key: &str,
        flaw_of: fn(&str) -> Option<Flaw>,
    ) -> Result<PathBuf, Refusal> {
        let refuse = |what: &str, hint: &str| Err((format!("`{key}` {what}"), hint.to_owned()));
        let is_a_name = !name.is_empty() && !name.contains(['/', '\\', '\0', '{', '}']) && !name.starts_with('.');
        if !is_a_name || name.len() > LONGEST {
            let hint = "write the name of a file in it, without folders";
            return refuse("can't be the name of a file in `secrets_dir`", hint);
        }
        let path = self.folder.join(name);
        let Some(real) = &self.real else { return self.own(path.clone(), path, organization, key) };
        let Ok(file) = std::fs::canonicalize(&path) else {
            if looks_like_a_secret(name) {
                return refuse("seems to hold the secret itself, and this file holds no secrets", RENEW);
            }
            let hint = "put the organization's secret into a file of this name, or correct the name";
            return refuse("names no file in `secrets_dir`", hint);
        };
        if !file.starts_with(real) {
            let hint = "put the file itself into the folder: no link may lead out of it";
            return refuse("leads out of `secrets_dir`", hint);
        }
        let secret = Secret::file(&path);
        let Some(text) = secret.peek() else {
            let hint = "it must be a regular file of UTF-8 text that this user may read";
            return refuse("names a file that can't be read", hint);
        };
        if let Some(flaw) = flaw_of(&text) {
            return Err((format!("the secret that `{key}` names {}", flaw.what()), flaw.hint().to_owned()));
        }
        self.open += usize::from(is_open_to_others(&file));
        self.own(file, path, organization, key)
    }

    /// Unbinds the secrets of an organization whose entry turned out to be wrong: another one may rightly name them.
    pub fn release(&mut self, organization: &str) {
        self.owners.retain(|_, owner| owner != organization);
    }

    fn own(&mut self, file: PathBuf, path: PathBuf, organization: &str, key: &str) -> Result<PathBuf, Refusal> {
        // A certificate and its key can be one file.
        if let Some(owner) = self.owners.get(&file).filter(|owner| *owner != organization) {
            let message = format!("`{key}` names the secret of `{owner}`");
            return Err((message, "each secret belongs to one organization".to_owned()));
        }
        self.owners.insert(file, organization.to_owned());
        Ok(path)
    }
}

/// What to do about a secret that is in a file where it doesn't belong.
pub(super) const RENEW: &str = "put it into a file in `secrets_dir` and write the file's name here; then renew it, because others \
                                may have read it";

/// Whether a text may be a token or a key: a JWT, or long and of mixed letters and digits, and no UUID.
pub(super) fn looks_like_a_secret(text: &str) -> bool {
    const SHORTEST: usize = 32;
    let is_jwt = text.starts_with("eyJ") && text.matches('.').count() >= 2;
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(&byte);
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    is_jwt || text.len() >= SHORTEST && text.bytes().all(is_token) && is_mixed && !is_uuid(text)
}

/// A text with the shape of a UUID.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Whether users other than the owner may read or change a file.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether users other than the owner may read or change a file: unknown here.
#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

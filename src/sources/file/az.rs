//! Paths of blobs: `az://ACCOUNT/CONTAINER/PATTERN`.

use glob::Pattern;

use super::paths::OPTIONS;
use crate::azure::blob::check_container;

/// How a path of a blob begins.
const SCHEME: &str = "az://";

/// A path of a blob, or a pattern of such paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzPath {
    /// The storage account's name.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// The blob's name, or a pattern.
    pub name: String,
}

/// Whether a path is one of blobs.
pub fn is_az(path: &str) -> bool {
    path.starts_with(SCHEME)
}

impl AzPath {
    /// Reads a path. The error is a sentence.
    pub fn parse(path: &str) -> Result<Self, String> {
        let rest = path.strip_prefix(SCHEME).ok_or("a path of blobs begins with az://")?;
        if rest.contains(['?', '#']) && rest.contains("sig=") {
            return Err("a path of blobs holds no signature: use `credential`".to_owned());
        }
        let (account, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (container, name) = rest.split_once('/').unwrap_or((rest, ""));
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(3..=24).contains(&account.len()) || !account.bytes().all(good) {
            return Err(
                "after az:// comes the storage account's name, of 3 to 24 lower-case letters and digits".to_owned()
            );
        }
        check_container(container).map_err(|_| {
            "after the account comes the container's name, of 3 to 63 lower-case letters, digits and single `-`"
                .to_owned()
        })?;
        Pattern::new(name).map_err(|error| format!("this isn't a valid pattern: {}", error.msg))?;
        Ok(Self { account: account.to_owned(), container: container.to_owned(), name: name.to_owned() })
    }

    /// The path of a blob in the same container.
    pub fn path(&self, name: &str) -> String {
        format!("{SCHEME}{}/{}/{name}", self.account, self.container)
    }

    /// The pattern of all below this name, which a name without a pattern means too.
    pub fn folder(&self) -> String {
        let name = format!("{}/**/*", self.name.trim_end_matches('/'));
        self.path(name.trim_start_matches('/'))
    }

    /// What the names of all blobs that match begin with.
    pub fn prefix(&self) -> &str {
        self.name.split(['*', '?', '[']).next().unwrap_or_default()
    }

    /// Whether a blob's name is meant. A name without a pattern means the blob, and all blobs in the folder of this name.
    pub fn matches(&self, name: &str) -> bool {
        if self.prefix().len() < self.name.len() {
            return Pattern::new(&self.name).is_ok_and(|pattern| pattern.matches_with(name, OPTIONS));
        }
        let folder = self.name.trim_end_matches('/');
        match name.strip_prefix(folder) {
            Some(rest) => folder.is_empty() || rest.starts_with('/') || (rest.is_empty() && folder == self.name),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AzPath {
        AzPath::parse(text).unwrap()
    }

    #[test]
    fn patterns_and_folders() {
        for (pattern, prefix, name, is_meant) in [
            ("az://acct/archive", "", "2026-01-10/13.ndjson.gz", true),
            ("az://acct/archive/", "", "a.gz", true),
            ("az://acct/archive/2026-01", "2026-01", "2026-01-10/13.gz", false),
            ("az://acct/archive/2026-01-10", "2026-01-10", "2026-01-10/13.gz", true),
            ("az://acct/archive/2026-01-10/", "2026-01-10/", "2026-01-10/13.gz", true),
            ("az://acct/archive/a.gz", "a.gz", "a.gz", true),
            ("az://acct/archive/a.gz", "a.gz", "a.gz.b", false),
            ("az://acct/archive/2026-*/*.gz", "2026-", "2026-01-10/13.gz", true),
            ("az://acct/archive/2026-*/*.gz", "2026-", "2026-01-10/acme/13.gz", false),
            ("az://acct/archive/2026-*/**/*.gz", "2026-", "2026-01-10/acme/13.gz", true),
            ("az://acct/archive/a[1].gz", "a", "a1.gz", true),
        ] {
            let found = path(pattern);
            assert_eq!((found.prefix(), found.matches(name)), (prefix, is_meant), "{pattern}: {name}");
            assert!(!is_meant || name.starts_with(found.prefix()));
        }
        assert_eq!(path("az://acct/archive/a/*").path("a/b"), "az://acct/archive/a/b");
    }

    #[test]
    fn what_is_wrong_is_told_without_a_secret() {
        for (text, words) in [
            ("az://", "the storage account's name"),
            ("az://My.Account/archive/a", "the storage account's name"),
            ("az://acct", "the container's name"),
            ("az://acct/Archive", "the container's name"),
            ("az://acct/archive/a[", "a valid pattern"),
            ("az://acct/archive/a?sv=1&sig=s3cret", "holds no signature"),
            ("archive/a", "begins with az://"),
        ] {
            let error = AzPath::parse(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}

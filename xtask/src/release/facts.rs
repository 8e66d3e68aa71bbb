//! What a release is called: its version, and where the repository is.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use toml::Table;

/// A version: three numbers, and perhaps what comes before them, such as `rc.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u32; 3],
    before: Option<String>,
}

impl Version {
    /// Returns the version as Debian writes it: there `~` sorts before the end.
    pub fn debian(&self) -> String {
        self.to_string().replacen('-', "~", 1)
    }

    /// Returns whether it isn't a finished one.
    pub fn is_preview(&self) -> bool {
        self.before.is_some()
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd =
            || format!("`{text}` is no version\nhint: write three numbers, such as 0.2.0 or 1.0.0-rc.1, without `v`");
        let (numbers, before) = text.split_once('-').map_or((text, None), |(numbers, before)| (numbers, Some(before)));
        let part = |part: &str| -> Option<u32> {
            let is_plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse().ok().filter(|_| is_plain)
        };
        let numbers: Vec<u32> = numbers.split('.').map(part).collect::<Option<_>>().ok_or_else(odd)?;
        let numbers = numbers.try_into().map_err(|_| odd())?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if before.is_some_and(|before| !before.split('.').all(is_word)) {
            return Err(odd());
        }
        Ok(Self { numbers, before: before.map(str::to_owned) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        self.before.as_ref().map_or(Ok(()), |before| write!(f, "-{before}"))
    }
}

impl PartialOrd for Version {
    /// Compares the numbers, then whether it is a finished one. Of two previews it only knows whether they are the same.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let numbers = self.numbers.cmp(&other.numbers);
        let before = match (&self.before, &other.before) {
            (None, Some(_)) => Some(Ordering::Greater),
            (Some(_), None) => Some(Ordering::Less),
            (one, other) => (one == other).then_some(Ordering::Equal),
        };
        if numbers == Ordering::Equal { before } else { Some(numbers) }
    }
}

/// What `Cargo.toml` says.
pub struct Facts {
    /// The program's version.
    pub version: Version,
    /// The repository's address, without a slash at its end.
    pub repository: String,
}

impl Facts {
    /// Reads `Cargo.toml`. Without an address of the repository there can be no release.
    pub fn read(root: &Path) -> Result<Self, String> {
        let package = package(root)?;
        let repository = package.get("repository").and_then(|value| value.as_str()).ok_or(
            "Cargo.toml doesn't say where the repository is\nhint: add `repository = \"https://github.com/OWNER/nordpass-sentinel\"` \
             to [package]",
        )?;
        Ok(Self { version: version(&package)?, repository: repository.trim_end_matches('/').to_owned() })
    }

    /// Reads `Cargo.toml`, with a stand-in for an address that isn't there yet.
    pub fn rehearsal(root: &Path) -> Result<Self, String> {
        let version = version(&package(root)?)?;
        Ok(Self::read(root)
            .unwrap_or(Self { version, repository: "https://git.example.com/nordpass-sentinel".to_owned() }))
    }

    /// Returns the address below which the release's files lie.
    pub fn downloads(&self) -> String {
        format!("{}/releases/download/v{}", self.repository, self.version)
    }

    /// Returns the name of a file of the release.
    pub fn name(&self, rest: &str) -> String {
        format!("nordpass-sentinel-{}-{rest}", self.version)
    }
}

fn package(root: &Path) -> Result<Table, String> {
    let text = tools_common::read(root.join("Cargo.toml"))?;
    let mut manifest: Table = text.parse().map_err(|error| format!("Cargo.toml: {error}"))?;
    match manifest.remove("package") {
        Some(toml::Value::Table(package)) => Ok(package),
        _ => Err("Cargo.toml has no [package]".to_owned()),
    }
}

fn version(package: &Table) -> Result<Version, String> {
    package.get("version").and_then(|value| value.as_str()).ok_or("Cargo.toml: [package] has no version")?.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn a_version_is_three_numbers_and_perhaps_a_preview() {
        for text in ["0.1.0", "1.20.300", "1.0.0-rc.1"] {
            assert_eq!(version(text).to_string(), text);
        }
        for text in
            ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-a..b", "1.2.3-$(id)", "1.2.+3"]
        {
            assert!(text.parse::<Version>().expect_err("refused").contains("hint:"), "{text}");
        }
        assert_eq!(version("1.0.0-rc.1").debian(), "1.0.0~rc.1");
        assert!(version("1.0.0-rc.1").is_preview() && !version("1.0.0").is_preview());
    }

    #[test]
    fn versions_have_an_order() {
        assert!(version("0.2.0") > version("0.1.9") && version("0.10.0") > version("0.9.0"));
        assert!(version("1.0.0") > version("1.0.0-rc.1") && version("1.0.1-rc.1") > version("1.0.0"));
        assert_eq!(version("1.0.0-rc.1").partial_cmp(&version("1.0.0-rc.2")), None);
    }
}

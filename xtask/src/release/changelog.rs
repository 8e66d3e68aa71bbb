//! The changelog: a release's heading, and its notes.

use super::facts::Version;

const UNRELEASED: &str = "## Unreleased";

/// Gives what is unreleased a heading with the version and its date, below a new empty "Unreleased".
pub fn release(text: &str, version: &Version, date: &str) -> Result<String, String> {
    if section(text, &format!("## {version} ")).is_some() {
        return Err(format!("CHANGELOG.md has a heading for {version} already"));
    }
    let news = section(text, UNRELEASED).ok_or("CHANGELOG.md has no `## Unreleased`")?;
    if news.is_empty() {
        return Err("CHANGELOG.md: nothing stands below `## Unreleased`".to_owned());
    }
    Ok(text.replacen(UNRELEASED, &format!("{UNRELEASED}\n\n## {version} ({date})"), 1))
}

/// Returns what the changelog says about a version.
pub fn notes(text: &str, version: &Version) -> Result<String, String> {
    let notes = section(text, &format!("## {version} "));
    let hint =
        || format!("CHANGELOG.md has no heading `## {version} (DATE)`\nhint: run `cargo xtask release {version}`");
    notes.map(|notes| format!("{notes}\n")).ok_or_else(hint)
}

/// Returns the text below the heading that begins with `heading`.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let start = if text.starts_with(heading) { 0 } else { text.find(&format!("\n{heading}"))? + 1 };
    let (_, rest) = text.get(start..)?.split_once('\n')?;
    Some(rest.find("\n## ").map_or(rest, |end| rest.get(..end).unwrap_or(rest)).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A.\n\n## 0.1.0 (2026-01-02)\n\n- First.\n";

    #[test]
    fn a_heading_is_put_above_what_is_unreleased() {
        let version = "0.2.0".parse().expect("a version");
        let text = release(TEXT, &version, "2026-12-01").expect("released");
        assert!(text.contains("## Unreleased\n\n## 0.2.0 (2026-12-01)\n\n### Added\n\n- A.\n\n## 0.1.0"), "{text}");
        assert_eq!(notes(&text, &version).expect("notes"), "### Added\n\n- A.\n");
        assert_eq!(notes(&text, &"0.1.0".parse().expect("a version")).expect("notes"), "- First.\n");
        assert!(release(&text, &version, "2026-12-01").expect_err("twice").contains("already"));
        let next = "0.3.0".parse().expect("a version");
        assert!(release(&text, &next, "2026-12-01").expect_err("nothing new").contains("nothing stands"));
    }

    #[test]
    fn a_version_that_begins_like_another_is_another() {
        let version = "0.1.0".parse().expect("a version");
        assert!(notes("# C\n\n## 0.1.0-rc.1 (2026-01-02)\n\n- A.\n", &version).is_err());
        assert!(release("# Changelog\n", &version, "2026-12-01").is_err());
    }
}

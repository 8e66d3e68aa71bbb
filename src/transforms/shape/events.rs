//! Patterns of a type and an action: `item_access.*`.

use super::glob::glob;
use crate::settings::Section;
use crate::settings::nearest::nearest;
use nordpass_env::catalogue::entries;

/// `type.action`, each part with any number of `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern {
    kind: String,
    action: String,
}

impl EventPattern {
    /// Reads a pattern. The error continues "the pattern …".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (kind, action) = text.split_once('.').ok_or("has no dot between type and action")?;
        if action.contains('.') {
            return Err("has more than one dot");
        }
        if kind.is_empty() || action.is_empty() {
            return Err("has an empty part beside its dot");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("contains white space");
        }
        if text.contains(['?', '[', ']', '{', '}', '(', ')', '|', ',', '\\', '/', '^', '$', '+', '"', '\'']) {
            return Err("contains a sign that no type or action has; only `*` is special");
        }
        Ok(Self { kind: kind.to_owned(), action: action.to_owned() })
    }

    /// The pattern that this one was probably meant to be: its type corrected, then its action.
    fn nearest(&self) -> Option<String> {
        let kinds = entries().iter().map(|entry| entry.kind);
        let kind = correct(&self.kind, kinds)?;
        let actions = entries().iter().filter(|entry| glob(kind, entry.kind)).map(|entry| entry.action);
        Some(format!("{kind}.{}", correct(&self.action, actions)?))
    }

    /// Whether it matches an event's type and action.
    pub fn matches(&self, kind: &str, action: &str) -> bool {
        glob(&self.kind, kind) && glob(&self.action, action)
    }

    /// Reads a list of patterns.
    pub fn read(section: &mut Section, name: &str) -> Vec<Self> {
        let mut patterns = Vec::new();
        for (index, text) in section.list(name).into_iter().enumerate() {
            let (number, at) = (index + 1, format!("{name}.{index}"));
            match Self::parse(&text) {
                Ok(pattern) => {
                    if !entries().iter().any(|entry| pattern.matches(entry.kind, entry.action)) {
                        let hint = match pattern.nearest() {
                            Some(known) => format!("did you mean `{known}`? Ignore this warning for newer events"),
                            None => {
                                "the events reference lists the known ones; ignore this warning for newer events".into()
                            }
                        };
                        section.warning(&at, format!("pattern {number} of `{name}` matches no known event"), hint);
                    }
                    patterns.push(pattern);
                }
                Err(problem) => section.error(
                    &at,
                    format!("pattern {number} of `{name}` {problem}"),
                    "write a type and an action with a dot between them, such as `item_access.*` or `*.user_login_failed`",
                ),
            }
        }
        patterns
    }
}

/// As it is in the file.
impl std::fmt::Display for EventPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.kind, self.action)
    }
}

/// The pattern itself if it matches any of the words, otherwise the nearest word.
fn correct<'a>(pattern: &'a str, words: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if words.clone().any(|word| glob(pattern, word)) { Some(pattern) } else { nearest(pattern, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, kind, action, expected) in [
            ("item_access.*", "item_access", "item_viewed", true),
            ("item_access.*", "item_access", "", true),
            ("item_access.*", "item_share", "item_viewed", false),
            ("*.item_viewed", "sharing_hub", "item_viewed", true),
            ("item_access.item_viewed", "item_access", "item_viewed_twice", false),
            ("*.*", "", "", true),
            ("totp.2fa_*_item", "totp", "2fa_added_to_item", true),
            ("totp.2fa_*_item", "totp", "2fa_removed_from_items", false),
            ("a.*b*b", "a", "bb", true),
            ("a.*b*b", "a", "b", false),
            ("a.x*x", "a", "x", false),
        ] {
            assert_eq!(
                EventPattern::parse(pattern).expect(pattern).matches(kind, action),
                expected,
                "{pattern} {kind}.{action}"
            );
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["", "login", "*", ".x", "x.", ".", "a.b.c", "a b.c", "item_{a,b}.c", "login.user?", " login.*"]
        {
            assert!(EventPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_typing_mistake_in_a_pattern_gets_the_nearest_known_event() {
        for (wrong, right) in [
            ("item_acess.*", Some("item_access.*")),
            ("item_access.item_veiwed", Some("item_access.item_viewed")),
            ("*.user_login_faild", Some("*.user_login_failed")),
            ("Item-Access.vault_exportd", Some("item_access.vault_exported")),
            ("weather.*", None),
            ("item_access.weather", None),
        ] {
            assert_eq!(EventPattern::parse(wrong).expect(wrong).nearest().as_deref(), right, "{wrong}");
        }
    }
}

//! Patterns in which `*` stands for any characters.

use std::borrow::Cow;

/// Whether a pattern with `*` matches the whole text. Each piece between two `*` is matched at its first occurrence: a later one
/// could only leave less text for the rest.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// A pattern that doesn't tell capital letters from small ones, as addresses, UUIDs and names of platforms are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern. Everything but `*` stands for itself.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_lowercase())
    }

    /// Whether it matches the whole text. Nothing matches an empty one, which is a field that the record doesn't have.
    pub fn matches(&self, text: &str) -> bool {
        !text.is_empty() && glob(&self.0, &lower(text))
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capital_letters_are_small_ones() {
        let glob = Glob::new("SVC-*@Example.com");
        assert!(glob.matches("svc-backup@EXAMPLE.com") && glob.matches("Svc-@example.com"));
        assert!(!glob.matches("svc-backup@example.org") && !glob.matches(""));
        assert!(Glob::new("*").matches("ä") && !Glob::new("*").matches(""));
    }
}

//! A value to set: text with the organization's UUID in it.

use super::super::shape::rewrite::push_content;
use crate::settings::nearest::nearest;

/// The one placeholder.
const ORGANIZATION: &str = "organization";

/// A value to set, as it is written into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// The content of a JSON string.
    Content(String),
    Organization,
}

impl Template {
    /// Reads a value. An error is a message and a hint.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(&from[..1]);
                rest = after;
                continue;
            }
            let word = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            match word {
                Some((ORGANIZATION, after)) => {
                    push(&mut parts, &mut plain);
                    parts.push(Part::Organization);
                    rest = after;
                }
                _ => {
                    let near = word.and_then(|(word, _)| nearest(word, [ORGANIZATION]));
                    let hint = match near {
                        Some(_) => "did you mean `{organization}`?",
                        None => "write `{organization}`, or `{{` and `}}` for plain braces",
                    };
                    return Err(("a brace in this value stands for nothing".into(), hint.into()));
                }
            }
        }
        plain.push_str(rest);
        push(&mut parts, &mut plain);
        Ok(Self(parts))
    }

    /// Appends it as a JSON string.
    pub fn write(&self, organization: &str, out: &mut String) {
        out.push('"');
        for part in &self.0 {
            match part {
                Part::Content(content) => out.push_str(content),
                Part::Organization => push_content(out, organization),
            }
        }
        out.push('"');
    }
}

fn push(parts: &mut Vec<Part>, plain: &mut String) {
    if !plain.is_empty() {
        let mut content = String::new();
        push_content(&mut content, plain);
        parts.push(Part::Content(content));
        plain.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_braces() {
        for (text, expected) in [
            ("acme", "\"acme\""),
            ("a \"b\" \\ \n", r#""a \"b\" \\ \n""#),
            ("{organization}", "\"o\\\"1\""),
            ("x-{organization}-{{y}}", "\"x-o\\\"1-{y}\""),
        ] {
            let mut out = String::new();
            Template::parse(text).expect(text).write("o\"1", &mut out);
            assert_eq!(out, expected);
        }
        for text in ["{", "}", "{organisation}", "{x", "{}", "a}b"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse("{organisation}").expect_err("a typo").1.starts_with("did you mean"));
    }
}

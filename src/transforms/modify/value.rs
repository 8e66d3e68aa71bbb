//! A value to set: text with the organization's UUID in it, or with what the organizations file says of it.

use super::super::shape::rewrite::push_content;
use crate::event::{Organization, OrganizationField};
use crate::settings::nearest::nearest;

/// The placeholder of the UUID.
const ORGANIZATION: &str = "organization";

/// A value to set, as it is written into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// The content of a JSON string.
    Content(String),
    Organization,
    Listed(OrganizationField),
}

/// The organization of a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Of<'o> {
    /// Its UUID.
    pub uuid: &'o str,
    /// Its entry in the organizations file.
    pub listed: Option<&'o Organization>,
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
                Some((word, after)) if OrganizationField::parse(word).is_some() => {
                    push(&mut parts, &mut plain);
                    parts.extend(OrganizationField::parse(word).map(Part::Listed));
                    rest = after;
                }
                Some((word, _)) if word.starts_with("organization.") => {
                    let hint = format!("write {}", OrganizationField::SHOWN);
                    return Err(("this isn't known of an organization".into(), hint));
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
    pub fn write(&self, organization: Of<'_>, out: &mut String) {
        out.push('"');
        for part in &self.0 {
            match part {
                Part::Content(content) => out.push_str(content),
                Part::Organization => push_content(out, organization.uuid),
                Part::Listed(field) => push_content(out, field.of(organization.listed)),
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
        let labels = vec![("tenant".to_owned(), "t\"1".to_owned())];
        let acme = Organization { name: "acme".into(), labels, ..Organization::default() };
        for (text, expected) in [
            ("acme", "\"acme\""),
            ("a \"b\" \\ \n", r#""a \"b\" \\ \n""#),
            ("{organization}", "\"o\\\"1\""),
            ("{organization.name}:{organization.labels.tenant}:{organization.labels.none}", "\"acme:t\\\"1:\""),
            ("x-{organization}-{{y}}", "\"x-o\\\"1-{y}\""),
        ] {
            let mut out = String::new();
            Template::parse(text).expect(text).write(Of { uuid: "o\"1", listed: Some(&acme) }, &mut out);
            assert_eq!(out, expected);
        }
        for text in ["{", "}", "{organisation}", "{x", "{}", "a}b", "{organization.id}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse("{organisation}").expect_err("a typo").1.starts_with("did you mean"));
    }
}

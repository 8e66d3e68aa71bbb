//! `${VAR}`, `${VAR:-default}` and `${file:PATH}` inside string values.
//!
//! They are resolved after the TOML is parsed, so that a value can never change the file's structure. `$${` gives
//! a plain `${`. A path or a default may contain references itself: `${file:${CREDENTIALS_DIRECTORY}/token}`.

use std::path::PathBuf;

use secrecy::zeroize::Zeroize;

use super::environment::{open_to_others, read_file};
use super::value::shown_path;
use super::{Environment, Secret};

/// How deep references may be nested.
const DEEPEST: usize = 4;

/// A string value, taken apart.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Variable { name: String, default: Option<Template> },
    File(Template),
}

/// A resolved piece.
enum Part {
    Text(String),
    Variable(String),
    /// A file's path, and its content without the line end.
    File(PathBuf, String),
}

/// What is wrong with a reference, and what to do. Holds names, never values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub message: String,
    pub hint: String,
    /// Whether it is this machine that lacks something.
    pub is_absence: bool,
}

fn problem<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { message: message.into(), hint: hint.into(), is_absence: false })
}

fn absence<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { message: message.into(), hint: hint.into(), is_absence: true })
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::parse_nested(text, 0)
    }

    fn parse_nested(text: &str, depth: usize) -> Result<Self, Problem> {
        if depth > DEEPEST {
            return problem("references are nested too deeply", "use one variable for the whole value");
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let before = &rest[..at];
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(before);
            let Some(end) = closing_brace(&rest[at + 2..]) else {
                return problem("`${` isn't closed", "close it with `}`, or write `$${` for a plain `${`");
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Self::reference(&rest[at + 2..at + 2 + end], depth)?);
            rest = &rest[at + 3 + end..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    fn reference(inside: &str, depth: usize) -> Result<Piece, Problem> {
        if let Some(path) = inside.strip_prefix("file:") {
            if path.trim().is_empty() {
                return problem(
                    "`${file:}` doesn't name a file",
                    "write the path after the colon: `${file:/run/secrets/name}`",
                );
            }
            return Ok(Piece::File(Self::parse_nested(path, depth + 1)?));
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(Self::parse_nested(default, depth + 1)?)),
            None => (inside, None),
        };
        if !is_name(name) {
            return problem(
                "a `${…}` doesn't name a variable",
                "write `${NAME}`, `${NAME:-default}` or `${file:PATH}`; `$${` stands for a plain `${`",
            );
        }
        Ok(Piece::Variable { name: name.to_owned(), default })
    }

    /// Whether it holds any reference.
    pub fn has_references(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The value as text; files are read now.
    pub fn text(&self, environment: &Environment) -> Result<String, Problem> {
        let parts = self.resolve(environment)?;
        Ok(parts.into_iter().map(|(Part::Text(text) | Part::Variable(text) | Part::File(_, text))| text).collect())
    }

    /// The value as a secret: files stay references, but must be readable and not empty now. The paths of files that
    /// others can read go to `open`. The flag is whether any of it comes from a variable or a file.
    pub fn secret(&self, environment: &Environment, open: &mut Vec<PathBuf>) -> Result<(Secret, bool), Problem> {
        let mut secret = Secret::default();
        let mut referred = false;
        for part in self.resolve(environment)? {
            referred |= !matches!(part, Part::Text(_));
            secret = secret.then(match part {
                Part::Text(text) | Part::Variable(text) => Secret::literal(text),
                Part::File(path, text) if text.is_empty() => {
                    let message = format!("the secret file {} is empty", path.display());
                    return problem(message, "write only the secret into it");
                }
                Part::File(path, mut text) => {
                    text.zeroize();
                    if open_to_others(&path) == Some(true) {
                        open.push(path.clone());
                    }
                    Secret::file(path)
                }
            });
        }
        Ok((secret, referred))
    }

    /// The current value of each piece. As in a shell, `${NAME:-default}` also replaces an empty variable.
    fn resolve(&self, environment: &Environment) -> Result<Vec<Part>, Problem> {
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => parts.push(Part::Text(text.clone())),
                Piece::Variable { name, default } => {
                    let value = environment.variable(name).filter(|value| default.is_none() || !value.is_empty());
                    match (value, default) {
                        (Some(value), _) => parts.push(Part::Variable(value)),
                        (None, Some(default)) => parts.extend(default.resolve(environment)?),
                        (None, None) => return missing(name),
                    }
                }
                Piece::File(path) => {
                    let (path, text) = read(path, environment)?;
                    parts.push(Part::File(path, text));
                }
            }
        }
        Ok(parts)
    }
}

/// Whether this can be a variable's name.
pub(super) fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn missing<T>(name: &str) -> Result<T, Problem> {
    // A secret that somebody has put between the braces must not be shown.
    if name.len() > 64 || name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return absence(
            "this variable isn't set",
            "set it in the environment or in an `--env-file`, or give a default: `${NAME:-…}`; only names in capital letters are shown",
        );
    }
    absence(
        format!("the variable `{name}` isn't set"),
        format!("set it in the environment or in an `--env-file`, or give a default: `${{{name}:-…}}`"),
    )
}

fn read(path: &Template, environment: &Environment) -> Result<(PathBuf, String), Problem> {
    let path = PathBuf::from(path.text(environment)?);
    match read_file(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => absence(
            format!("can't read the file{}: {error}", shown_path(&path)),
            match error.kind() {
                std::io::ErrorKind::InvalidInput => "a pipe or device can't be read again: write the value into a file",
                _ => "check that the path is right and that this user may read it",
            },
        ),
    }
}

/// The end of a reference whose `${` is before `text`; braces of nested references count.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str) -> Result<String, String> {
        let environment = Environment::of([("A", "one"), ("EMPTY", ""), ("EVIL", "\"\n[sinks.evil]\n${A}")]);
        Template::parse(template).and_then(|t| t.text(&environment)).map_err(|problem| problem.message)
    }

    #[test]
    fn fills_in_variables() {
        assert_eq!(text("x${A}y${A}").unwrap(), "xoneyone");
        assert_eq!(text("${B:-two}").unwrap(), "two");
        assert_eq!(text("${EMPTY:-two}").unwrap(), "two");
        assert_eq!(text("${EMPTY}").unwrap(), "");
        assert_eq!(text("${B:-}").unwrap(), "");
        assert_eq!(text("${B:-${A}!}").unwrap(), "one!");
        assert_eq!(text("no $references {here}").unwrap(), "no $references {here}");
    }

    #[test]
    fn a_value_is_never_read_again() {
        assert_eq!(text("${EVIL}").unwrap(), "\"\n[sinks.evil]\n${A}");
    }

    #[test]
    fn two_dollars_stand_for_one() {
        assert_eq!(text("$${A}").unwrap(), "${A}");
        assert_eq!(text("$${${A}").unwrap(), "${one");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(text("${B}").unwrap_err(), "the variable `B` isn't set");
        assert_eq!(text("${A").unwrap_err(), "`${` isn't closed");
        for template in ["${}", "${1A}", "${A B}", "${:-x}", "${A:x}"] {
            assert_eq!(text(template).unwrap_err(), "a `${…}` doesn't name a variable", "{template}");
        }
        assert_eq!(text("${file:}").unwrap_err(), "`${file:}` doesn't name a file");
        let deep = format!("{}x{}", "${A:-".repeat(50), "}".repeat(50));
        assert_eq!(text(&deep).unwrap_err(), "references are nested too deeply");
    }

    #[test]
    fn files_lose_their_line_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("name"), "value\r\n").unwrap();
        let environment = Environment::of([("DIR", dir.path().to_str().unwrap())]);
        let template = Template::parse("<${file:${DIR}/name}>").unwrap();
        assert_eq!(template.text(&environment).unwrap(), "<value>");
    }

    #[test]
    fn a_secret_knows_where_it_comes_from() {
        let environment = Environment::of([("A", "one")]);
        let referred =
            |template: &str| Template::parse(template).unwrap().secret(&environment, &mut Vec::new()).unwrap().1;
        assert!(referred("prefix-${A}"));
        assert!(!referred("written here"));
        assert!(!referred("${B:-written here}"));
    }
}

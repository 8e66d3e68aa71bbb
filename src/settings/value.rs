//! Checks one value against its [`Kind`].

use std::ops::{Range, RangeInclusive};
use std::{path::Path, time::Duration};

use super::document::{Entry, Node, Table, Value, object};
use super::duration::{format_duration, parse_duration};
use super::flaw::{Flaw, is_quoted};
use super::nearest::{any_value, nearest};
use super::report::{Report, SourceSpan};
use super::section::Section;
use super::size::parse_size;
use super::{Field, Kind, Presence, Secret};

/// A table with any content.
pub(crate) type Object = serde_json::Map<String, serde_json::Value>;

/// A value that has been checked.
#[derive(Clone, Debug)]
pub(crate) enum Checked {
    Text(String),
    Secret(Secret),
    Duration(Duration),
    Integer(i64),
    /// Whole numbers within their bounds.
    Integers(Vec<i64>),
    Flag(bool),
    List(Vec<String>),
    Map(Vec<(String, String)>),
    Table(Box<Section>),
    Tables(Vec<Section>),
    NamedTables(Vec<(String, Section)>),
    Object(Object),
    Objects(Vec<Object>),
    /// An optional value that is there but empty, such as `"${PROXY:-}"`: the same as none.
    Nothing,
    /// Wrong; the error is recorded.
    Wrong,
}

/// A field's value being checked.
pub(crate) struct Check<'a> {
    pub report: &'a Report,
    pub field: &'static Field,
    pub span: SourceSpan,
    pub path: &'a str,
}

impl Check<'_> {
    pub fn value(&self, entry: &Entry) -> Checked {
        let node = &entry.node;
        match &self.field.kind {
            Kind::Text => self.filled(node).map(Checked::Text),
            Kind::Program => self.program(node),
            Kind::Secret => Ok(self.secret(node)),
            Kind::Choice(choices) => self.choice(node, choices),
            Kind::Duration { min, max } => self.duration(node, min, max),
            Kind::Integer { min, max } => self.integer(node, *min, *max),
            Kind::Size { min, max } => self.size(node, *min, *max),
            Kind::Flag => self.flag(node),
            Kind::List => Ok(self.list(node)),
            Kind::Integers { min, max } => self.integers(node, *min, *max),
            Kind::Map => Ok(self.map(node)),
            Kind::Table(fields) => match &node.value {
                Value::Table(table) => {
                    let span = SourceSpan { span: entry.key_span.clone(), ..self.span };
                    let report = self.report.clone();
                    let section = Section::new(report, span, self.path.to_owned(), fields, table);
                    Ok(Checked::Table(Box::new(section)))
                }
                other => Err(self.wrong_type("a table", other, &format!("write [{}]", self.path))),
            },
            Kind::Tables(fields) => self.tables(node, fields),
            Kind::NamedTables(fields) => Ok(self.named_tables(node, fields)),
            Kind::Object => self.object(node).map(Checked::Object),
            Kind::Objects => match &node.value {
                Value::List(nodes) => {
                    nodes.iter().map(|node| self.object(node)).collect::<Result<_, _>>().map(Checked::Objects)
                }
                _ => self.object(node).map(Checked::Object),
            },
        }
        .unwrap_or_else(|wrong| wrong)
    }

    fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> Checked {
        self.report.error(&self.span, self.path, message, hint);
        Checked::Wrong
    }

    fn wrong_type(&self, expected: &str, found: &Value, hint: &str) -> Checked {
        self.error(format!("`{}` must be {expected}, not {}", self.field.name, found.kind()), hint)
    }

    fn at(&self, span: &Range<usize>) -> SourceSpan {
        SourceSpan { document: self.span.document, span: span.clone() }
    }

    fn empty(&self) -> Checked {
        match self.field.presence {
            Presence::Optional => Checked::Nothing,
            Presence::Required | Presence::PerOrganization => {
                self.error(format!("`{}` is empty", self.field.name), "give it a value")
            }
            Presence::Default(default) => self.error(
                format!("`{}` is empty", self.field.name),
                format!("give it a value, or leave the line out for the default, {default}"),
            ),
        }
    }

    fn string<'n>(&self, node: &'n Node) -> Result<&'n str, Checked> {
        match &node.value {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong_type("a string", other, "put it in quotes: \"…\"")),
        }
    }

    /// The value of a string that must not be empty.
    fn filled(&self, node: &Node) -> Result<String, Checked> {
        let raw = self.string(node)?;
        match self.report.fill_in(&self.span, self.path, raw) {
            Some((text, _)) if text.trim().is_empty() => Err(self.empty()),
            Some((text, _)) => Ok(text),
            None => Err(Checked::Wrong),
        }
    }

    fn program(&self, node: &Node) -> Result<Checked, Checked> {
        let text = self.string(node)?;
        if text.trim().is_empty() { Err(self.empty()) } else { Ok(Checked::Text(text.to_owned())) }
    }

    fn secret(&self, node: &Node) -> Checked {
        let raw = match &node.value {
            Value::Text(text) => text,
            other => return self.wrong_type("a string", other, "put it in quotes, best as \"${VARIABLE}\""),
        };
        let Some(secret) = self.report.fill_in_secret(&self.span, self.path, raw) else { return Checked::Wrong };
        let Some(text) = secret.peek() else { return Checked::Wrong };
        match Flaw::of(&text) {
            Some(Flaw::Empty) => return self.empty(),
            Some(flaw) => return self.error(format!("`{}` {}", self.field.name, flaw.what()), flaw.hint()),
            None if is_quoted(&text) => {
                let message =
                    format!("`{}` begins and ends with a quotation mark, which is sent along", self.field.name);
                let hint = "set the secret without the marks; `docker --env-file`, for one, keeps them";
                self.report.warning(&self.span, self.path, message, hint);
            }
            None => {}
        }
        Checked::Secret(secret)
    }

    fn choice(&self, node: &Node, choices: &'static [&'static str]) -> Result<Checked, Checked> {
        let text = self.filled(node)?;
        if choices.contains(&text.as_str()) {
            return Ok(Checked::Text(text));
        }
        let hint = match nearest(&text, choices.iter().copied()) {
            Some(choice) => format!("did you mean \"{choice}\"?"),
            None => format!("write {}", any_value(choices.iter().copied())),
        };
        Err(self.error(format!("`{}` can't have this value", self.field.name), hint))
    }

    fn duration(&self, node: &Node, min: &str, max: &str) -> Result<Checked, Checked> {
        if let Value::Integer(_) = &node.value {
            return Err(self.wrong_type("a duration", &node.value, "add a unit and quotes: \"60s\", \"10m\", \"7d\""));
        }
        let text = self.filled(node)?;
        let example = if let Presence::Default(default) = self.field.presence { default } else { min };
        let bounds = format!("write a duration from {min} to {max}, such as \"{example}\"");
        let duration = parse_duration(&text)
            .map_err(|reason| self.error(format!("`{}` isn't a duration: {reason}", self.field.name), &bounds))?;
        let bound = |text| parse_duration(text).unwrap_or_default();
        if duration < bound(min) || duration > bound(max) {
            let (word, limit) = if duration < bound(min) { ("at least", min) } else { ("at most", max) };
            let message = format!("`{}` must be {word} {limit}, not {}", self.field.name, format_duration(duration));
            return Err(self.error(message, bounds));
        }
        Ok(Checked::Duration(duration))
    }

    /// The value of a string of references in place of a number or a flag.
    fn referred(&self, node: &Node, expected: &str, unquoted: &str, hint: &str) -> Result<String, Checked> {
        let Value::Text(raw) = &node.value else { return Err(self.wrong_type(expected, &node.value, hint)) };
        match self.report.fill_in(&self.span, self.path, raw) {
            Some((text, true)) => Ok(text.trim().to_owned()),
            Some((_, false)) => Err(self.wrong_type(expected, &node.value, unquoted)),
            None => Err(Checked::Wrong),
        }
    }

    fn integer(&self, node: &Node, min: i64, max: i64) -> Result<Checked, Checked> {
        let hint = format!("write a whole number from {min} to {max}");
        let number = match node.value {
            Value::Integer(number) => number,
            _ => {
                let text = self.referred(node, "a whole number", "leave the quotes out", &hint)?;
                let wrong = |_| self.error(format!("`{}` gives no whole number", self.field.name), &hint);
                Some(text.parse().map_err(wrong)?)
            }
        };
        self.within(number, min..=max, hint)
    }

    fn integers(&self, node: &Node, min: i64, max: i64) -> Result<Checked, Checked> {
        let hint = format!("write whole numbers from {min} to {max}: [{min}, {max}]");
        let Value::List(nodes) = &node.value else {
            return Err(self.wrong_type("a list of whole numbers", &node.value, &hint));
        };
        let mut numbers = Vec::with_capacity(nodes.len());
        for node in nodes {
            if let Checked::Integer(number) = self.integer(node, min, max)? {
                numbers.push(number);
            }
        }
        Ok(Checked::Integers(numbers))
    }

    fn size(&self, node: &Node, min: i64, max: i64) -> Result<Checked, Checked> {
        let hint = format!("write a size from {min} to {max} bytes, such as \"1MB\" or \"8MiB\"");
        let number = match &node.value {
            Value::Integer(number) => *number,
            Value::Text(_) => {
                let text = self.filled(node)?;
                Some(
                    parse_size(&text)
                        .ok_or_else(|| self.error(format!("`{}` isn't a size", self.field.name), &hint))?,
                )
            }
            other => return Err(self.wrong_type("a size", other, &hint)),
        };
        self.within(number, min..=max, hint)
    }

    fn within(&self, number: Option<i64>, bounds: RangeInclusive<i64>, hint: String) -> Result<Checked, Checked> {
        let (min, max) = (*bounds.start(), *bounds.end());
        let message = match number {
            Some(number) if bounds.contains(&number) => return Ok(Checked::Integer(number)),
            Some(number) => {
                let (word, limit) = if number < min { ("at least", min) } else { ("at most", max) };
                format!("`{}` must be {word} {limit}, not {number}", self.field.name)
            }
            None => format!("`{}` is beyond all bounds", self.field.name),
        };
        Err(self.error(message, hint))
    }

    fn flag(&self, node: &Node) -> Result<Checked, Checked> {
        if let Value::Flag(flag) = node.value {
            return Ok(Checked::Flag(flag));
        }
        let hint = "write true or false, without quotes";
        let text = self.referred(node, "`true` or `false`", hint, hint)?;
        let wrong = |_| self.error(format!("`{}` gives neither `true` nor `false`", self.field.name), hint);
        text.parse().map(Checked::Flag).map_err(wrong)
    }

    fn list(&self, node: &Node) -> Checked {
        let nodes = match &node.value {
            Value::List(nodes) => nodes,
            Value::Text(_) => return self.wrong_type("a list", &node.value, "put it in brackets: [\"…\"]"),
            other => return self.wrong_type("a list of strings", other, "write [\"…\", \"…\"]"),
        };
        if nodes.is_empty() && self.field.presence.is_required() {
            return self.empty();
        }
        let mut texts = Vec::with_capacity(nodes.len());
        for (number, node) in nodes.iter().enumerate() {
            let path = format!("{}.{number}", self.path);
            match self.element(node, &path, "each element of the list") {
                Some(text) => texts.push(text),
                None => return Checked::Wrong,
            }
        }
        Checked::List(texts)
    }

    fn tables(&self, node: &Node, fields: &'static [Field]) -> Result<Checked, Checked> {
        let Value::List(nodes) = &node.value else {
            let hint = format!("write [[{}]], once for each", without_numbers(self.path));
            return Err(self.wrong_type("a list of tables", &node.value, &hint));
        };
        let mut sections = Vec::with_capacity(nodes.len());
        for (number, node) in nodes.iter().enumerate() {
            let path = format!("{}.{number}", self.path);
            match &node.value {
                Value::Table(table) => {
                    sections.push(Section::new(self.report.clone(), self.at(&node.span), path, fields, table));
                }
                other => {
                    let message = format!("each of `{}` must be a table, not {}", self.field.name, other.kind());
                    let hint = format!("write [[{}]], once for each", without_numbers(self.path));
                    self.report.error(&self.at(&node.span), &path, message, hint);
                }
            }
        }
        Ok(Checked::Tables(sections))
    }

    fn object(&self, node: &Node) -> Result<Object, Checked> {
        let table: &Table = match &node.value {
            Value::Table(table) => table,
            other => {
                let hint = format!("write {} = {{ key = \"value\" }}", self.field.name);
                return Err(self.wrong_type("a table", other, &hint));
            }
        };
        Ok(object(table))
    }

    fn map(&self, node: &Node) -> Checked {
        let Value::Table(table) = &node.value else {
            return self.wrong_type("a table", &node.value, &format!("write [{}]", self.path));
        };
        let mut wrong = false;
        let mut entries = Vec::with_capacity(table.len());
        for Entry { key, key_span, node } in table {
            let path = format!("{}.{}", self.path, shown_key(key));
            if let Value::Table(inner) = &node.value {
                let whole = inner.first().map_or_else(|| key.clone(), |first| format!("{key}.{}", first.key));
                let message = format!("`{}` must be a string, not a table", shown_key(key));
                let hint = format!("a dot makes a table; put a key with dots in quotes: {} = \"…\"", quote(&whole));
                self.report.error(&self.at(key_span), &path, message, hint);
                wrong = true;
                continue;
            }
            match self.element(node, &path, &format!("`{}`", shown_key(key))) {
                Some(text) => entries.push((key.clone(), text)),
                None => wrong = true,
            }
        }
        if wrong { Checked::Wrong } else { Checked::Map(entries) }
    }

    fn named_tables(&self, node: &Node, fields: &'static [Field]) -> Checked {
        let Value::Table(table) = &node.value else {
            return self.wrong_type("a table", &node.value, &format!("write [{}]", self.path));
        };
        let mut sections = Vec::with_capacity(table.len());
        let mut wrong = false;
        for Entry { key, key_span, node } in table {
            let (path, span) = (format!("{}.{}", self.path, shown_key(key)), self.at(key_span));
            if let Value::Table(table) = &node.value {
                sections.push((key.clone(), Section::new(self.report.clone(), span, path, fields, table)));
            } else {
                let message = format!("`{}` must be a table, not {}", shown_key(key), node.value.kind());
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                let hint = format!("write {} = {{ {} = … }}", shown_key(key), names.first().unwrap_or(&"KEY"));
                self.report.error(&span, &path, message, hint);
                wrong = true;
            }
        }
        if wrong { Checked::Wrong } else { Checked::NamedTables(sections) }
    }

    /// A string inside a list or a map.
    fn element(&self, node: &Node, path: &str, what: &str) -> Option<String> {
        let span = self.at(&node.span);
        let Value::Text(raw) = &node.value else {
            let message = format!("{what} must be a string, not {}", node.value.kind());
            self.report.error(&span, path, message, "put it in quotes: \"…\"");
            return None;
        };
        let (text, _) = self.report.fill_in(&span, path, raw)?;
        if text.trim().is_empty() {
            self.report.error(&span, path, "the value is empty", "give it a value, or leave it out");
            return None;
        }
        Some(text)
    }
}

/// A path as a header spells it: `tests.0.inputs` is `[[tests.inputs]]`.
pub(super) fn without_numbers(path: &str) -> String {
    path.split('.').filter(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// A key in quotes, cut when long, with nothing in it that a terminal would obey.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let cut: String = text.chars().take(LONGEST).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug().to_string().replace("\\'", "'"))
}

/// A key in a path: in quotes where it has dots.
pub(crate) fn shown_key(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if plain { key.to_owned() } else { quote(key) }
}

/// A path for the middle of a message, with a space before it. Empty for what may be no path but, say, a secret in its place.
pub(crate) fn shown_path(path: &Path) -> String {
    let is_path = path.is_absolute()
        || ["./", "../"].iter().any(|start| path.as_os_str().as_encoded_bytes().starts_with(start.as_bytes()));
    if is_path { format!(" {}", path.display()) } else { String::new() }
}

//! Reads the data file.
//!
//! Strict on purpose: a cell too many, a word nobody knows or a pair that is there twice is an error with its line, so
//! that a slip while adding an event fails the unit test instead of silently making a wrong row.

use std::collections::HashSet;

use super::{Entry, Group, Schema, Target};

/// The header line.
const HEADER: &str = "type|action|group|since|schema|event_type|result|result_details|severity|target|object|\
                      object_type|logon_method|metadata|official_rule|other_because|meaning";

/// What is wrong with the data file, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    line: usize,
    what: String,
}

/// All entries of the file.
pub fn read(file: &'static str) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    let mut pairs = HashSet::new();
    let mut header = false;
    for (number, line) in file.lines().enumerate() {
        let wrong = |what: String| Malformed { line: number + 1, what };
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&'static str> = line.split('|').map(str::trim).collect();
        let names: Vec<&'static str> = HEADER.split('|').collect();
        if cells.len() != names.len() {
            return Err(wrong(format!("{} cells instead of {}", cells.len(), names.len())));
        }
        if !header {
            if cells != names {
                return Err(wrong(format!("the header must be {HEADER}")));
            }
            header = true;
            continue;
        }
        let entry = Cells(names.into_iter().zip(cells).collect()).entry().map_err(&wrong)?;
        if !pairs.insert((entry.kind, entry.action)) {
            return Err(wrong(format!("{}.{} is there twice", entry.kind, entry.action)));
        }
        entries.push(entry);
    }
    if header { Ok(entries) } else { Err(Malformed { line: 0, what: "no header".to_owned() }) }
}

/// A line's cells with the names of their columns.
struct Cells(Vec<(&'static str, &'static str)>);

impl Cells {
    fn entry(&self) -> Result<Entry, String> {
        for (name, cell) in &self.0 {
            if cell.is_empty() {
                return Err(format!("the cell `{name}` is empty; write `-`"));
            }
            if cell.contains(['"', '\\']) || cell.contains(char::is_control) {
                return Err(format!("the cell `{name}` has a character that JSON would escape"));
            }
        }
        let schema = self.one_of("schema", &Schema::ALL, Schema::name)?;
        let entry = Entry {
            kind: self.there("type")?,
            action: self.there("action")?,
            group: self.one_of("group", &Group::ALL, Group::name)?,
            meaning: self.there("meaning")?,
            since: self.there("since")?,
            schema,
            event_type: self.there("event_type")?,
            result: self.one_of("result", &["Success", "Failure", "NA"], |word| word)?,
            result_details: self.cell("result_details"),
            severity: self.one_of("severity", &["Informational", "Low", "Medium", "High"], |word| word)?,
            target: self.one_of(
                "target",
                &[Target::None, Target::Itself, Target::Other, Target::Group],
                target_name,
            )?,
            object: self.cell("object"),
            object_type: self.cell("object_type"),
            logon_method: self.cell("logon_method"),
            metadata: self.cell("metadata").map(|keys| keys.split(',').collect()).unwrap_or_default(),
            official_rule: self.cell("official_rule"),
            other_because: self.cell("other_because"),
        };
        // What a schema's rows need, and what they have no column for.
        for (name, goes) in [
            ("target", (entry.target == Target::None) == (schema == Schema::AuditEvent)),
            ("object", entry.object.is_none() == (schema == Schema::UserManagement)),
            ("object_type", entry.object_type.is_none() == (schema == Schema::UserManagement)),
            ("logon_method", entry.logon_method.is_none() || schema == Schema::Authentication),
        ] {
            if !goes {
                return Err(format!("{name} `{}` doesn't go with {}", self.text(name), schema.name()));
            }
        }
        if entry.other_because.is_some() != (entry.event_type == "Other") {
            return Err("other_because is there exactly for the event type Other".to_owned());
        }
        Ok(entry)
    }

    fn text(&self, name: &str) -> &'static str {
        self.0.iter().find(|(column, _)| *column == name).map_or("-", |(_, cell)| cell)
    }

    fn cell(&self, name: &str) -> Option<&'static str> {
        Some(self.text(name)).filter(|cell| *cell != "-")
    }

    fn there(&self, name: &str) -> Result<&'static str, String> {
        self.cell(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    fn one_of<T: Copy>(&self, name: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, String> {
        let cell = self.text(name);
        all.iter().copied().find(|one| word(*one) == cell).ok_or_else(|| format!("`{cell}` is no {name}"))
    }
}

fn target_name(target: Target) -> &'static str {
    match target {
        Target::None => "-",
        Target::Itself => "self",
        Target::Other => "other",
        Target::Group => "group",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "a|b|admin|3.0.0|AuditEvent|Set|Success|-|Low|-|Thing|Other|-|-|-|-|Something happened";

    fn reading(line: &str) -> Result<usize, String> {
        let file: &'static str =
            Box::leak(format!("# remark\n{}\n{line}\n", HEADER.replace('|', " | ")).into_boxed_str());
        read(file).map(|entries| entries.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_line_is_read() {
        assert_eq!(reading(LINE), Ok(1));
    }

    #[test]
    fn each_slip_is_an_error_with_its_line() {
        for (from, to) in [
            ("|admin|", "|boss|"),
            ("|AuditEvent|", "|Audit|"),
            ("|Success|", "|Succeeded|"),
            ("|Low|", "|low|"),
            ("|-|Thing|", "|self|Thing|"),
            ("|Thing|", "|-|"),
            ("|Thing|", "||"),
            ("|Thing|", "|A \"thing\"|"),
            ("|Other|-|", "|Other|PKI|"),
            ("|Set|", "|Other|"),
            ("|Something happened", "|-"),
            ("|Something happened", ""),
            ("a|b|", "-|b|"),
        ] {
            let broken = LINE.replacen(from, to, 1);
            let error = reading(&broken).expect_err(&broken);
            assert!(error.starts_with("line 3: "), "{error}");
        }
    }

    #[test]
    fn a_pair_must_not_be_there_twice() {
        assert_eq!(reading(&format!("{LINE}\n{LINE}")), Err("line 4: a.b is there twice".to_owned()));
    }

    #[test]
    fn a_file_without_header_is_refused() {
        assert!(read("# nothing\n").is_err());
        assert!(read(LINE).is_err());
    }
}

//! Reads the data file.
//!
//! Strict on purpose: a cell too many, a word nobody knows or a pair that is there twice is an error with its line, so
//! that a slip while adding an event fails the unit test instead of silently making a wrong row.

use std::collections::HashSet;

use super::{Entry, Group, Schema, Target};

/// The header line, cell by cell.
const HEADER: [&str; 17] = [
    "type",
    "action",
    "group",
    "since",
    "schema",
    "event_type",
    "result",
    "result_details",
    "severity",
    "target",
    "object",
    "object_type",
    "logon_method",
    "metadata",
    "official_rule",
    "other_because",
    "meaning",
];

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
        let cells: [&'static str; HEADER.len()] = cells
            .try_into()
            .map_err(|cells: Vec<_>| wrong(format!("{} cells instead of {}", cells.len(), HEADER.len())))?;
        if !header {
            if cells != HEADER {
                return Err(wrong(format!("the header must be {}", HEADER.join(" | "))));
            }
            header = true;
            continue;
        }
        let entry = entry(&cells).map_err(&wrong)?;
        if !pairs.insert((entry.kind, entry.action)) {
            return Err(wrong(format!("{}.{} is there twice", entry.kind, entry.action)));
        }
        entries.push(entry);
    }
    if header { Ok(entries) } else { Err(Malformed { line: 0, what: "no header".to_owned() }) }
}

fn entry(cells: &[&'static str; HEADER.len()]) -> Result<Entry, String> {
    if let Some(empty) = cells.iter().position(|cell| cell.is_empty()) {
        return Err(format!("the cell `{}` is empty; write `-`", HEADER[empty]));
    }
    if let Some(odd) = cells.iter().position(|cell| cell.contains(['"', '\\']) || cell.contains(char::is_control)) {
        return Err(format!("the cell `{}` has a character that JSON would escape", HEADER[odd]));
    }
    let [
        kind,
        action,
        group,
        since,
        schema,
        event_type,
        result,
        result_details,
        severity,
        target,
        object,
        object_type,
        logon_method,
        metadata,
        official_rule,
        other_because,
        meaning,
    ] = *cells;
    let schema = one_of("schema", schema, &Schema::ALL, Schema::name)?;
    let entry = Entry {
        kind: there("type", kind)?,
        action: there("action", action)?,
        group: one_of("group", group, &Group::ALL, Group::name)?,
        meaning: there("meaning", meaning)?,
        since: there("since", since)?,
        schema,
        event_type: there("event_type", event_type)?,
        result: one_of("result", result, &["Success", "Failure", "NA"], |word| word)?,
        result_details: cell(result_details),
        severity: one_of("severity", severity, &["Informational", "Low", "Medium", "High"], |word| word)?,
        target: one_of("target", target, &[Target::None, Target::Itself, Target::Other, Target::Group], target_name)?,
        object: cell(object),
        object_type: cell(object_type),
        logon_method: cell(logon_method),
        metadata: cell(metadata).map(|keys| keys.split(',').collect()).unwrap_or_default(),
        official_rule: cell(official_rule),
        other_because: cell(other_because),
    };
    // What a schema's rows need, and what they have no column for.
    if (entry.target == Target::None) != (schema == Schema::AuditEvent) {
        return Err(format!("target `{target}` doesn't go with {}", schema.name()));
    }
    for (name, value) in [("object", object), ("object_type", object_type)] {
        if (cell(value).is_none()) != (schema == Schema::UserManagement) {
            return Err(format!("{name} `{value}` doesn't go with {}", schema.name()));
        }
    }
    if entry.logon_method.is_some() && schema != Schema::Authentication {
        return Err(format!("logon_method doesn't go with {}", schema.name()));
    }
    if entry.other_because.is_some() != (event_type == "Other") {
        return Err("other_because is there exactly for the event type Other".to_owned());
    }
    Ok(entry)
}

fn target_name(target: Target) -> &'static str {
    match target {
        Target::None => "-",
        Target::Itself => "self",
        Target::Other => "other",
        Target::Group => "group",
    }
}

fn cell(value: &'static str) -> Option<&'static str> {
    (value != "-").then_some(value)
}

fn there(name: &str, value: &'static str) -> Result<&'static str, String> {
    cell(value).ok_or_else(|| format!("`{name}` is missing"))
}

fn one_of<T: Copy>(name: &str, value: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| word(*one) == value).ok_or_else(|| format!("`{value}` is no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "a|b|admin|3.0.0|AuditEvent|Set|Success|-|Low|-|Thing|Other|-|-|-|-|Something happened";

    fn reading(line: &str) -> Result<usize, String> {
        let file: &'static str = Box::leak(format!("# remark\n{}\n{line}\n", HEADER.join(" | ")).into_boxed_str());
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

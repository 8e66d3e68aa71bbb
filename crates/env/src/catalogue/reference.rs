//! The reference page of the catalogue: `docs/reference/events.md`.

use std::fmt::Write as _;

use super::{Entry, Group, Schema, entries};

/// The page, as Markdown: a table for each group.
pub fn reference_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for group in Group::ALL {
        let members: Vec<&Entry> = entries().iter().filter(|entry| entry.group == group).collect();
        let (title, about) = heading(group);
        let _ = write!(page, "\n## {title}\n\n{about} {} pairs.\n\n", members.len());
        page.push_str(
            "| Event | Meaning | Schema | EventType | Result | Severity | Object | Since | Official rule |\n",
        );
        page.push_str("|---|---|---|---|---|---|---|---|---|\n");
        for entry in members {
            row(&mut page, entry);
        }
    }
    others(&mut page);
    page
}

const INTRODUCTION: &str = "\
# Events

Generated from `crates/env/src/catalogue/events.txt`; change it there.

Each NordPass event has a `type` and an `action`, written `type.action` here and in `EventOriginalType`. One event becomes
one row in the table of its ASIM schema: `AuditEvent` in `ASimAuditEventLogs`, `Authentication` in
`ASimAuthenticationEventLogs`, `UserManagement` in `ASimUserManagementActivityLogs`. A pair that isn't listed here becomes
an `AuditEvent` with the event type `Other`: nothing is dropped.

NordPass doesn't publish a list of its events. For a pair with an official rule, that rule's text confirms the meaning;
the other meanings are derived from the names. The result `NA` is for findings, and for requests that haven't changed
anything yet.
";

fn heading(group: Group) -> (&'static str, &'static str) {
    match group {
        Group::Admin => ("Admin Panel", "What Owners and Admins do, and what the organization's scanner finds."),
        Group::Vault => ("Vault", "What members do with items, shares and two-factor codes."),
        Group::Login => ("Log-ins and unlocks", "Log-ins, unlocks, passwords, biometrics and recovery codes."),
    }
}

fn row(page: &mut String, entry: &Entry) {
    let result = match entry.result_details {
        Some(details) => format!("{} ({details})", entry.result),
        None => entry.result.to_owned(),
    };
    let event_type = match (entry.kind, entry.action) {
        ("access", "user_status_updated") => {
            "by `status`: UserDisabled (`suspended`), UserDeleted (`deleted`), UserEnabled (`active`), else UserModified"
        }
        _ => entry.event_type,
    };
    let _ = writeln!(
        page,
        "| `{}.{}` | {} | {} | {event_type} | {result} | {} | {} | {} | {} |",
        entry.kind,
        entry.action,
        entry.meaning,
        entry.schema.name(),
        entry.severity,
        entry.object.unwrap_or(""),
        entry.since,
        entry.official_rule.map(|rule| format!("`{rule}`")).unwrap_or_default(),
    );
}

fn others(page: &mut String) {
    page.push_str("\n## Why some are `Other`\n\n");
    for entry in entries() {
        if let Some(reason) = entry.other_because {
            let _ = writeln!(page, "- `{}.{}`: {reason}", entry.kind, entry.action);
        }
    }
    page.push_str("\n## Pairs per table\n\n| Table | Pairs |\n|---|---|\n");
    for schema in Schema::ALL {
        let number = entries().iter().filter(|entry| entry.schema == schema).count();
        let _ = writeln!(page, "| `{}` | {number} |", schema.table());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_one_row_of_nine_cells() {
        let page = reference_page();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.contains('.')).collect();
        assert_eq!(rows.len(), entries().len());
        for (row, line) in rows.iter().enumerate() {
            assert_eq!(line.matches('|').count(), 10, "row {row}: {line}");
        }
        for entry in entries() {
            let begin = format!("| `{}.{}` | {}", entry.kind, entry.action, entry.meaning);
            assert!(page.contains(&begin), "{begin}");
        }
    }
}

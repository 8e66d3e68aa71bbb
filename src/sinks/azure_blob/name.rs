//! Names of blobs.

use super::shared::LaneId;
use crate::sinks::file::template::{Problem, split_ending};

/// The most characters of a path in the pipeline file. A name has at most 1,024, among them what the placeholders become and
/// the unique part.
/// Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
const LONGEST_PATH: usize = 500;

/// Refuses a path whose names would mean something else in a URL, or outside the container.
pub fn check(path: &str) -> Result<(), Problem> {
    let problem = |message: &str, hint: &str| Err(Problem { message: message.to_owned(), hint: hint.to_owned() });
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~=/{}".contains(c);
    if path.len() > LONGEST_PATH {
        return problem("the path is too long", "use at most 500 characters; a blob's name has at most 1,024");
    }
    if path.starts_with('/') {
        return problem("the path begins with a slash", "names in a container begin with their first folder");
    }
    for part in path.split('/') {
        match part {
            "" => return problem("the path has an empty part", "write a single slash between folders"),
            "." | ".." => {
                return problem("the path leaves the container, or seems to", "name the folders without `.` and `..`");
            }
            part if part.ends_with('.') => {
                return problem("a part of the path ends with a dot", "Azure drops such dots: remove it");
            }
            _ => {}
        }
    }
    if !path.chars().all(plain) {
        let hint = "use letters, digits, - _ . ~ = and / between folders";
        return problem("the path has a character that a URL would have to escape", hint);
    }
    Ok(())
}

/// The name of a blob: what makes it unique is put before the endings.
///
/// It comes from the content's origin. No other run has the same number; within a run, each blob of each sink has another.
/// So no two replicas, restarts or sinks ever mean the same name.
pub fn unique(path: &str, lane: &LaneId, sink: &str, number: u64) -> String {
    let run = blake3::hash(format!("{sink}\n{:016x}", lane.run).as_bytes());
    let source: String =
        lane.source.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let (stem, ending) = split_ending(path);
    format!("{stem}.{source}.{}.{number}{ending}", &run.to_hex()[..16])
}

/// What a `file` source calls these blobs: the account by its name, which is the first part of its host, or of the path where
/// there is no host of its own.
pub fn pattern(account: &str, container: &str, patterns: Vec<String>) -> Vec<String> {
    let rest = account.split_once("://").map_or(account, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let account = if path.is_empty() { host.split('.').next().unwrap_or_default() } else { path };
    patterns.into_iter().map(|pattern| format!("az://{account}/{container}/{pattern}")).collect()
}

/// The id of a block: base64 of the same length for all.
pub fn block(number: usize) -> String {
    format!("{number:08}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_before_the_endings() {
        let lane = |source: &str, run| LaneId { source: source.into(), run, keeps_state: true };
        let of = |source, run, sink, number| unique("2026-01-10/acme/13.ndjson.gz", &lane(source, run), sink, number);
        let name = of("nordpass-0123456789abcdef", 7, "archive", 12);
        assert!(name.starts_with("2026-01-10/acme/13.nordpass-0123456789abcdef."), "{name}");
        assert!(name.ends_with(".12.ndjson.gz"), "{name}");
        let names = [
            name,
            of("nordpass-0123456789abcdef", 7, "archive", 13),
            of("nordpass-0123456789abcdef", 8, "archive", 12),
            of("nordpass-0123456789abcdef", 7, "rows", 12),
            of("other", 7, "archive", 12),
        ];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert!(unique("all", &lane("a/../b", 1), "archive", 0).starts_with("all.a____b."));
    }

    #[test]
    fn ids_of_blocks_have_one_length() {
        assert_eq!((block(0).len(), block(49_999).len()), (8, 8));
    }

    #[test]
    fn a_source_names_an_account_by_its_name() {
        for (account, expected) in [
            ("https://acct.blob.core.windows.net", "az://acct/archive/a.*.gz"),
            ("http://127.0.0.1:10000/devstoreaccount1", "az://devstoreaccount1/archive/a.*.gz"),
        ] {
            assert_eq!(pattern(account, "archive", vec!["a.*.gz".to_owned()]), [expected]);
        }
    }
}

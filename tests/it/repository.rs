//! What is published with this repository. The official connector's has employees' addresses in a test and a developer's
//! subscription in a template (D28).

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// Domains that belong to nobody: those of RFC 2606, and one more of IANA's.
const NOBODYS: [&str; 7] = ["example.com", "example.org", "example.net", "example.edu", "example", "invalid", "test"];

/// Where addresses of services stand that aren't a person's.
///
/// `login.user` is no domain: the attack samples name a field and the event that has to have it, `address@login.user_login_failed`.
const SERVICES: [&str; 2] = ["github.com", "login.user"];

/// Addresses that nobody can have: Gmail's names have six letters or more. The attack samples need a public provider.
const IMPOSSIBLE: [(&str, &str); 1] = [("x", "gmail.com")];

fn files() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if ["target", ".git", "node_modules"].iter().any(|skipped| name == *skipped) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// The addresses in a text: local part and domain, as far as they look like one.
fn addresses(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices('@').filter_map(|(at, _)| {
        let local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
        let domain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        let bytes = text.as_bytes();
        let start = bytes[..at].iter().rposition(|byte| !local(*byte)).map_or(0, |place| place + 1);
        let end = bytes[at + 1..].iter().position(|byte| !domain(*byte)).map_or(bytes.len(), |place| at + 1 + place);
        let (before, after) = (text.get(start..at)?, text.get(at + 1..end)?.trim_end_matches(['.', '-']));
        let ending = after.rsplit_once('.')?.1;
        let is_domain = ending.len() >= 2 && ending.bytes().all(|byte| byte.is_ascii_alphabetic());
        (!before.is_empty() && is_domain).then_some((before, after))
    })
}

fn is_nobodys(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    NOBODYS.iter().any(|ending| domain.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Subscriptions that are named by a UUID which isn't made up.
fn subscriptions(text: &str) -> impl Iterator<Item = &str> {
    text.split("/subscriptions/").skip(1).filter_map(|rest| rest.get(..36)).filter(|id| {
        let is_uuid = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && id.matches('-').count() == 4;
        is_uuid && !id.starts_with("00000000-")
    })
}

#[test]
fn d28_no_persons_address_and_no_subscription_is_published() {
    let mut found = Vec::new();
    let mut texts = 0;
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        texts += 1;
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(Path::new("?")).display().to_string();
        // This file has one of each, to show that they are found.
        if name.ends_with("tests/it/repository.rs") {
            continue;
        }
        for (local, domain) in addresses(&text) {
            if !is_nobodys(domain) && !SERVICES.contains(&domain) && !IMPOSSIBLE.contains(&(local, domain)) {
                found.push(format!("{name}: {local}@{domain}"));
            }
        }
        found.extend(subscriptions(&text).map(|id| format!("{name}: subscription {id}")));
    }
    assert!(texts > 300, "{texts} files are looked at");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_looked_for_is_found() {
    let text = "from jane.doe@contoso.com, anna@mail.example.com, checkout@v4, x@1.2.3, @azure/identity";
    let real: Vec<_> = addresses(text).filter(|(_, domain)| !is_nobodys(domain)).collect();
    assert_eq!(real, [("jane.doe", "contoso.com")]);
    let text = "/subscriptions/8d1c3a42-0c0e-4c8e-9a53-1c7d9e0b4f10/x /subscriptions/00000000-0000-0000-0000-000000000000 /subscriptions/{id}";
    assert_eq!(subscriptions(text).collect::<Vec<_>>(), ["8d1c3a42-0c0e-4c8e-9a53-1c7d9e0b4f10"]);
}

/// README named a file that didn't exist.
#[test]
fn pipeline_files_that_the_documents_name_exist() {
    let documents = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut named = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("a text");
        let words = text.split(|letter: char| letter.is_whitespace() || "`()[]\"',;".contains(letter));
        for word in words.filter(|word| word.starts_with("pipelines/") || word.starts_with("docs/guide/recipes/")) {
            let word = word.trim_end_matches(['.', ':']);
            if !word.ends_with(".toml") || word.contains(['*', '…', '{', '<']) || word.ends_with("FILE.toml") {
                continue;
            }
            named += 1;
            assert!(repository(word).exists(), "{} names {word}", document.display());
        }
    }
    assert!(named > 10, "{named} names");
}

//! The variables that a pipeline file refers to.

use std::collections::BTreeSet;

/// What each variable is for.
const MEANINGS: [(&str, &str); 11] = [
    ("NORDPASS_ENDPOINT_URL", "the complete URL that the NordPass Admin Panel shows beside the new token"),
    ("NORDPASS_TOKEN", "the token from the NordPass Admin Panel"),
    ("DATA_COLLECTION_ENDPOINT", "the logs ingestion URL of the data collection endpoint or rule"),
    ("DCR_IMMUTABLE_ID", "the data collection rule's immutable id, dcr-…"),
    ("AZURE_TENANT_ID", "the directory (tenant) id of the app registration"),
    ("AZURE_CLIENT_ID", "the application (client) id of the app registration"),
    ("AZURE_CLIENT_SECRET", "a secret of the app registration"),
    ("AZURE_CERTIFICATE_FILE", "the PEM file with the app registration's certificate and its private key"),
    ("AZURE_TOKEN", "a bearer token for Azure Monitor"),
    ("STATE_DIRECTORY", ""),
    ("CREDENTIALS_DIRECTORY", ""),
];

/// The variables that somebody has to set, each with its meaning.
pub(super) fn to_set(text: &str) -> Vec<(String, &'static str)> {
    let meaning = |name: &str| MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
    let used = required(text);
    let place = |name: &str| MEANINGS.iter().position(|(known, _)| *known == name).unwrap_or(MEANINGS.len());
    let mut found: Vec<(String, &'static str)> = used
        .into_iter()
        // Those without a meaning for people are set by systemd.
        .filter(|name| meaning(name) != Some(""))
        .map(|name| {
            let meaning = meaning(&name).unwrap_or("as you named it");
            (name, meaning)
        })
        .collect();
    found.sort_by_key(|(name, _)| place(name));
    found
}

/// The names of all `${NAME}` outside comments, those with a default left out.
fn required(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for (at, _) in line.match_indices("${") {
            let rest = &line[at + 2..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end > 0 && rest[end..].starts_with('}') && !line[..at].ends_with('$') {
                found.insert(rest[..end].to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_where_they_count() {
        let text = "# ${COMMENT}\na = \"${A}-${file:${DIR}/x}-${B:-${C}}-$${D}\"\nb = \"${NORDPASS_TOKEN}${A}\"\n";
        assert_eq!(required(text).into_iter().collect::<Vec<_>>(), ["A", "C", "DIR", "NORDPASS_TOKEN"]);
        let names: Vec<String> = to_set(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["NORDPASS_TOKEN", "A", "C", "DIR"]);
    }
}

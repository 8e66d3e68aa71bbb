//! A page of the list of blobs, as Azure Storage returns it in XML.

use super::BlobError;

/// How long a blob's name may be, in characters.
/// Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
const LONGEST_NAME: usize = 1_024;
/// How long a marker may be, in bytes: it becomes a part of the next request's URL.
const LONGEST_MARKER: usize = 4_096;

/// A page of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The names of blobs, at most as many as were asked for.
    pub names: Vec<String>,
    /// Where the list continues; empty at its end.
    pub next: String,
}

impl ListPage {
    /// Reads a page. Names that don't begin with the prefix, and names that would change the URL of a later request, aren't
    /// those of blobs of ours, so they are left out.
    ///
    /// Fails where it isn't a list, or holds more than `most` names.
    pub fn parse(body: &[u8], prefix: &str, most: usize) -> Result<Self, BlobError> {
        let xml = std::str::from_utf8(body).ok().filter(|xml| xml.contains("<EnumerationResults"));
        let xml = xml.ok_or_else(|| BlobError::nonsense("its response isn't a list of blobs"))?;
        let found = xml.split("<Name>").skip(1).filter_map(|rest| rest.split_once("</Name>")).map(|(name, _)| name);
        let mut names = Vec::new();
        for (number, name) in found.enumerate() {
            if number == most {
                return Err(BlobError::nonsense("its list holds more blobs than requested"));
            }
            if name.starts_with(prefix) && is_plain(name) {
                names.push(name.to_owned());
            }
        }
        let next = xml.split_once("<NextMarker>").and_then(|(_, rest)| rest.split_once("</NextMarker>"));
        let next = next.map_or("", |(next, _)| next);
        if next.len() > LONGEST_MARKER {
            return Err(BlobError::nonsense("its list of blobs doesn't advance"));
        }
        Ok(Self { names, next: next.to_owned() })
    }
}

/// Whether a name stands in a URL as it is, and names nothing above its folder.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    name.len() <= LONGEST_NAME && name.chars().all(plain) && name.split('/').all(|part| part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str], marker: &str) -> String {
        let names: String = names.iter().flat_map(|name| ["<Blob><Name>", name, "</Name></Blob>"]).collect();
        format!("<EnumerationResults><Blobs>{names}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>")
    }

    fn names(xml: &str, most: usize) -> Option<(Vec<String>, String)> {
        ListPage::parse(xml.as_bytes(), "p/", most).ok().map(|page| (page.names, page.next))
    }

    #[test]
    fn only_names_of_ours_are_taken() {
        let xml = page(&["p/a.ids", "q/b", "p/../q/b", "p/c?comp=lease", "p/&amp;", "p/d%2e", "p/x/day-1"], "2!next");
        let expected = (vec!["p/a.ids".to_owned(), "p/x/day-1".to_owned()], "2!next".to_owned());
        assert_eq!(names(&xml, 100), Some(expected));
        assert_eq!(names(&page(&[&format!("p/{}", "x".repeat(1_023))], ""), 9), Some((vec![], String::new())));
    }

    #[test]
    fn more_than_was_asked_for_is_no_list() {
        assert_eq!(names(&page(&["p/a", "p/b"], ""), 2).map(|(names, _)| names.len()), Some(2));
        assert_eq!(names(&page(&["p/a", "p/b", "q/c"], ""), 2), None);
        assert_eq!(names(&page(&[], &"m".repeat(5_000)), 2), None);
        assert_eq!((names("<html>", 2), ListPage::parse(b"\xff<EnumerationResults", "", 2).ok()), (None, None));
    }
}

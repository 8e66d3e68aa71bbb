//! A page of the list of blobs, as Azure Storage returns it in XML.

use super::{BlobError, Lease};

/// How long a blob's name may be, in characters.
/// Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
const LONGEST_NAME: usize = 1_024;
/// How long a marker may be, in bytes: it becomes a part of the next request's URL.
const LONGEST_MARKER: usize = 4_096;

/// A page of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The blobs, at most as many as were asked for.
    pub blobs: Vec<Listed>,
    /// Where the list continues; empty at its end.
    pub next: String,
}

/// A blob in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as it is: it has to be escaped in a URL.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// Its version, without quotes; empty if the list doesn't say.
    pub version: String,
    /// The state of its lease; `None` if the list doesn't say.
    pub lease: Option<Lease>,
}

impl ListPage {
    /// Reads a page. Names that don't begin with the prefix are left out.
    ///
    /// Fails where it isn't a list, or holds more than `most` blobs.
    pub fn parse(body: &[u8], prefix: &str, most: usize) -> Result<Self, BlobError> {
        let xml = std::str::from_utf8(body).ok().filter(|xml| xml.contains("<EnumerationResults"));
        let xml = xml.ok_or_else(|| BlobError::nonsense("its response isn't a list of blobs"))?;
        let mut blobs = Vec::new();
        for (number, blob) in xml.split("<Blob>").skip(1).enumerate() {
            if number == most {
                return Err(BlobError::nonsense("its list holds more blobs than requested"));
            }
            let blob = blob.split("</Blob>").next().unwrap_or_default();
            let Some(name) = name(blob).filter(|name| name.starts_with(prefix)) else { continue };
            blobs.push(Listed {
                name,
                len: element(blob, "Content-Length").and_then(|len| len.parse().ok()).unwrap_or(0),
                lease: element(blob, "LeaseState").and_then(Lease::read),
                version: element(blob, "Etag").map(unescaped).unwrap_or_default().trim_matches('"').to_owned(),
            });
        }
        let next = element(xml, "NextMarker").map(unescaped).unwrap_or_default();
        if next.len() > LONGEST_MARKER {
            return Err(BlobError::nonsense("its list of blobs doesn't advance"));
        }
        Ok(Self { blobs, next })
    }

    /// The names that stand in a URL as they are, and name nothing above their folder. Others aren't those of blobs of the
    /// checkpoint.
    pub fn plain_names(self) -> impl Iterator<Item = String> {
        self.blobs.into_iter().map(|blob| blob.name).filter(|name| is_plain(name))
    }
}

/// Whether a name stands in a URL as it is, and names nothing above its folder.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    name.len() <= LONGEST_NAME && name.chars().all(plain) && name.split('/').all(|part| part != "." && part != "..")
}

/// The content of the first element of this name, as it is written.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

/// A blob's name. One that XML can't hold is written as in a URL.
fn name(blob: &str) -> Option<String> {
    match element(blob, "Name") {
        Some(name) => Some(unescaped(name)),
        None => {
            let (_, rest) = blob.split_once("<Name Encoded=\"true\">")?;
            let (name, _) = rest.split_once("</Name>")?;
            percent_decoded(&unescaped(name))
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// A text of XML without its entities.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        match entity {
            Some((character, behind)) => {
                out.push(character);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str], marker: &str) -> String {
        let names: String = names.iter().flat_map(|name| ["<Blob><Name>", name, "</Name></Blob>"]).collect();
        format!("<EnumerationResults><Blobs>{names}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>")
    }

    fn names(xml: &str, most: usize) -> Option<(Vec<String>, String)> {
        let page = ListPage::parse(xml.as_bytes(), "p/", most).ok()?;
        let next = page.next.clone();
        Some((page.plain_names().collect(), next))
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

    #[test]
    fn a_blob_is_listed_with_what_it_is_whatever_its_name() {
        let properties = "<Properties><Last-Modified>Sun, 11 Jan 2026 10:00:00 GMT</Last-Modified>\
                          <Etag>0x8D1</Etag><Content-Length>512</Content-Length><LeaseStatus>unlocked</LeaseStatus>\
                          <LeaseState>expired</LeaseState></Properties>";
        let xml = format!(
            "<EnumerationResults><Blobs><Blob><Name>p/date=1~a b&amp;c&#x2b;</Name>{properties}</Blob>\
             <Blob><Name Encoded=\"true\">p/%EF%BF%BE</Name></Blob></Blobs><NextMarker/></EnumerationResults>"
        );
        let page = ListPage::parse(xml.as_bytes(), "p/", 9).unwrap();
        let (first, second) = (&page.blobs[0], &page.blobs[1]);
        assert_eq!((&*first.name, first.len, &*first.version), ("p/date=1~a b&c+", 512, "0x8D1"));
        assert_eq!((first.lease, second.lease), (Some(Lease::Expired), None));
        assert_eq!((&*second.name, second.len, &*page.next), ("p/\u{fffe}", 0, ""));
        assert_eq!(unescaped("a & b &nope; &#xfffffff; &"), "a & b &nope; &#xfffffff; &");
    }
}

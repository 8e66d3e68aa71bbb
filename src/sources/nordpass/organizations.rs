//! The organizations named by events.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc::UnboundedSender;

use super::error::ReadError;
use crate::event::{EventFields, Shape};
use nordpass_env::Mutex;

/// A feed has one organization or a few. More would be garbage, which must not use up memory.
const MOST: usize = 1_000;
/// Maximum bytes of a name. A UUID has 36.
const LONGEST: usize = 128;

/// Organizations by name, so that records share the text.
pub struct Organizations {
    by_name: Mutex<HashMap<String, Arc<str>>>,
    discovered: UnboundedSender<String>,
}

impl Organizations {
    /// Sends each organization's [`hash`] to `discovered` when it is first seen.
    pub fn new(discovered: UnboundedSender<String>) -> Self {
        Self { by_name: Mutex::default(), discovered }
    }

    /// The organization of an event, as written in `text`; empty if it names none. A name that is too long is cut, and
    /// a hash of the whole name appended.
    pub fn of(&self, text: &str, fields: &EventFields) -> Arc<str> {
        let cut;
        let name = match written(text, fields) {
            name if name.len() > LONGEST => {
                cut = format!("{}-{}", &name[..name.floor_char_boundary(LONGEST / 2)], hash(name));
                &cut
            }
            name => name,
        };
        let mut by_name = self.by_name.lock();
        if let Some(shared) = by_name.get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        if by_name.len() < MOST {
            by_name.insert(name.to_owned(), shared.clone());
            if !name.is_empty() {
                let _ = self.discovered.send(hash(name));
            }
        }
        shared
    }
}

/// What the source of one organization may see: events of that organization, and those that name none.
///
/// It is known by the short hashes in its state. One that has none is pinned to the first organization that it sees; one that
/// read several before it had an entry in the organizations file may go on with these.
pub struct Pin(Mutex<Vec<String>>);

impl Pin {
    /// Pins to what a state knows.
    pub fn new(known: &[String]) -> Self {
        Self(Mutex::new(known.to_vec()))
    }

    /// Checks events before any of them is sent. Returns the hash to keep in the state, if this is the first organization.
    pub fn check<'e>(
        &self,
        text: &str,
        events: impl Iterator<Item = &'e EventFields>,
    ) -> Result<Option<String>, ReadError> {
        let mut known = self.0.lock();
        let (mut last, mut first) = ("", None);
        for fields in events {
            let name = written(text, fields);
            if name.is_empty() || name == last {
                continue;
            }
            last = name;
            let hash = hash(name);
            if known.is_empty() {
                known.push(hash.clone());
                first = Some(hash);
            } else if !known.contains(&hash) {
                return Err(ReadError::OtherOrganization);
            }
        }
        Ok(first)
    }
}

/// An event's organization as it is written; empty if it names none.
fn written<'t>(text: &'t str, fields: &EventFields) -> &'t str {
    let span = fields.organization.span;
    let name = match fields.organization.shape {
        Shape::Plain | Shape::Escaped | Shape::Other => text.get(span.start as usize..span.end as usize),
        Shape::Missing | Shape::Null => None,
    };
    name.unwrap_or_default()
}

/// A short hash of an organization's UUID, which the state keeps.
fn hash(organization: &str) -> String {
    blake3::hash(organization.as_bytes()).to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Text, parse_event};

    fn events(names: &[&str]) -> (Text, Vec<EventFields>) {
        let objects: Vec<String> = names.iter().map(|name| format!(r#"{{"organization_uuid":"{name}"}}"#)).collect();
        let text = Text::from(format!("{}{{}}", objects.concat()));
        let mut at = 0;
        let mut fields = Vec::new();
        for object in objects.iter().map(String::as_str).chain(["{}"]) {
            fields.push(parse_event(&text, &text[at..at + object.len()]).expect("an object"));
            at += object.len();
        }
        (text, fields)
    }

    #[test]
    fn a_pin_takes_the_first_organization_and_refuses_the_next() {
        let pin = Pin::new(&[]);
        let check = |pin: &Pin, names: &[&str]| {
            let (text, fields) = events(names);
            pin.check(&text, fields.iter())
        };
        assert_eq!(check(&pin, &[]), Ok(None), "events without an organization");
        assert_eq!(check(&pin, &["a", "a"]), Ok(Some(hash("a"))));
        assert_eq!(check(&pin, &["a"]), Ok(None));
        assert_eq!(check(&pin, &["a", "b"]), Err(ReadError::OtherOrganization));
        assert_eq!(check(&Pin::new(&[]), &["a", "b"]), Err(ReadError::OtherOrganization), "on one page");
        let known = Pin::new(&[hash("b"), hash("c")]);
        assert_eq!(check(&known, &["b", "c"]), Ok(None));
        assert_eq!(check(&known, &["a"]), Err(ReadError::OtherOrganization));
    }

    /// Twelve responses with names of 100 KB took 263 MB for good.
    #[test]
    fn names_and_their_number_are_bounded() {
        let (discovered, _seen) = tokio::sync::mpsc::unbounded_channel();
        let organizations = Organizations::new(discovered);
        let name = |name: &str| {
            let text = Text::from(format!(r#"{{"organization_uuid":"{name}"}}"#));
            organizations.of(&text, &parse_event(&text, &text).expect("an object"))
        };
        for number in 0..3 * MOST {
            name(&format!("{}{number}", "é".repeat(300)));
        }
        let kept = organizations.by_name.lock();
        assert_eq!((kept.len(), kept.keys().all(|name| name.len() <= LONGEST)), (MOST, true));
        drop(kept);
        assert_eq!(&*name("6f2c"), "6f2c");
        assert_ne!(name(&"x".repeat(300)), name(&"x".repeat(301)), "no two share a file");
    }
}

//! The organizations named by events.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc::UnboundedSender;

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
        let span = fields.organization.span;
        let name = match fields.organization.shape {
            Shape::Plain | Shape::Escaped | Shape::Other => text.get(span.start as usize..span.end as usize),
            Shape::Missing | Shape::Null => None,
        };
        let cut;
        let name = match name.unwrap_or_default() {
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

/// A short hash of an organization's UUID, which the state keeps.
fn hash(organization: &str) -> String {
    blake3::hash(organization.as_bytes()).to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Text, parse_event};

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

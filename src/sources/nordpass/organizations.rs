//! The organizations that events name.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc::UnboundedSender;

use crate::event::{EventFields, Shape};
use nordpass_env::Mutex;

/// A feed has one organization, or few. More than this would be nonsense that must not take memory.
const MOST: usize = 10_000;

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

    /// The organization of an event of this text, as it is written there; empty where it names none.
    pub fn of(&self, text: &str, fields: &EventFields) -> Arc<str> {
        let span = fields.organization.span;
        let name = match fields.organization.shape {
            Shape::Plain | Shape::Escaped | Shape::Other => text.get(span.start as usize..span.end as usize),
            Shape::Missing | Shape::Null => None,
        };
        let name = name.unwrap_or_default();
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

/// A short hash of an organization's UUID: what the state keeps of it.
fn hash(organization: &str) -> String {
    blake3::hash(organization.as_bytes()).to_hex()[..12].to_owned()
}

//! Shared text and spans of it.
//!
//! A page or a block of a file is checked for UTF-8 once and stored once. Records, fields and rows are spans of it, so that
//! passing an event on copies no bytes.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::{Field, buffers, entries::Noted};

/// The text that a chunk's records point into. Cloning shares it.
#[derive(Clone, Default)]
pub struct Text(Arc<Shared>);

#[derive(Default)]
struct Shared {
    text: String,
    /// See [`super::MetadataEntries`].
    noted: OnceLock<Vec<(Field, Field)>>,
    /// Dropped with the text: what it takes of a bound.
    _held: Option<Held>,
}

/// What lives as long as a text does.
pub type Held = Arc<dyn std::any::Any + Send + Sync>;

impl Drop for Shared {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.text).into_bytes());
    }
}

impl Text {
    /// Takes the bytes of a response or a file block. Bytes that aren't UTF-8 are replaced by U+FFFD: one bad byte must not cost
    /// the other events of its page. The second value is whether that happened.
    pub fn from_bytes(bytes: Vec<u8>) -> (Self, bool) {
        match String::from_utf8(bytes) {
            Ok(text) => (Self::from(text), false),
            Err(error) => (Self::from(String::from_utf8_lossy(error.as_bytes()).into_owned()), true),
        }
    }

    /// The same, and `held` lives as long as the text. `None` where so many bytes aren't UTF-8 that their replacements would
    /// take more memory than they.
    pub fn held_from_bytes(bytes: Vec<u8>, held: Option<Held>) -> Option<(Self, bool)> {
        let shared = |text, held| Self(Arc::new(Shared { text, noted: OnceLock::new(), _held: held }));
        match String::from_utf8(bytes) {
            Ok(text) => Some((shared(text, held), false)),
            Err(error) => {
                let bytes = error.as_bytes();
                let replaced = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
                let text = (replaced <= (bytes.len() / 16).max(1 << 16))
                    .then(|| String::from_utf8_lossy(bytes).into_owned())?;
                Some((shared(text, held), true))
            }
        }
    }

    /// The text at a span; empty when the span isn't of this text.
    pub fn at(&self, span: Span) -> &str {
        self.0.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Stores the entries of a parse. The first parse's stay, because fields point to them.
    pub(in crate::event) fn note(&self, entries: Vec<(Field, Field)>) {
        let _ = self.0.noted.set(entries);
    }

    pub(in crate::event) fn noted(&self, which: Noted) -> Option<&[(Field, Field)]> {
        which.of(self.0.noted.get()?)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Arc::new(Shared { text, noted: OnceLock::new(), _held: None }))
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0.text
    }
}

/// Doesn't show the text: it has people's data, and `Debug` ends up in logs.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.text.len())
    }
}

/// A range of bytes of a [`Text`]. A text is never longer than 4 GiB: responses and blocks have much lower bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from byte offsets.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    /// The span of `part` in `whole`. `part` has to be a slice of `whole`.
    pub fn of(whole: &str, part: &str) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        debug_assert!(start + part.len() <= whole.len(), "a span of another text");
        Self::new(start, start + part.len())
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

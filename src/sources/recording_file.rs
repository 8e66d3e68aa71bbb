//! Recordings on the disk, for commands that read them once and keep no state.

use super::file::locations::cant_look;
use super::file::{format, reader};
use crate::component::ComponentError;

pub use super::file::az::is_az;
pub use super::file::blobs::BlobSettings;
pub use super::file::locations::Locations;
pub use reader::Block;

/// What a recording is, for hints.
const A_RECORDING: &str = "a recording contains raw events or whole API pages, one per line, plain or as .gz or .zst";

/// The files that these patterns match, in the order of their names. None is an error.
pub async fn files(locations: &Locations, patterns: &[String]) -> Result<Vec<String>, ComponentError> {
    let names = patterns.join(", ");
    let files = locations.expand(patterns).await.map_err(|error| cant_look(patterns, &error))?;
    if files.is_empty() {
        return Err(ComponentError::new(format!("no file matches {names}")).hint(A_RECORDING));
    }
    Ok(files)
}

/// The error for files without an event.
pub fn without_events(files: &[String]) -> ComponentError {
    ComponentError::new(format!("{} contain no events", files.join(", "))).hint(A_RECORDING)
}

/// A recording that is being read.
pub struct RecordingFile {
    path: String,
    reader: reader::Reader,
}

impl RecordingFile {
    /// Opens a recording at its beginning.
    pub async fn open(locations: &Locations, path: &str) -> Result<Self, ComponentError> {
        Ok(Self { path: path.to_owned(), reader: reader::Reader::open(locations, path).await? })
    }

    /// The next whole lines; `None` at the end. An error if the first ones aren't those of a recording.
    pub async fn next(&mut self) -> Result<Option<Block>, ComponentError> {
        let block = self.reader.next().await?;
        if let Some(first) = block.as_ref().filter(|block| block.offset == 0) {
            format::check(&self.path, &first.bytes)?;
        }
        Ok(block)
    }
}

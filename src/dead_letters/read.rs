//! Reads dead letters, also while the pipeline writes more.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::blobs::{Blobs, part_of};
use super::folder::Folder;
use super::marks::Marks;
use super::stored::StoredDeadLetter;
use crate::azure::blob::Container;
use nordpass_env::{Disk, Env};

/// The dead letters of a `data_dir`, or of a container.
#[derive(Clone)]
pub struct DeadLetterFolder {
    pub(super) folder: Folder,
}

impl DeadLetterFolder {
    /// The dead letters below `data_dir`.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        let disk = disk.private(data_dir).unwrap_or(disk);
        Self { folder: Folder::Disk { disk, dir: data_dir.join("dead-letters") } }
    }

    /// The dead letters in a container, below `prefix`, which is empty or ends with a slash.
    pub fn in_blobs(container: Container, prefix: &str, env: &Env) -> Self {
        let prefix = format!("{prefix}dead-letters/");
        Self { folder: Folder::Blobs(Blobs { container, prefix, env: env.clone() }) }
    }

    /// Lists all dead letters, by component and in the order of writing, without duplicates.
    pub async fn list(&self) -> io::Result<Vec<StoredDeadLetter>> {
        let names = self.folder.names().await?;
        let mut files: Vec<(&str, u32, &String)> =
            names.iter().filter_map(|name| part_of(name).map(|(stem, number)| (stem, number, name))).collect();
        files.retain(|(stem, ..)| !stem.contains('.'));
        files.sort_unstable();
        let mut dead_letters = Vec::new();
        for files in files.chunk_by(|a, b| a.0 == b.0) {
            let component = files[0].0;
            let marks = Marks::read(&self.folder, &names, component).await?;
            let mut seen = HashSet::new();
            for (_, _, file) in files {
                let each = |range, line: &[u8]| {
                    let Ok(found) = serde_json::from_slice::<StoredDeadLetter>(line) else { return };
                    if seen.insert((found.id.clone(), found.stream.clone())) {
                        let mark = marks.of(&found.id, found.stream.as_deref()).cloned();
                        let (component, file) = (component.to_owned(), (*file).clone());
                        dead_letters.push(StoredDeadLetter { component, mark, file, range, ..found });
                    }
                };
                self.folder.lines(file, each).await?;
            }
        }
        Ok(dead_letters)
    }

    /// A dead letter's record as JSON: unchanged if it is JSON, else as a string.
    pub async fn record(&self, dead_letter: &StoredDeadLetter) -> io::Result<String> {
        let line = self.folder.read_at(&dead_letter.file, dead_letter.range).await?;
        let fields: HashMap<&str, &RawValue> = serde_json::from_slice(&line)?;
        let record = fields.get("record").ok_or(io::ErrorKind::InvalidData)?;
        Ok(record.get().to_owned())
    }
}

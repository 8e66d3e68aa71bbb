//! Reading dead letters, also while the pipeline writes more of them.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::blobs::{Blobs, part_of};
use super::file_stem;
use super::folder::Folder;
use super::log::LineRange;
use super::marks::{Mark, Marks};
use crate::azure::blob::Container;
use nordpass_env::{Disk, Env};

/// The dead letters of a `data_dir`, or of a container.
#[derive(Clone)]
pub struct DeadLetterFolder {
    pub(super) folder: Folder,
}

/// One letter without its record, which may be large and holds people's data.
#[derive(Clone, Debug)]
pub struct StoredDeadLetter {
    /// The component that wrote it, as its file is named.
    pub component: String,
    /// The event's id, 32 hexadecimal digits.
    pub id: String,
    /// Where it was meant to go; `None` for what a source couldn't read.
    pub stream: Option<String>,
    /// Why it was refused, in a sentence.
    pub reason: String,
    /// The destination's HTTP status.
    pub status: Option<u16>,
    /// The destination's error code.
    pub code: Option<String>,
    /// The destination's request id.
    pub request_id: Option<String>,
    /// When, in Unix seconds (UTC).
    pub time: i64,
    /// What became of sending it again.
    pub mark: Option<Mark>,
    file: String,
    place: LineRange,
}

/// A line of the file, without the record.
#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    time: i64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    record: &'a RawValue,
}

impl DeadLetterFolder {
    /// The dead letters below `data_dir`.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        Self { folder: Folder::Disk { disk, dir: data_dir.join("dead-letters") } }
    }

    /// The dead letters in a container, below `prefix`, which is empty or ends with a slash.
    pub fn in_blobs(container: Container, prefix: &str, env: &Env) -> Self {
        let prefix = format!("{prefix}dead-letters/");
        Self { folder: Folder::Blobs(Blobs { container, prefix, env: env.clone() }) }
    }

    /// Whether a file of letters is this component's.
    pub fn is_of(letter: &StoredDeadLetter, component: &str) -> bool {
        letter.component == file_stem(component)
    }

    /// All letters, by component, each component's in the order of writing. One that was written twice is there once.
    pub async fn letters(&self) -> io::Result<Vec<StoredDeadLetter>> {
        let names = self.folder.names().await?;
        let mut files: Vec<(&str, u32, &String)> =
            names.iter().filter_map(|name| part_of(name).map(|(stem, number)| (stem, number, name))).collect();
        files.retain(|(stem, ..)| !stem.contains('.'));
        files.sort_unstable();
        let mut letters = Vec::new();
        for files in files.chunk_by(|a, b| a.0 == b.0) {
            let component = files[0].0;
            let marks = Marks::read(&self.folder, &names, component).await?;
            let mut seen = HashSet::new();
            for (_, _, file) in files {
                let each = |place, line: &[u8]| {
                    let Ok(head) = serde_json::from_slice::<Head>(line) else { return };
                    if !seen.insert((head.id.clone(), head.stream.clone())) {
                        return;
                    }
                    letters.push(StoredDeadLetter {
                        component: component.to_owned(),
                        mark: marks.of(&head.id, head.stream.as_deref()).cloned(),
                        id: head.id,
                        stream: head.stream,
                        reason: head.reason,
                        status: head.status,
                        code: head.code,
                        request_id: head.request_id,
                        time: head.time,
                        file: (*file).clone(),
                        place,
                    });
                };
                self.folder.lines(file, each).await?;
            }
        }
        Ok(letters)
    }

    /// A letter's record as JSON: as it is where it is JSON, as a string where it isn't.
    pub async fn record(&self, letter: &StoredDeadLetter) -> io::Result<String> {
        let line = self.folder.read_at(&letter.file, letter.place).await?;
        let body: Body<'_> = serde_json::from_slice(&line)?;
        Ok(body.record.get().to_owned())
    }
}

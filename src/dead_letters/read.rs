//! Reading dead letters, also while the pipeline writes more of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::log::{Place, lines};
use super::marks::{Mark, Marks};
use super::{file_stem, folder};
use crate::handles::Disk;

/// The dead letters of a `data_dir`.
#[derive(Clone)]
pub struct Shelf {
    pub(super) disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// One letter without its record, which may be large and holds people's data.
#[derive(Clone, Debug)]
pub struct Letter {
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
    place: Place,
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

impl Shelf {
    /// The dead letters below `data_dir`.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        Self { disk, dir: folder(data_dir) }
    }

    /// Whether a file of letters is this component's.
    pub fn is_of(letter: &Letter, component: &str) -> bool {
        letter.component == file_stem(component)
    }

    /// All letters, by component, each component's in the order of writing.
    pub async fn letters(&self) -> io::Result<Vec<Letter>> {
        let mut letters = Vec::new();
        for file in self.disk.list(&self.dir).await? {
            let Some(component) = file.name.strip_suffix(".ndjson").filter(|stem| !stem.contains('.')) else {
                continue;
            };
            let marks = Marks::read(self.disk.as_ref(), &self.marks_path(component)).await?;
            let each = |place, line: &[u8]| {
                let Ok(head) = serde_json::from_slice::<Head>(line) else { return };
                letters.push(Letter {
                    component: component.to_owned(),
                    mark: marks.of(&head.id, head.stream.as_deref()).cloned(),
                    id: head.id,
                    stream: head.stream,
                    reason: head.reason,
                    status: head.status,
                    code: head.code,
                    request_id: head.request_id,
                    time: head.time,
                    place,
                });
            };
            lines(self.disk.as_ref(), &self.dir.join(&file.name), each).await?;
        }
        Ok(letters)
    }

    /// A letter's record as JSON: as it is where it is JSON, as a string where it isn't.
    pub async fn record(&self, letter: &Letter) -> io::Result<String> {
        let Place { offset, len } = letter.place;
        let path = self.dir.join(format!("{}.ndjson", letter.component));
        let line = self.disk.read_at(&path, offset, len).await?;
        let body: Body<'_> = serde_json::from_slice(&line)?;
        Ok(body.record.get().to_owned())
    }

    /// The file of a component's marks. A stem holds no dot, so no component's letters have this name.
    pub(super) fn marks_path(&self, stem: &str) -> PathBuf {
        self.dir.join(format!("{stem}.resent.ndjson"))
    }

    /// The lock of whoever sends letters again.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.dir.join("resend.lock")
    }
}

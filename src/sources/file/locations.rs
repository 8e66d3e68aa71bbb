//! Where recordings are: files of this machine, and blobs.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::az::{self, AzPath};
use super::blobs::{BlobSettings, Blobs};
use super::paths;
use crate::component::ComponentError;
use crate::telemetry::ComponentReporter;
use nordpass_env::{Disk, Env, FileStat, OpenFile};

/// The error for patterns that can't be expanded.
pub fn cant_look(patterns: &[String], error: &io::Error) -> ComponentError {
    let hint = if patterns.iter().any(|pattern| az::is_az(pattern)) {
        "check the account, the container and the identity's role"
    } else {
        "let the user that runs this program read these folders"
    };
    ComponentError::new(format!("can't look for {}: {error}", patterns.join(", "))).hint(hint)
}

/// Opens recordings by their paths. Clones share what they know of blobs.
#[derive(Clone)]
pub struct Locations {
    disk: Arc<dyn Disk>,
    blobs: Option<Arc<Blobs>>,
}

impl Locations {
    /// Files of this machine only.
    pub fn disk(disk: Arc<dyn Disk>) -> Self {
        Self { disk, blobs: None }
    }

    /// Files, and the blobs that these settings reach. A component that reads them waits as long as Azure can't be reached, and
    /// says so; without one, that is an error.
    pub fn new(blobs: Option<&BlobSettings>, env: &Env, telemetry: Option<&ComponentReporter>) -> Self {
        let blobs = blobs.map(|settings| Arc::new(Blobs::new(settings, env, telemetry)));
        Self { disk: env.disk.clone(), blobs }
    }

    /// The recordings that match any of the patterns, sorted, each once.
    pub async fn expand(&self, patterns: &[String]) -> io::Result<Vec<String>> {
        let (blobs, files): (Vec<String>, Vec<String>) =
            patterns.iter().cloned().partition(|pattern| az::is_az(pattern));
        let mut found: BTreeSet<String> = paths::expand(self.disk.as_ref(), &files).await?.into_iter().collect();
        for pattern in blobs {
            found.extend(self.blobs()?.expand(&AzPath::parse(&pattern).map_err(io::Error::other)?).await?);
        }
        Ok(found.into_iter().collect())
    }

    /// What is at a path; `None` when nothing is there. Of a blob: what the list said.
    pub async fn stat(&self, path: &str) -> io::Result<Option<FileStat>> {
        if az::is_az(path) { Ok(self.blobs()?.stat(path)) } else { self.disk.stat(Path::new(path)).await }
    }

    /// Opens a recording. What is read from then on is this one, whatever its name comes to mean.
    pub async fn open(&self, path: &str) -> io::Result<Box<dyn OpenFile>> {
        if !az::is_az(path) {
            return self.disk.open(Path::new(path)).await;
        }
        let path = AzPath::parse(path).map_err(io::Error::other)?;
        Ok(Box::new(Blobs::open(self.blobs()?, &path).await?))
    }

    fn blobs(&self) -> io::Result<&Arc<Blobs>> {
        self.blobs.as_ref().ok_or_else(|| io::Error::other("blobs can't be read here: download them first"))
    }
}

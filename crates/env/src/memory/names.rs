//! The names on the disk, and which of them are durable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::Random;

/// Names the content of a file, whatever the file is called.
pub type Inode = u64;

/// Files and folders by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub files: BTreeMap<PathBuf, Inode>,
    pub folders: BTreeSet<PathBuf>,
}

/// A change of names that isn't durable yet.
#[derive(Debug)]
pub enum NameChange {
    Folder(PathBuf),
    Link(PathBuf, Inode),
    Unlink(PathBuf),
    Rename { from: PathBuf, to: PathBuf, inode: Inode },
}

/// The names as programs see them, as they are on the disk, and what lies between.
#[derive(Debug, Default)]
pub struct Names {
    pub live: Tree,
    pub durable: Tree,
    pending: Vec<NameChange>,
}

/// A path without `.` parts, so that `./a` and `a` are one file.
pub fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Whether a path is where paths begin.
pub fn is_root(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir == Path::new("/")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Folder(path) | Self::Link(path, _) | Self::Unlink(path) => parent(path) == dir,
            Self::Rename { from, to, .. } => parent(from) == dir || parent(to) == dir,
        }
    }
}

impl Tree {
    pub fn has_folder(&self, dir: &Path) -> bool {
        is_root(dir) || self.folders.contains(dir)
    }

    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Folder(path) => {
                self.folders.insert(path.clone());
            }
            NameChange::Link(path, inode) => {
                self.files.insert(path.clone(), *inode);
            }
            NameChange::Unlink(path) => {
                self.files.remove(path);
            }
            NameChange::Rename { from, to, inode } => {
                // Only if the old name still means this file: it may have been made anew since.
                if self.files.get(from) == Some(inode) {
                    self.files.remove(from);
                }
                self.files.insert(to.clone(), *inode);
            }
        }
    }

    /// A name in a folder that is gone is gone, too.
    fn drop_orphans(&mut self) {
        let folders = self.folders.clone();
        let there = |path: &Path| path.ancestors().skip(1).all(|dir| is_root(dir) || folders.contains(dir));
        self.files.retain(|path, _| there(path));
        self.folders.retain(|path| there(path));
    }
}

impl Names {
    pub fn change(&mut self, change: NameChange) {
        self.live.apply(&change);
        self.pending.push(change);
    }

    /// Makes the changes in one folder durable, in their order.
    pub fn sync(&mut self, dir: &Path) {
        for change in std::mem::take(&mut self.pending) {
            if change.is_in(dir) { self.durable.apply(&change) } else { self.pending.push(change) }
        }
    }

    /// What a power cut leaves: by the seed either the first so many changes, as a journal keeps them, or any of them.
    pub fn crash(&mut self, random: &dyn Random) {
        let pending = std::mem::take(&mut self.pending);
        let journal = random.next_u64().is_multiple_of(2);
        let kept = random.next_u64() % (pending.len() as u64 + 1);
        for (number, change) in pending.iter().enumerate() {
            let survives = if journal { (number as u64) < kept } else { random.next_u64().is_multiple_of(2) };
            if survives {
                self.durable.apply(change);
            }
        }
        self.durable.drop_orphans();
        self.live = self.durable.clone();
    }

    /// Whether any name, durable or not, means this content.
    pub fn mentions(&self, inode: Inode) -> bool {
        self.live.files.values().chain(self.durable.files.values()).any(|known| *known == inode)
            || self.pending.iter().any(|change| {
                matches!(change, NameChange::Link(_, known) | NameChange::Rename { inode: known, .. } if *known == inode)
            })
    }
}

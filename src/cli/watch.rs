//! Tells when pipeline files change, or what they say of organizations, whoever changes them and however: an editor that renames a new file over the old one,
//! Kubernetes that points a link to another folder, a share in the network.
//!
//! It looks once a second at what the names lead to, and reads only what looks different. Notifications of the operating
//! system would tell sooner, but they don't exist on shares and in some containers, are bounded in number on each machine, and
//! follow files instead of names ([ADR 0032](../../docs/adr/0032-reload-by-component.md)).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::Stream;
use futures::stream::unfold;
use tokio::time::sleep;

use crate::pipeline::{OrganizationPlaces, read_files};
use crate::settings::Environment;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// What has changed is read when it has stayed the same for this long: nobody saves all files of a set in one moment.
const CALM: Duration = Duration::from_millis(300);

/// What is watched.
pub(super) struct Watched {
    /// Files, and folders of pipeline files.
    pub files: Vec<PathBuf>,
    /// Files of variables.
    pub variables: Vec<PathBuf>,
}

/// What is known of the files without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Looks(Vec<(PathBuf, Option<Look>)>);

/// A file's size, time of change and number.
type Look = (u64, Option<SystemTime>, u64);

/// The hash of all contents, or of what keeps them from being read.
type Contents = blake3::Hash;

/// What was found, when the files were read.
struct Found {
    contents: Contents,
    /// Where the organizations are, as the pipeline files say.
    organizations: Option<OrganizationPlaces>,
}

impl Watched {
    fn looks(&self, organizations: Option<&OrganizationPlaces>) -> Looks {
        let mut looks = Vec::new();
        // Of the secrets only the folder: there may be thousands, and a new name changes it.
        for path in organizations.iter().flat_map(|places| [&places.file, &places.secrets_dir]) {
            looks.push((path.clone(), look(path)));
        }
        for path in self.files.iter().chain(&self.variables) {
            looks.push((path.clone(), look(path)));
            let Ok(entries) = std::fs::read_dir(path) else { continue };
            let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            inside.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
            inside.sort();
            looks.extend(inside.into_iter().map(|path| {
                let found = look(&path);
                (path, found)
            }));
        }
        Looks(looks)
    }

    fn read(&self) -> Found {
        let mut organizations = None;
        let mut hasher = blake3::Hasher::new();
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        match read_files(&self.files) {
            Ok(files) => {
                for (path, text) in &files {
                    add(path.as_os_str().as_encoded_bytes());
                    add(text.as_bytes());
                }
                let environment = Environment::system().or_files(&self.variables);
                let environment = environment.map_or_else(|_| Environment::system(), |(environment, _)| environment);
                organizations = OrganizationPlaces::of(&files, &environment);
            }
            Err(found) => found.iter().for_each(|diagnostic| add(diagnostic.message.as_bytes())),
        }
        // What can't be read, or is no text, is told by whoever reads it to use it.
        self.variables.iter().for_each(|path| add(&std::fs::read(path).unwrap_or_default()));
        if let Some(OrganizationPlaces { file, secrets_dir }) = &organizations {
            add(&std::fs::read(file).unwrap_or_default());
            for (name, length) in secrets(secrets_dir) {
                add(name.as_encoded_bytes());
                add(&length.to_le_bytes());
            }
        }
        Found { contents: hasher.finalize(), organizations }
    }
}

/// The names and lengths of the secrets: whether a name is there, and whether it was repaired. A renewed one is read when it is used.
fn secrets(folder: &Path) -> Vec<(OsString, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let visible = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut secrets: Vec<_> = visible.map(|entry| (entry.file_name(), length(&entry.path()))).collect();
    secrets.sort();
    secrets
}

/// Links lead to what they lead to now.
fn look(path: &Path) -> Option<Look> {
    let found = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&found);
    #[cfg(not(unix))]
    let number = 0;
    Some((found.len(), found.modified().ok(), number))
}

/// An item whenever the contents have changed, from what they are now.
pub(super) fn changes(watched: Watched) -> impl Stream<Item = ()> {
    let seen = watched.read();
    let looks = watched.looks(seen.organizations.as_ref());
    unfold((watched, looks, seen), |(watched, mut looks, mut seen)| async move {
        loop {
            sleep(LOOK).await;
            let mut now = watched.looks(seen.organizations.as_ref());
            if now == looks {
                continue;
            }
            loop {
                sleep(CALM).await;
                let later = watched.looks(seen.organizations.as_ref());
                if later == now {
                    break;
                }
                now = later;
            }
            looks = now;
            let found = watched.read();
            let is_other = found.contents != seen.contents;
            // Where the organizations are somewhere else now, these look different the next time, and are read once more.
            seen = found;
            if is_other {
                return Some(((), (watched, looks, seen)));
            }
        }
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use futures::{StreamExt, poll};

    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).expect("works");
    }

    /// Whether a change is told within a few looks.
    async fn is_told(changes: &mut (impl Stream<Item = ()> + Unpin)) -> bool {
        tokio::time::timeout(5 * LOOK, changes.next()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_editor_may_write_or_rename_and_a_touch_is_no_change() {
        let folder = tempfile::tempdir().expect("works");
        let path = |name: &str| folder.path().join(name);
        let (file, variables) = (path("a.toml"), path("a.env"));
        write(&file, "one");
        write(&variables, "A=1");
        let watched = Watched { files: vec![file.clone()], variables: vec![variables.clone()] };
        let mut changes = Box::pin(changes(watched));
        assert!(!is_told(&mut changes).await, "nothing has changed");
        write(&file, "three");
        assert!(is_told(&mut changes).await);
        write(&path("new"), "seven");
        std::fs::rename(path("new"), &file).expect("works");
        assert!(is_told(&mut changes).await);
        write(&path("same"), "seven");
        std::fs::rename(path("same"), &file).expect("works");
        assert!(!is_told(&mut changes).await, "the same text in another file");
        write(&variables, "A=22");
        assert!(is_told(&mut changes).await);
        std::fs::remove_file(&file).expect("works");
        assert!(is_told(&mut changes).await, "it is told as what it is: a file that is missing");
        write(&file, "seven");
        assert!(is_told(&mut changes).await);
    }

    /// Kubernetes makes a new folder, and renames a link to it over `..data`.
    #[tokio::test(start_paused = true)]
    async fn a_mounted_config_map_is_seen_through_its_links() {
        let folder = tempfile::tempdir().expect("works");
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            std::fs::create_dir(path(version)).expect("works");
            write(&path(version).join("a.toml"), text);
        }
        symlink("..1", path("..data")).expect("works");
        symlink("..data/a.toml", path("a.toml")).expect("works");
        for files in [vec![path("a.toml")], vec![folder.path().to_owned()]] {
            let mut changes = Box::pin(changes(Watched { files, variables: Vec::new() }));
            for version in ["..2", "..1"] {
                assert!(!is_told(&mut changes).await);
                symlink(version, path("..next")).expect("works");
                std::fs::rename(path("..next"), path("..data")).expect("works");
                assert!(is_told(&mut changes).await);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn organizations_and_the_names_of_their_secrets_are_watched_where_the_set_says() {
        let folder = tempfile::tempdir().expect("works");
        let path = |name: &str| folder.path().join(name);
        let set = |file: &str| {
            let [file, secrets] = [path(file), path("secrets")].map(|path| path.display().to_string());
            write(
                &path("a.toml"),
                &format!("[organizations]\nfile = {file:?}\nsecrets_dir = {secrets:?}\nwrong = 1\n"),
            );
        };
        std::fs::create_dir(path("secrets")).expect("works");
        write(&path("one.csv"), "one");
        set("one.csv");
        let mut changes = Box::pin(changes(Watched { files: vec![path("a.toml")], variables: Vec::new() }));
        assert!(!is_told(&mut changes).await);
        write(&path("one.csv"), "one, two");
        assert!(is_told(&mut changes).await);
        write(&path("secrets/two"), "hidden");
        assert!(is_told(&mut changes).await);
        write(&path("secrets/.new"), "HIDDEN");
        std::fs::rename(path("secrets/.new"), path("secrets/two")).expect("works");
        assert!(!is_told(&mut changes).await, "a renewed one is read when it is used");
        set("two.csv");
        assert!(is_told(&mut changes).await);
        write(&path("two.csv"), "two");
        assert!(is_told(&mut changes).await, "the file that it says now");
        write(&path("one.csv"), "nobody reads it");
        assert!(!is_told(&mut changes).await);
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_together_are_one_change() {
        let folder = tempfile::tempdir().expect("works");
        let path = |name: &str| folder.path().join(name);
        write(&path("a.toml"), "one");
        let mut changes = Box::pin(changes(Watched { files: vec![folder.path().to_owned()], variables: Vec::new() }));
        let mut next = changes.next();
        for number in 0..20 {
            write(&path(&format!("{number}.toml")), "new");
            assert!(poll!(&mut next).is_pending());
            tokio::time::advance(CALM / 2).await;
        }
        next.await;
        assert!(!is_told(&mut changes).await);
    }
}

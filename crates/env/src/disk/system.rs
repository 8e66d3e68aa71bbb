//! The machine's file system.
//!
//! Whatever is made here is its owner's alone, whatever the umask: most of it is about people.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::super::file::{SystemFile, open_regular};
use super::private::PrivateDisk;
use super::{Disk, DiskLock, FileEntry, FileStat, IoFuture, OpenFile, process};

/// The machine's file system. Calls that may wait for the device run on tokio's blocking threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

fn blocking<'a, T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> IoFuture<'a, T> {
    let path = path.to_owned();
    Box::pin(in_thread(move || work(&path)))
}

/// Runs what may wait for the device.
pub async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Options that make a file which is its owner's alone.
fn making() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_folders(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Appends, and answers where the data begins.
fn write_to_end(path: &Path, data: &[u8], sync: bool) -> io::Result<u64> {
    let mut file = making().append(true).open(path)?;
    file.write_all(data)?;
    // Where the operating system has put it, whatever anybody else has written meanwhile.
    let end = file.stream_position()?;
    if sync {
        file.sync_data()?;
    }
    Ok(end.saturating_sub(data.len() as u64))
}

/// Several file systems have no way to make names durable (network shares, FUSE) and say so. They do what they can.
fn names_synced(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// What is found at a path; `None` where nothing is.
fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// What `pick` takes from the entries of a folder, sorted.
fn entries<T: Ord>(dir: &Path, pick: impl Fn(&DirEntry) -> io::Result<Option<T>>) -> io::Result<Vec<T>> {
    let entries = unless_missing(fs::read_dir(dir))?.into_iter().flatten();
    let picked = entries.filter_map(|entry| entry.and_then(|entry| pick(&entry)).transpose());
    let mut picked = picked.collect::<io::Result<Vec<T>>>()?;
    picked.sort();
    Ok(picked)
}

fn name_of(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

/// The path itself, or the nearest folder above it that is there.
fn check_writable(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    for at in path.ancestors() {
        match fs::metadata(at) {
            Ok(found) if found.is_dir() => return may_write(at, true),
            Ok(found) if at == path && found.is_file() => return may_write(at, false),
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(unix)]
fn may_write(path: &Path, folder: bool) -> io::Result<()> {
    use rustix::fs::{Access, access};
    access(path, if folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK }).map_err(io::Error::from)
}

#[cfg(not(unix))]
fn may_write(path: &Path, folder: bool) -> io::Result<()> {
    match fs::metadata(path)?.permissions().readonly() && !folder {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

/// Whether something at this path is a symbolic link, wherever it leads.
pub(super) async fn is_link(path: &Path) -> io::Result<bool> {
    let metadata = blocking(path, |path| unless_missing(fs::symlink_metadata(path))).await?;
    Ok(metadata.is_some_and(|metadata| metadata.file_type().is_symlink()))
}

impl Disk for SystemDisk {
    fn check_writable<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, check_writable)
    }

    fn create_dir_all<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        blocking(dir, make_folders)
    }

    fn list<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<FileEntry>> {
        blocking(dir, |dir| {
            entries(dir, |entry| {
                let metadata = entry.metadata()?;
                Ok(metadata.is_file().then(|| FileEntry { name: name_of(entry), len: metadata.len() }))
            })
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        blocking(dir, |dir| entries(dir, |entry| Ok(entry.file_type()?.is_dir().then(|| name_of(entry)))))
    }

    fn list_with_links<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, Vec<String>> {
        blocking(dir, |dir| {
            entries(dir, |entry| {
                let kind = entry.file_type()?;
                // A link to nothing is nothing.
                let links = || kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
                Ok((kind.is_file() || links()).then(|| name_of(entry)))
            })
        })
    }

    fn stat<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<FileStat>> {
        blocking(path, |path| Ok(unless_missing(fs::metadata(path))?.map(|metadata| FileStat::of(&metadata))))
    }

    fn open<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn OpenFile>> {
        blocking(path, |path| Ok(Box::new(SystemFile::open(path)?) as Box<dyn OpenFile>))
    }

    fn len<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u64>> {
        blocking(path, |path| Ok(unless_missing(fs::metadata(path))?.map(|metadata| metadata.len())))
    }

    fn read_into<'a>(&'a self, path: &'a Path, offset: u64, limit: usize, buffer: Vec<u8>) -> IoFuture<'a, Vec<u8>> {
        blocking(path, move |path| {
            let mut buffer = buffer;
            let (mut file, stat) = open_regular(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let there = stat.len.saturating_sub(offset);
            buffer.clear();
            buffer.reserve(usize::try_from(there).unwrap_or(usize::MAX).min(limit));
            file.take(limit as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        })
    }

    fn append<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        let data = data.to_vec();
        blocking(path, move |path| write_to_end(path, &data, false).map(drop))
    }

    fn append_synced<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, ()> {
        let data = data.to_vec();
        blocking(path, move |path| write_to_end(path, &data, true).map(drop))
    }

    fn append_placed<'a>(&'a self, path: &'a Path, data: &'a [u8]) -> IoFuture<'a, u64> {
        let data = data.to_vec();
        blocking(path, move |path| write_to_end(path, &data, true))
    }

    fn sync<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, |path| OpenOptions::new().write(true).open(path)?.sync_all())
    }

    fn sync_dir<'a>(&'a self, dir: &'a Path) -> IoFuture<'a, ()> {
        blocking(dir, |dir| names_synced(File::open(dir)?.sync_all()))
    }

    fn truncate<'a>(&'a self, path: &'a Path, len: u64) -> IoFuture<'a, ()> {
        blocking(path, move |path| OpenOptions::new().write(true).open(path)?.set_len(len))
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> IoFuture<'a, ()> {
        let to = to.to_owned();
        blocking(from, move |from| fs::rename(from, to))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> IoFuture<'a, ()> {
        blocking(path, |path| fs::remove_file(path))
    }

    #[cfg(unix)]
    fn set_mode<'a>(&'a self, path: &'a Path, mode: u32) -> IoFuture<'a, ()> {
        use std::os::unix::fs::PermissionsExt;
        blocking(path, move |path| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
    }

    #[cfg(unix)]
    fn foreign_owner<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Option<u32>> {
        use std::os::unix::fs::MetadataExt;
        blocking(path, |path| {
            let Some(user) = process::user() else { return Ok(None) };
            let owner = unless_missing(fs::metadata(path))?.map(|metadata| metadata.uid());
            Ok(owner.filter(|owner| *owner != user && *owner != 0))
        })
    }

    fn private(&self, root: &Path) -> Option<Arc<dyn Disk>> {
        Some(Arc::new(PrivateDisk::new(root)))
    }

    fn lock<'a>(&'a self, path: &'a Path) -> IoFuture<'a, Box<dyn DiskLock>> {
        blocking(path, |path| {
            let file = making().read(true).write(true).truncate(false).open(path)?;
            file.try_lock()?;
            Ok(Box::new(file) as Box<dyn DiskLock>)
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::FileKind;

    /// Proc can't make names durable, as network shares and FUSE can't, and says it with the same error.
    #[tokio::test]
    async fn a_file_system_without_folder_sync_is_no_failure() {
        let refused = File::open("/proc").and_then(|dir| dir.sync_all()).expect_err("proc can't");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        SystemDisk.sync_dir(Path::new("/proc")).await.expect("it does what it can");
        // ENOSYS, ENOTSUP; a disk that fails is one that fails.
        for (code, passes) in [(38, true), (95, true), (5, false), (28, false)] {
            assert_eq!(names_synced(Err(io::Error::from_raw_os_error(code))).is_ok(), passes, "{code}");
        }
        assert_eq!(SystemDisk.sync_dir(Path::new("/no/such")).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let (dir, file, lock) = (folder.path().join("a/b"), folder.path().join("a/b/c"), folder.path().join("a/lock"));
        SystemDisk.create_dir_all(&dir).await.unwrap();
        assert_eq!(SystemDisk.append_placed(&file, b"one").await.unwrap(), 0);
        assert_eq!(SystemDisk.append_placed(&file, b"two").await.unwrap(), 3);
        drop(SystemDisk.lock(&lock).await.unwrap());
        assert_eq!(
            [mode(&dir), mode(&folder.path().join("a")), mode(&file), mode(&lock)],
            [0o700, 0o700, 0o600, 0o600]
        );
        SystemDisk.set_mode(&file, 0o640).await.unwrap();
        SystemDisk.append(&file, b"three").await.unwrap();
        assert_eq!(mode(&file), 0o640, "it stays as it was set");
    }

    #[tokio::test]
    async fn each_kind_of_file_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (path, kind) in [
            (path("file"), Some(FileKind::Regular)),
            (path("link"), Some(FileKind::Regular)),
            (path("socket"), Some(FileKind::Socket)),
            (path("none"), None),
            (folder.path().to_owned(), Some(FileKind::Folder)),
            ("/dev/null".into(), Some(FileKind::Device)),
        ] {
            assert_eq!(SystemDisk.kind(&path).await.unwrap(), kind, "{}", path.display());
        }
    }

    #[tokio::test]
    async fn no_symbolic_link_is_followed_inside_a_private_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("data/sources")).unwrap();
        fs::create_dir_all(path("elsewhere")).unwrap();
        fs::write(path("script"), "#!/bin/sh\n").unwrap();
        std::os::unix::fs::symlink(path("script"), path("data/letters")).unwrap();
        std::os::unix::fs::symlink(path("elsewhere"), path("data/sinks")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("data/new")).unwrap();
        std::os::unix::fs::symlink(path("data"), path("way")).unwrap();
        for root in ["data", "way"] {
            let disk = SystemDisk.private(&path(root)).unwrap();
            for planted in ["letters", "sinks/log", "new", "sinks"] {
                let planted = path(root).join(planted);
                let error = disk.append(&planted, b"x").await.unwrap_err();
                assert!(error.to_string().contains("symbolic link"), "{error}");
                assert!(disk.truncate(&planted, 0).await.is_err() && disk.lock(&planted).await.is_err());
                assert!(disk.read(&planted).await.is_err() && disk.create_dir_all(&planted).await.is_err());
            }
            disk.append_synced(&path(root).join("sources/a"), b"x").await.expect("the folder itself may be a link");
            disk.append(&path("script"), b"").await.expect("outside, links are the operator's");
        }
        assert_eq!(fs::read(path("script")).unwrap(), b"#!/bin/sh\n");
        assert_eq!(fs::read_dir(path("elsewhere")).unwrap().count(), 0);
        assert!(!path("nowhere").exists());
    }
}

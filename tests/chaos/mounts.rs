//! Small file systems of our own, in a mount name space of our own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Says to the process in the name space that it is there.
const INSIDE: &str = "CHAOS_NAMESPACE";

/// The ways to get a mount name space: as root, or as the root of a user name space.
const WAYS: [&[&str]; 2] = [&["-m", "--propagation", "private"], &["-r", "-m", "--propagation", "private"]];

fn unshare(way: &[&str], program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).arg(program);
    command
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again in a name space, if one can be had; its end is ours then.
pub fn again_in_a_namespace() -> Option<ExitCode> {
    if is_inside() {
        return None;
    }
    let way = WAYS.iter().find(|way| {
        let mut test = unshare(way, Path::new("true"));
        test.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    })?;
    let me = std::env::current_exe().ok()?;
    let status = unshare(way, &me).args(std::env::args_os().skip(1)).env(INSIDE, "1").status().ok()?;
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether file systems can be mounted here.
pub fn possible() -> Result<(), String> {
    if !is_inside() {
        return Err("`unshare -m` isn't permitted here".to_owned());
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    SmallDisk::try_mount(folder.path()).map(drop)
}

/// A file system of 4 MiB in memory; it ends with this value.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts it on a folder, which is made.
    pub fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        Self::try_mount(at).expect("mounting works, it was tried before")
    }

    fn try_mount(at: &Path) -> Result<Self, String> {
        mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"].map(OsStr::new), at)?;
        Ok(Self { at: at.to_owned() })
    }

    /// Writes until nothing fits any more.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        for size in [64 << 10, 4 << 10, 1] {
            while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
        }
    }

    /// Makes room again.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("it is there");
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Nothing can be written any more, also while files are open for writing: `mount -o remount,ro` refuses that, so a
    /// read-only view of the same files is laid over them. It is made beside, so that it is read-only from its first moment.
    pub fn make_read_only(&self) {
        let beside = tempfile::tempdir().expect("a folder");
        mount(&["--bind".as_ref(), self.at.as_ref()], beside.path()).expect("a second view");
        mount(&["-o".as_ref(), "remount,bind,ro".as_ref()], beside.path()).expect("a view that nobody writes to");
        mount(&["--bind".as_ref(), beside.path().as_ref()], &self.at).expect("a view of a view");
        unmount(beside.path());
    }

    /// Takes that view away.
    pub fn make_writable(&self) {
        unmount(&self.at);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The view too, where a test has failed; it goes first.
        unmount(&self.at);
        unmount(&self.at);
    }
}

/// Files that are open stay open.
fn unmount(at: &Path) {
    let _ = Command::new("umount").arg("-l").arg(at).stderr(Stdio::null()).status();
}

fn mount(words: &[&OsStr], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(words).arg(at).output().map_err(|error| format!("no `mount`: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

//! Where a set's pipeline files come from: files, folders of files, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::settings::Diagnostic;

/// More than any set needs, in bytes; the limit keeps a wrong path from filling the memory.
const LONGEST: usize = 16 << 20;
/// How messages call the file that was read from standard input.
pub(super) const STDIN: &str = "<stdin>";

/// Reads the texts of pipeline files. A folder stands for all `*.toml` files directly in it, by name, except hidden ones, as
/// a shell's `*.toml` does; `-` stands for standard input, which can be read once. What can't be read is an error like any
/// other.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Vec<Diagnostic>> {
    let mut files = Vec::with_capacity(paths.len());
    let mut errors = Vec::new();
    let mut take = |path: &Path, name: &Path| match text(path) {
        Ok(text) => files.push((name.to_owned(), text)),
        Err(reason) => errors.push(unreadable(name, &reason)),
    };
    let mut more = Vec::new();
    let mut has_read_stdin = false;
    for path in paths {
        if path == Path::new("-") {
            if std::mem::replace(&mut has_read_stdin, true) {
                let hint = "standard input can be read once: give the other pipeline files by name";
                more.push(Diagnostic::error("`-` is given twice", hint));
            } else {
                take(path, Path::new(STDIN));
            }
        } else if path.is_dir() {
            match in_folder(path) {
                Ok(found) => found.iter().for_each(|path| take(path, path)),
                Err((message, hint)) => more.push(Diagnostic::error(message, hint)),
            }
        } else {
            take(path, path);
        }
    }
    errors.extend(more);
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// Why a file can't be read, and what to do.
type Reason = (String, &'static str);

fn unreadable(path: &Path, (reason, hint): &Reason) -> Diagnostic {
    Diagnostic::error(format!("can't read the pipeline file {}: {reason}", path.display()), *hint)
}

fn text(path: &Path) -> Result<String, Reason> {
    let read = if path == Path::new("-") {
        bounded(io::stdin().lock())
    } else {
        // Of any kind: a shell's `<(…)` is a pipe.
        File::open(path).and_then(bounded)
    };
    let bytes = read.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::FileTooLarge => "check that it's a pipeline file",
            _ => "check the path; `nordpass-sentinel init` writes a first pipeline file",
        };
        (error.to_string(), hint)
    })?;
    String::from_utf8(bytes).map_err(|_| ("it isn't UTF-8 text".to_owned(), "save it as UTF-8"))
}

fn bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        let message = format!("it's longer than {} MiB", LONGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// The pipeline files directly in a folder, by name.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Reason> {
    let listed = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>());
    let mut found = listed.map_err(|error| {
        let message = format!("can't read the folder of pipeline files {}: {error}", folder.display());
        (message, "check that this user may read it")
    })?;
    // Kubernetes mounts each file as a link; a link to nowhere stays, to be an error.
    found.retain(|path| {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        path.extension().is_some_and(|ending| ending == "toml") && !is_hidden && !path.is_dir()
    });
    found.sort();
    if found.is_empty() {
        let message = format!("the folder {} has no pipeline file", folder.display());
        return Err((message, "put files that end in `.toml` directly into it, or name a file"));
    }
    Ok(found)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(files: &[(PathBuf, String)]) -> Vec<&str> {
        files.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect()
    }

    #[test]
    fn a_folder_stands_for_its_toml_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b.toml", "a.toml", "10.toml", ".hidden.toml", "c.toml~", "d.json", "toml"] {
            std::fs::write(path(name), name).unwrap();
        }
        std::fs::create_dir(path("folder.toml")).unwrap();
        std::fs::write(path("folder.toml/e.toml"), "").unwrap();
        symlink("d.json", path("link.toml")).unwrap();
        let files = read_files(&[folder.path().to_owned()]).unwrap();
        assert_eq!(names(&files), ["10.toml", "a.toml", "b.toml", "link.toml"]);
        assert_eq!(files[1].1, "a.toml");
        let both = read_files(&[path("b.toml"), folder.path().to_owned()]).unwrap();
        assert_eq!(names(&both), ["b.toml", "10.toml", "a.toml", "b.toml", "link.toml"], "in the order as given");
        symlink("nowhere", path("dangling.toml")).unwrap();
        let found = read_files(&[folder.path().to_owned()]).unwrap_err();
        assert!(found.len() == 1 && found[0].message.contains("dangling.toml: No such file"), "{}", found[0]);
    }

    #[test]
    fn an_empty_folder_is_an_error_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let found = read_files(&[folder.path().to_owned()]).unwrap_err();
        assert!(found[0].message.ends_with(" has no pipeline file") && found[0].hint.is_some(), "{}", found[0]);
    }

    /// It filled the memory.
    #[test]
    fn a_file_without_an_end_is_an_error() {
        let found = read_files(&[PathBuf::from("/dev/zero")]).unwrap_err();
        assert!(found[0].message.ends_with("it's longer than 16 MiB"), "{}", found[0]);
    }
}

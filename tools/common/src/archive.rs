//! Archives that are the same bytes whenever and wherever they are made: entries in the order of their names, one fixed
//! time, fixed modes, no owners. The compressor is a crate that `Cargo.lock` pins.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;

use crate::{bytes, files};

/// What goes into an archive, by its path there.
pub type Entries = BTreeMap<String, Entry>;

/// A file, or an empty folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file that everybody may read.
    File(Vec<u8>),
    /// A file that everybody may run.
    Program(Vec<u8>),
    /// A folder.
    Folder,
}

impl Entry {
    fn mode(&self) -> u32 {
        if matches!(self, Self::File(_)) { 0o644 } else { 0o755 }
    }
}

/// Adds all files of a folder; `below` is put before their paths.
pub fn collect(folder: &Path, below: &str, entries: &mut Entries) -> Result<(), String> {
    for path in files(folder)? {
        entries.insert(format!("{below}{path}"), Entry::File(bytes(folder.join(path))?));
    }
    Ok(())
}

/// Makes a zip for Azure Functions. Its time is 1980-01-01, the first that a zip can hold.
pub fn zip(entries: &Entries) -> Result<Vec<u8>, String> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let refused = |error: &dyn std::fmt::Display| format!("can't make the zip: {error}");
    for (path, entry) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode());
        match entry {
            Entry::File(bytes) | Entry::Program(bytes) => {
                zip.start_file(path, options).map_err(|error| refused(&error))?;
                zip.write_all(bytes).map_err(|error| refused(&error))?;
            }
            Entry::Folder => zip.add_directory(path, options).map_err(|error| refused(&error))?,
        }
    }
    Ok(zip.finish().map_err(|error| refused(&error))?.into_inner())
}

/// Makes a `.tar.gz` for image builders. Its time is the Unix epoch.
pub fn tar_gz(entries: &Entries) -> Result<Vec<u8>, String> {
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(gzip);
    let refused = |error: std::io::Error| format!("can't make the tar: {error}");
    for (path, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(entry.mode());
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match entry {
            Entry::File(bytes) | Entry::Program(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, path, bytes.as_slice()).map_err(refused)?;
            }
            Entry::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                tar.append_data(&mut header, format!("{path}/"), std::io::empty()).map_err(refused)?;
            }
        }
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(refused)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn entries(paths: &[&str]) -> Entries {
        let entry = |path: &&str| {
            let text = path.repeat(3000).into_bytes();
            let entry = match *path {
                "data" => Entry::Folder,
                "program" => Entry::Program(text),
                _ => Entry::File(text),
            };
            ((*path).to_owned(), entry)
        };
        paths.iter().map(entry).collect()
    }

    #[test]
    fn the_same_entries_are_the_same_bytes() {
        let (one, other) = (entries(&["a/b.json", "data", "program"]), entries(&["program", "a/b.json", "data"]));
        // More than the two seconds that a zip's times are rounded to lie between a build and the next, so no clock may
        // come into it at all: the times in both archives are constants.
        let (first, second) = (zip(&one).expect("a zip"), zip(&other).expect("a zip"));
        assert_eq!(first, second);
        assert_eq!(first.get(10..14), Some(&[0, 0, 0x21, 0][..]), "the first entry's time is 1980-01-01");
        let (first, second) = (tar_gz(&one).expect("a tar"), tar_gz(&other).expect("a tar"));
        assert_eq!(first, second);
        assert_eq!(first.get(4..8), Some(&[0; 4][..]), "gzip's own time");
    }

    #[test]
    fn a_zip_holds_what_was_put_in_with_its_modes() {
        let bytes = zip(&entries(&["a/b.json", "program"])).expect("a zip");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("readable");
        let names: Vec<_> = zip.file_names().map(str::to_owned).collect();
        assert_eq!(names, ["a/b.json", "program"]);
        for (name, mode) in [("a/b.json", 0o644), ("program", 0o755)] {
            let mut file = zip.by_name(name).expect("it is there");
            assert_eq!(file.unix_mode().map(|bits| bits & 0o777), Some(mode), "{name}");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            assert_eq!(text, name.repeat(3000));
        }
    }

    #[test]
    fn a_tar_holds_what_was_put_in_without_an_owner() {
        let bytes = tar_gz(&entries(&["data", "program", "b.toml"])).expect("a tar");
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let mut seen = Vec::new();
        for file in tar.entries().expect("readable") {
            let mut file = file.expect("an entry");
            let (path, header) = (file.path().expect("a path").display().to_string(), file.header().clone());
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            assert_eq!((header.uid().ok(), header.gid().ok(), header.mtime().ok()), (Some(0), Some(0), Some(0)));
            seen.push((path, header.mode().expect("a mode"), text.len()));
        }
        let file = |name: &str, mode| (name.to_owned(), mode, name.len() * 3000);
        assert_eq!(seen, [file("b.toml", 0o644), ("data/".to_owned(), 0o755, 0), file("program", 0o755)]);
    }
}

//! The `file` sink's table in a pipeline file.

use std::path::Path;
use std::time::Duration;

use super::encode::Format;
use super::template::{Problem, Template};
use crate::settings::{Field, Kind, Section};

pub(super) static FIELDS: &[Field] = &[
    Field::required("path", Kind::Text).doc(
        "The file, relative to the working directory. `{date}` and `{hour}` are the record's UTC date and hour; \
         `{organization}` is its organization, made safe for a path; so are \
         `{organization.name}` and `{organization.labels.KEY}` of the organizations file. The extension `.gz` or `.zst` enables \
         compression.",
    ),
    Field::optional("max_file_bytes", Kind::Size { min: 1, max: i64::MAX }).doc(
        "Maximum size of a file in bytes. The next file gets a number: `name.1.ndjson.gz`. A single chunk larger \
         than this still goes into one file.",
    ),
    Field::optional("compression_level", Kind::Integer { min: 0, max: 19 })
        .doc("0 to 9 for `.gz` (default 4), 1 to 19 for `.zst` (default 3)."),
    Field::with_default("file_mode", Kind::Text, "0600").doc(
        "The permissions of new files, in octal, such as `0640` for a group that may read them. New folders get the \
         same, and whoever may read may also enter. Doesn't depend on the umask.",
    ),
    Field::optional("batch", Kind::Table(BATCH_FIELDS))
        .doc("How much to collect before syncing the files and acknowledging the records."),
];

static BATCH_FIELDS: &[Field] = &[
    Field::with_default("max_bytes", Kind::Size { min: 1, max: 64 << 20 }, "4000000")
        .doc("JSON bytes, before compression, after which the files are synced."),
    Field::with_default("timeout", Kind::Duration { min: "0s", max: "5m" }, "1s").doc(
        "Maximum time a record waits for the sync. Less frequent syncs reduce disk load and are just as safe, \
         because records are acknowledged only after the sync.",
    ),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) template: Template,
    pub(super) format: Format,
    pub(super) level: u32,
    pub(super) max_file_bytes: Option<u64>,
    /// The permissions of new files, if wider than owner-only.
    pub(super) mode: Option<u32>,
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let path = section.text("path");
        let max_file_bytes = section.optional_integer("max_file_bytes").and_then(|bytes| u64::try_from(bytes).ok());
        let mut batch = section.table("batch");
        let max_bytes = usize::try_from(batch.integer("max_bytes")).unwrap_or(usize::MAX);
        let timeout = batch.duration("timeout");
        let format = Format::of(&path);
        let template = Template::parse(&path).unwrap_or_else(|Problem { message, hint }| {
            // An empty path is missing, which the section has reported already.
            if section.has("path") {
                section.error("path", message, hint);
            }
            Template::placeholder()
        });
        if template.fixed_path().is_some_and(is_stream) {
            let hint = "use a sink of type \"console\" for standard output";
            section.error("path", "this path is no file that stays: records are kept in files", hint);
        }
        let level = format.read_level(section);
        let mode = file_mode(section);
        Self { template, format, level, max_file_bytes, mode, max_bytes, timeout }
    }

    #[cfg(test)]
    pub(crate) fn for_path(path: &str) -> Self {
        let format = Format::of(path);
        Self {
            template: Template::parse(path).expect("a good template"),
            format,
            level: format.levels().0,
            max_file_bytes: None,
            mode: None,
            max_bytes: 4_000_000,
            timeout: Duration::from_secs(1),
        }
    }
}

/// Whether a path is one of this process's own streams, which can't be read back or cut.
fn is_stream(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_default();
    let streams = ["/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/fd", "/proc"];
    streams.iter().any(|stream| path.starts_with(stream))
}

/// The permissions, if wider than owner-only. Modes that let everyone write are refused: then nothing is provably ours.
fn file_mode(section: &mut Section) -> Option<u32> {
    let text = section.text("file_mode");
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| digits && mode & !0o664 == 0 && mode & 0o600 == 0o600);
    if mode.is_none() && section.has("file_mode") {
        let hint = "write \"0600\", \"0640\", \"0644\" or \"0660\"";
        section.error("file_mode", "this isn't the mode of a file that its owner can read and write", hint);
    }
    mode.filter(|mode| *mode != 0o600)
}

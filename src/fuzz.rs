//! Fuzz targets: one for each parser of foreign bytes, with what it promises whatever the bytes are.
//!
//! A target is a plain function beside the code that it exercises, in a file `fuzz.rs`, so that parsers stay private. All
//! are in [`TARGETS`]. The crate in `fuzz/` runs them with coverage as a guide (`cargo xtask fuzz`); the tests run them on
//! the files of `fuzz/corpus` and `fuzz/regressions` and on seeded mutations of those. A target panics when a promise is
//! broken. Nothing here is in a release: it needs the feature `fuzzing` or a test.

mod input;
#[cfg(test)]
mod mutate;
pub(crate) mod spelling;
#[cfg(test)]
mod tests;

pub(crate) use self::input::{Canned, answer, disk, env, is_json, is_marked, marked, number_line, silent, text, wait};

/// A parser of foreign bytes under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and the name of its folder in `fuzz/corpus` and `fuzz/regressions`.
    pub name: &'static str,
    /// What holds for every input, besides that nothing panics, overflows or runs for long.
    pub promise: &'static str,
    /// Feeds it with bytes. Panics when the promise is broken.
    pub run: fn(&[u8]),
    /// The longest input worth trying, in bytes.
    pub longest: usize,
    /// How many bytes of memory it may take at once: these for each byte of the input, and [`Target::fixed`].
    pub factor: usize,
    /// Bytes of memory that it may take whatever the input is.
    pub fixed: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), promise: &'static str) -> Target {
    Target { name, promise, run, longest: 4 << 10, factor: 64, fixed: 1 << 20 }
}

impl Target {
    /// The same for inputs of up to so many bytes.
    const fn longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The same with so much memory whatever the input is.
    const fn fixed(self, fixed: usize) -> Self {
        Self { fixed, ..self }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

/// All targets, in the order of the layers, from NordPass to the operator's files.
pub static TARGETS: &[Target] = &[
    target(
        "page",
        crate::sources::nordpass::fuzz::page,
        "no more elements than asked for, each JSON and inside the text; an error repeats nothing",
    )
    .longest(16 << 10),
    target(
        "event",
        crate::event::fuzz::event,
        "reads what serde_json reads, and nothing else; every spelling of an event has one id",
    ),
    target(
        "rows",
        crate::transforms::fuzz::rows,
        "exactly one row, one JSON object on one line with known columns and unique keys, of bounded size",
    ),
    target(
        "shape",
        crate::transforms::fuzz::shape,
        "one record with its id, passed on as one JSON object or handed back as it came, of bounded size",
    ),
    target(
        "recording",
        crate::sources::file::fuzz::recording,
        "the same text however it is cut; every line is an event, a page or a dead letter; a damaged file is an error",
    )
    .longest(16 << 10)
    // Decoders of zstd reserve their window; blocks and buffers are 64 to 256 KiB.
    .fixed(24 << 20),
    target(
        "file_document",
        crate::sources::file::fuzz::document,
        "a position anywhere ends the reading, and a document that is taken is written again as it was",
    )
    .fixed(4 << 20),
    target(
        "source_document",
        crate::sources::nordpass::fuzz::document,
        "what is read is written again within 3,500 bytes, also after changes, and covers no more than before",
    ),
    target(
        "cursor",
        crate::sources::nordpass::fuzz::cursor,
        "the official connector's cursor skips nothing: reading begins no later than any clock says",
    ),
    target(
        "http_headers",
        crate::http::fuzz::headers,
        "a wait of at most five minutes; error codes are plain words; clocks compare without overflow",
    ),
    target("gunzip", crate::http::fuzz::gunzip_body, "no more bytes than the limit; damage is an error").fixed(4 << 20),
    target(
        "entra_answer",
        crate::azure::fuzz::entra,
        "a token fits a header and lives at most 30 days; anything else is a sentence that repeats nothing",
    )
    .fixed(4 << 20),
    target(
        "identity_answer",
        crate::azure::fuzz::identity,
        "a token fits a header and lives at most 30 days; anything else is a sentence that repeats nothing",
    )
    .fixed(4 << 20),
    target("az_output", crate::azure::fuzz::az, "a token that fits a header, or a sentence that repeats nothing"),
    target(
        "certificate",
        crate::azure::fuzz::certificate,
        "an identity that signs, or a sentence that repeats nothing of the files",
    )
    .longest(8 << 10),
    target(
        "blob_answer",
        crate::azure::blob::fuzz::answers,
        "success only with Azure's headers, no more bytes than asked for; errors have fixed words and codes",
    )
    .fixed(4 << 20),
    target(
        "blob_list",
        crate::azure::blob::fuzz::list,
        "no more names than asked for; no entity is expanded; a list that doesn't advance ends",
    )
    .fixed(4 << 20),
    target(
        "ingestion_answer",
        crate::sinks::sentinel::fuzz::answer,
        "accepted only by the statuses that mean it; what is said has fixed words, codes and UUIDs",
    ),
    target(
        "http_answer",
        crate::sinks::http::fuzz::answer,
        "accepted only by a status and a body that mean it; each record has one class; nothing of the answer is said",
    ),
    target(
        "cut_row",
        crate::sinks::sentinel::fuzz::cut,
        "a row that is cut keeps its keys and stays JSON, with no field over the limit",
    )
    .fixed(16 << 20),
    target(
        "state",
        crate::state::fuzz::state,
        "what decodes is the same after encoding, and goes on without overflow; damage is an error",
    ),
    target("frames", crate::state::fuzz::frames, "the last whole frame, or damage, never something between"),
    target("ids_file", crate::state::fuzz::ids, "ids of the range only; written ids are read; damage is an error")
        .fixed(4 << 20),
    target("segment_log", crate::sinks::file::fuzz::segment_log, "what parses is the same after writing it again"),
    target(
        "intent",
        crate::sinks::azure_blob::fuzz::intent,
        "what is read is written again as it was, and nothing is left out that it doesn't name",
    ),
    target(
        "journal",
        crate::sinks::file::fuzz::journal,
        "only bytes whose fingerprint is right, and no more than are there",
    ),
    target(
        "archive_path",
        crate::sinks::file::fuzz::archive_path,
        "a foreign name stays one part of the path, and two names never share a file",
    ),
    target(
        "dead_letters",
        crate::dead_letters::fuzz::dead_letters,
        "files of any content are listed; what is appended to them is found again, once",
    )
    .fixed(8 << 20),
    target(
        "pipeline_file",
        crate::pipeline::fuzz::file,
        "settings or errors; an error shows no value but a VRL program's, no control character, and is valid JSON for programs",
    )
    .fixed(8 << 20),
    target("reference", crate::settings::fuzz::reference, "`${…}` is filled in exactly, or refused without its text"),
    target(
        "secret",
        crate::settings::fuzz::secret,
        "a file and a variable are checked alike; what is taken is what was written, without its line end",
    ),
    target(
        "values",
        crate::settings::fuzz::values,
        "a duration, size or URL is read as it is written; a URL that is taken is encrypted or goes to this machine",
    ),
    target(
        "api_request",
        crate::telemetry::fuzz::request,
        "an answer only to a host that is ours; bytes that are no request get an error or nothing",
    )
    .fixed(4 << 20),
    target("terminal", crate::telemetry::fuzz::terminal, "nothing that a terminal obeys; JSON stays the same JSON"),
    target("function_call", crate::cli::function_fuzz::call, "a call, or a refusal that repeats nothing"),
];

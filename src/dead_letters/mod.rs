//! Dead letters: records that a destination refused by name, kept with its reason.
//!
//! One file for each component, `dead-letters/<component>.ndjson`, one JSON object a line: in `data_dir`, or where the
//! sources' states are in Azure Blob Storage, in the same container. A dead letter is durable before it acknowledges
//! anything. It is keyed by event and stream, so a crash between the file and the checkpoint, or a second reading, never
//! repeats it.
//!
//! | file | what it does |
//! |---|---|
//! | [`write`] | writes dead letters; only the pipeline does |
//! | [`read`] | reads them, also while the pipeline writes |
//! | [`resend`] | sends them again |
//! | [`marks`] | what became of sending them again, in a file of its own beside them |
//! | [`stored`] | a dead letter as a line of its file |
//! | [`folder`] | where the files are |
//! | [`lines`] | files of lines, and those on disk |
//! | [`blobs`] | files as append blobs, which several processes write |

mod blobs;
mod folder;
mod lines;
mod marks;
mod read;
mod resend;
mod stored;
mod write;

pub use self::blobs::storage_trouble;
pub use self::marks::{Mark, MarkState};
pub use self::read::DeadLetterFolder;
pub use self::resend::{Fate, ResendError, Resending};
pub use self::stored::StoredDeadLetter;

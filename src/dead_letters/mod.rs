//! Dead letters: records that a destination refused, kept with its reason.
//!
//! One file for each component, `dead-letters/<component>.ndjson`, one JSON object a line: in `data_dir` or, if the
//! sources' states are in Azure Blob Storage, in the same container. A dead letter is durable before it acknowledges
//! anything. It is keyed by event and stream, so neither a crash between the file and the checkpoint nor a second read
//! repeats it.
//!
//! | file | what it does |
//! |---|---|
//! | [`write`] | writes dead letters, for the pipeline only |
//! | [`read`] | reads them, also while the pipeline writes |
//! | [`resend`] | sends them again |
//! | [`marks`] | the outcomes of sending them again, in a separate file beside them |
//! | [`stored`] | a dead letter as a line of its file |
//! | [`folder`] | the location of the files |
//! | [`lines`] | files of lines in general, and on disk |
//! | [`blobs`] | files of lines as append blobs, shared by several processes |

mod blobs;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
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

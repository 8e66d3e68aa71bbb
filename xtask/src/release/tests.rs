//! The halves of a release, on the repository's own files.

mod halves;
#[cfg(unix)]
mod installer;

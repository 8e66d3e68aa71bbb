//! The source on recordings in memory, and with a `file` sink behind it on a disk that tears.

mod blobs;
mod borders;
mod crash;
mod reading;
mod support;

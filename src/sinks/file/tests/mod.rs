//! The sink on a disk that tears, and on the machine's own.

mod crash;
mod files;
mod support;

//! The sink on a disk that tears, on the machine's own, and beside others that write.

mod crash;
mod files;
mod foreign;
mod kinds;
mod rotated;
mod support;

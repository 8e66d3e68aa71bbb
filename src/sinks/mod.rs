//! Sinks: where records go. One file or folder and one line each.

mod delivery;
mod gzip;
mod ndjson;
#[cfg(test)]
mod testing;

use crate::component::components;

components! { Sink:
    sentinel,
    http,
    file,
    azure_blob,
    kafka,
    console,
    blackhole,
}

//! Sinks: where records go. One file or folder and one line each.

mod ndjson;
#[cfg(test)]
mod testing;

use crate::component::{SinkType, components};

components! { SinkType:
    sentinel,
    file,
    console,
    blackhole,
}

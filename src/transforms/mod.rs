//! Transforms: what happens to events on the way. One file or folder and one line each.

use crate::component::components;

components! { Transform:
    asim,
    event_log,
    filter,
}

//! Transforms: what happens to records on the way. One file or folder and one line each.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

pub(crate) mod program;
mod shape;

use crate::component::components;

components! { Transform:
    asim,
    event_log,
    filter,
    modify,
    pseudonymize,
    remap,
    route,
}

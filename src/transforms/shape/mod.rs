//! What the transforms that shape records share: how they look at a record, choose by it, change its text, and what they do
//! with one that they can't handle.

pub(super) mod cidr;
pub(super) mod conditions;
pub(super) mod events;
pub(super) mod facts;
pub(super) mod glob;
pub(super) mod on_error;
pub(super) mod path;
pub(super) mod rewrite;
#[cfg(test)]
pub(super) mod testing;

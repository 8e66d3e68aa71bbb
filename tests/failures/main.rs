//! One test for each failure that a comparable product or NordPass's official connector has, named after it: what
//! happens here instead. `docs/comparison.md` lists them.
//!
//! Each runs the whole pipeline in one process, from the text of a pipeline file to what Azure and the files have, at
//! paused time, against the simulators. Events are judged by the probe inside them.
//!
//! | module | what it shows |
//! |---|---|
//! | [`peers`] | twelve failures of other log shippers |
//! | [`official`] | what the official connector gets wrong (D1 to D21) |
//! | [`isolation`] | one broken organization doesn't delay another |
//! | [`many`] | four broken organizations delay none of hundreds |
//! | [`refusal`] | a destination that refuses everything is waited for |
//! | [`programs`] | a program of the operator's that hangs, fails or drops costs nobody an event |
//! | [`shape`] | what is changed, left out or hidden on purpose stays known |
//! | [`archive`] | what an archive in blobs costs a quiet organization |
//! | [`idle`] | a quiet day costs neither disk nor requests |
//! | [`rig`] | the world that they run in |

mod archive;
#[path = "../common/mod.rs"]
mod common;
mod idle;
mod isolation;
mod many;
mod official;
mod peers;
mod programs;
mod refusal;
mod rig;
mod shape;

//! A transform that drops records in silence: the program leaves some events out before it maps them to rows, and the oracle
//! isn't told. It has to find them missing, not only counted by somebody whom it doesn't know.

use std::sync::atomic::{AtomicBool, Ordering};

use super::conditions::{Conditions, List, Subject};
use super::{Node, Step};

/// Whether the worlds of this run have such a transform.
static SILENT: AtomicBool = AtomicBool::new(false);

/// From now on, or until now.
pub fn set(silent: bool) {
    SILENT.store(silent, Ordering::Relaxed);
}

/// The transform, and its reader as it is in the file then. Nothing changes for other readers, and in other runs.
pub fn before(reader: &Node) -> Option<[Node; 2]> {
    if !SILENT.load(Ordering::Relaxed) || !matches!(reader.step, Step::Asim) {
        return None;
    }
    let name = format!("before_{}", reader.name);
    let left_out = List { exclude: true, subject: Subject::Events, patterns: vec!["login.*"] };
    let (inputs, step) = (reader.inputs.clone(), Step::Filter(Conditions(vec![left_out])));
    Some([Node { name: name.clone(), inputs, step }, Node { inputs: vec![name], ..reader.clone() }])
}

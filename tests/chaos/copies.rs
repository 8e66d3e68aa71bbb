//! Each copy of a row beyond the first needs its reason.

use std::collections::BTreeMap;
use std::fmt;

use crate::known::Known;
use crate::lives::{Copy, Lives};

/// Why there are copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// The answer to the request before was lost on the wire, and the same life sent its rows again.
    pub answer_lost: u64,
    /// The life that sent the row before was killed before its state had the id.
    pub killed: u64,
    /// Of these, per life that was killed.
    pub per_kill: BTreeMap<usize, u64>,
}

impl Copies {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.answer_lost + self.killed
    }

    /// Adds another run's; its lives are others.
    pub fn add(&mut self, other: &Self) {
        self.answer_lost += other.answer_lost;
        self.killed += other.killed;
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} copies ({} killed between acceptance and commit, {} answer lost on the wire)",
            self.total(),
            self.killed,
            self.answer_lost
        )
    }
}

/// Explains every copy, or says which one has no reason.
pub fn explain(lives: &Lives, known: &Known) -> Result<Copies, String> {
    let mut copies = Copies::default();
    let rows = lives.copies();
    for (id, accepted) in &rows {
        for pair in accepted.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let text = |why: &str| {
                format!(
                    "the row {id:032x} was accepted in life {} (request {}) and again in life {} (request {}): {why}",
                    before.life, before.request, after.life, after.request
                )
            };
            if known.since(*id).is_some_and(|life| life <= after.life) {
                return Err(text("the state knew it when that life began"));
            }
            if before.life < after.life {
                copies.killed += 1;
                *copies.per_kill.entry(before.life).or_default() += 1;
            } else if before.answered {
                return Err(text("its first request was answered"));
            } else {
                copies.answer_lost += 1;
            }
        }
    }
    not_ahead(known, &rows)?;
    Ok(copies)
}

/// The state knows nothing that the destination hadn't accepted by then.
fn not_ahead(known: &Known, rows: &BTreeMap<u128, Vec<Copy>>) -> Result<(), String> {
    let ahead = known.iter().find(|(id, life)| rows.get(id).is_none_or(|copies| copies[0].life >= *life));
    match ahead {
        None => Ok(()),
        Some((id, life)) => Err(format!("before life {life} the state knew {id:032x}, which wasn't delivered")),
    }
}

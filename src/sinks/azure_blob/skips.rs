//! The records that are in the archive already, though their source reads them again.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::intent::{Content, Recorded};
use crate::component::{IntentChange, IntentHash};

/// What the settled intents of earlier runs have delivered, as a multiset: an event can come by several inputs, and more than
/// once by each.
#[derive(Debug, Default)]
pub struct Skips {
    by_id: HashMap<u128, Vec<Skip>>,
    intents: Vec<Settling>,
}

/// One record.
#[derive(Clone, Copy, Debug)]
struct Skip {
    /// Its number in [`Skips::intents`].
    intent: usize,
    /// The input that it came by. `None` if the sink doesn't have that any more: then it comes by one that is new.
    input: Option<usize>,
    /// Whether the intent waits for it.
    is_awaited: bool,
}

/// An intent of which records are expected.
#[derive(Debug)]
struct Settling {
    hash: IntentHash,
    left: usize,
    /// The chunks of this run in which they came.
    chunks: BTreeSet<u64>,
    /// Which of the sink's inputs it knows.
    inputs: Vec<bool>,
}

impl Skips {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Expects these records of an intent. `inputs` are those that the sink has now. What is `known` to the state isn't read
    /// again, so the intent doesn't wait for it. But an optional sink may hold it: its source commits without waiting.
    pub fn expect(
        &mut self,
        hash: IntentHash,
        content: &Content,
        records: &[Recorded],
        inputs: &[String],
        known: &HashSet<u128>,
    ) {
        let intent = self.intents.len();
        let known_inputs = inputs.iter().map(|input| content.inputs.contains(input)).collect();
        let place = |input: usize| content.inputs.get(input).and_then(|name| inputs.iter().position(|it| it == name));
        let mut left = 0;
        for recorded in records {
            let input = place(recorded.input);
            for id in &recorded.ids {
                let is_awaited = !known.contains(id);
                self.by_id.entry(*id).or_default().push(Skip { intent, input, is_awaited });
                left += usize::from(is_awaited);
            }
        }
        self.intents.push(Settling { hash, left, chunks: BTreeSet::new(), inputs: known_inputs });
    }

    /// Whether a record is in the archive. Then it is expected once less.
    pub fn take(&mut self, id: u128, input: usize, chunk: u64) -> bool {
        let Some(skips) = self.by_id.get_mut(&id) else { return false };
        let intents = &mut self.intents;
        let fits = |skip: &Skip| match skip.input {
            Some(expected) => expected == input,
            None => !intents[skip.intent].inputs.get(input).copied().unwrap_or_default(),
        };
        let Some(at) = skips.iter().position(fits) else { return false };
        let Skip { intent, is_awaited, .. } = skips.swap_remove(at);
        if skips.is_empty() {
            self.by_id.remove(&id);
        }
        if is_awaited {
            intents[intent].left -= 1;
            intents[intent].chunks.insert(chunk);
        }
        true
    }

    /// What to commit for the intents of which everything has come. Each is answered once.
    pub fn settled(&mut self) -> Vec<IntentChange> {
        let mut changes = Vec::new();
        for settling in self.intents.iter_mut().filter(|settling| settling.left == 0) {
            // Only the chunks are still needed, and no awaited record points here any more.
            settling.left = usize::MAX;
            let chunks = std::mem::take(&mut settling.chunks).into_iter().collect();
            changes.push(IntentChange::Settle { hash: settling.hash, chunks });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn content(names: &[&str]) -> Content {
        Content {
            version: 1,
            account: String::new(),
            container: String::new(),
            path: String::new(),
            inputs: inputs(names),
            tier: None,
            tags: String::new(),
            run: 1,
            blobs: Vec::new(),
        }
    }

    fn recorded(input: usize, ids: &[u128]) -> Recorded {
        Recorded { chunk: 0, input, from: 0, to: 0, ids: ids.to_vec() }
    }

    #[test]
    fn each_copy_by_its_input_once() {
        let mut skips = Skips::default();
        let (old, now) = (content(&["a", "b"]), inputs(&["b", "a", "c"]));
        skips.expect([1; 32], &old, &[recorded(0, &[7, 7]), recorded(1, &[7])], &now, &HashSet::new());
        assert!(skips.settled().is_empty());
        assert!(!skips.take(8, 0, 5) && !skips.take(7, 2, 5), "another event; another input");
        assert!(skips.take(7, 0, 5) && !skips.take(7, 0, 5), "one came by b");
        assert!(skips.take(7, 1, 6) && skips.take(7, 1, 9) && !skips.take(7, 1, 9), "two came by a");
        assert!(skips.is_empty());
        let settled = skips.settled();
        let [IntentChange::Settle { hash, chunks }] = &settled[..] else { panic!("{settled:?}") };
        assert_eq!((hash, &chunks[..]), (&[1; 32], &[5, 6, 9][..]));
        assert!(skips.settled().is_empty());
    }

    /// Somebody put a filter in front of the sink between the crash and the restart.
    #[test]
    fn an_input_that_was_renamed_is_one_that_is_new() {
        let mut skips = Skips::default();
        skips.expect(
            [1; 32],
            &content(&["nordpass", "b"]),
            &[recorded(0, &[7])],
            &inputs(&["b", "quiet"]),
            &HashSet::new(),
        );
        assert!(!skips.take(7, 0, 1), "b was known, and it didn't come by b");
        assert!(skips.take(7, 1, 1));
    }

    #[test]
    fn without_records_it_is_settled_at_once() {
        let mut skips = Skips::default();
        skips.expect([1; 32], &content(&["a"]), &[], &inputs(&["a"]), &HashSet::new());
        assert_eq!(skips.settled().len(), 1);
    }

    #[test]
    fn what_the_state_knows_is_left_out_and_not_waited_for() {
        let mut skips = Skips::default();
        let known = HashSet::from([7]);
        skips.expect([1; 32], &content(&["a"]), &[recorded(0, &[7, 8])], &inputs(&["a"]), &known);
        assert!(skips.take(8, 0, 3));
        let settled = skips.settled();
        assert!(matches!(&settled[..], [IntentChange::Settle { chunks, .. }] if chunks[..] == [3]), "{settled:?}");
        assert!(skips.take(7, 0, 4) && skips.is_empty() && skips.settled().is_empty());
    }
}

//! Arrows between names, and the circles that they make.

use std::collections::{BTreeMap, BTreeSet};

/// Who uses whom, each with a file in which that can be seen.
#[derive(Default)]
pub struct Graph(BTreeMap<String, BTreeMap<String, String>>);

impl Graph {
    /// Adds an arrow.
    pub fn add(&mut self, from: &str, to: &str, file: &str) {
        if from != to {
            self.0.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert_with(|| file.to_owned());
        }
    }

    /// Returns a sentence for each circle; one for each set of names that are connected by circles.
    pub fn circles(&self, what: &str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for start in self.0.keys() {
            if seen.contains(start) {
                continue;
            }
            if let Some(circle) = self.back_to(start) {
                let told: Vec<String> = circle
                    .iter()
                    .zip(circle.iter().cycle().skip(1))
                    .map(|(from, to)| format!("{from} ({})", self.0[from][to]))
                    .collect();
                found.push(format!("a circle of {what}: {} -> {start}", told.join(" -> ")));
                seen.extend(circle);
            }
        }
        found
    }

    /// The shortest way from a name back to itself.
    fn back_to(&self, start: &str) -> Option<Vec<String>> {
        let mut ways = std::collections::VecDeque::from([vec![start.to_owned()]]);
        let mut reached = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for next in self.0.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
                if next == start {
                    return Some(way);
                }
                if reached.insert(next.clone()) {
                    ways.push_back(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        None
    }
}

//! Records what the responses about a slice have shown, and whether that is everything.
//!
//! The API paginates by number over a set that may change and whose order may be unstable, so an event can be on two
//! pages or on none. But one response never shows an event more often than it exists. So the most copies of an id in
//! any single response is a lower bound. When these bounds add up to the `total` that the API states for a time window,
//! nothing in it is missing, twins included.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::event::EventId;

/// An event that was seen, together with its identical copies.
#[derive(Debug)]
pub struct Observation {
    /// The event's own second; `None` if it has none.
    pub time: Option<i64>,
    /// The most copies in one response.
    pub most: u32,
    /// The user, for queries by user.
    pub user: Option<String>,
    /// Identical events of one response, in its order, to be sent once their number is proven. Their texts may differ
    /// in spelling, and in fields that this version doesn't know.
    pub twins: Vec<Arc<str>>,
    /// The page they come from.
    pub twins_of: u64,
}

/// All events seen of a slice, by any query.
#[derive(Debug, Default)]
pub struct Observations {
    /// By the id of occurrence 0.
    pub by_id: BTreeMap<EventId, Observation>,
}

/// A query's time window, as requested.
#[derive(Debug)]
pub struct Window {
    /// `timestamp_from`.
    pub from: i64,
    /// `timestamp_to`.
    pub to: i64,
    /// The most copies in one response to this query, for events that aren't surely inside: those at the bounds (the
    /// API may or may not count them) and those with another time.
    outside: HashMap<EventId, u32>,
}

impl Window {
    /// The query for the seconds `[from, to)`, padded by one second on both sides. Right whether the API's bounds are
    /// inclusive or exclusive.
    pub fn around(from: i64, to: i64) -> Self {
        Self { from: from - 1, to, outside: HashMap::new() }
    }

    /// `timestamp_from` and `timestamp_to`.
    pub fn asked(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// Whether an event of this second is in the window, whatever the bounds mean.
    pub fn surely_holds(&self, time: Option<i64>) -> bool {
        time.is_some_and(|time| self.from < time && time < self.to)
    }

    /// Whether an event of this second may be in an honest response.
    pub fn may_hold(&self, time: Option<i64>) -> bool {
        time.is_some_and(|time| self.from <= time && time <= self.to)
    }

    /// The minimum number of copies of an event, as shown by responses to this query. 0 if it belongs to a neighbouring
    /// window.
    pub fn copies(&self, id: EventId, observation: &Observation) -> u32 {
        if self.surely_holds(observation.time) {
            observation.most
        } else if self.may_hold(observation.time) {
            0
        } else {
            self.outside.get(&id).copied().unwrap_or(0)
        }
    }

    /// Records how often one response to this query showed an id that isn't surely inside.
    pub fn note_outside(&mut self, id: EventId, copies: u32) {
        let most = self.outside.entry(id).or_default();
        *most = (*most).max(copies);
    }
}

impl Observations {
    /// The number of events known to be in the window.
    pub fn count(&self, window: &Window) -> u64 {
        let inside = self.by_id.values().filter(|observation| window.surely_holds(observation.time));
        inside.map(|observation| u64::from(observation.most)).sum::<u64>()
            + window.outside.values().map(|most| u64::from(*most)).sum::<u64>()
    }

    /// The users seen in the window, bounds included, and the minimum number of events of each.
    pub fn users(&self, window: &Window) -> Vec<(String, u32)> {
        let mut users: HashMap<&str, u32> = HashMap::new();
        for observation in self.by_id.values().filter(|observation| window.may_hold(observation.time)) {
            if let Some(user) = &observation.user {
                *users.entry(user).or_default() += observation.most;
            }
        }
        let mut users: Vec<(String, u32)> = users.into_iter().map(|(user, most)| (user.to_owned(), most)).collect();
        users.sort_unstable();
        users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(time: i64, most: u32) -> Observation {
        Observation { time: Some(time), most, user: None, twins: Vec::new(), twins_of: 0 }
    }

    #[test]
    fn the_bounds_count_as_the_answers_showed_them() {
        let mut observations = Observations::default();
        observations.by_id.insert(EventId(1), observation(10, 2));
        observations.by_id.insert(EventId(2), observation(9, 1));
        let mut window = Window::around(10, 11);
        assert_eq!(observations.count(&window), 2, "the bounds weren't shown: an exclusive API");
        window.note_outside(EventId(2), 1);
        window.note_outside(EventId(2), 1);
        assert_eq!(observations.count(&window), 3, "shown twice in two answers is once");
    }

    #[test]
    fn an_event_without_a_time_is_never_surely_inside() {
        assert!(!Window::around(10, 20).surely_holds(None));
    }
}

//! What the answers about one slice have shown, and whether that is everything.
//!
//! The API pages by number over a set that may move and whose order may be unstable, so an event can be on two
//! pages or on none. What holds regardless: one answer never shows an event more often than it exists. So the most
//! copies of an id that any single answer showed is a lower bound, and when these bounds add up to the `total` that
//! the API states for a window of time, nothing of it is missing, twins included.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::event::EventId;

/// An event that was seen, identical ones together.
#[derive(Debug)]
pub struct Observation {
    /// The second that the event says; `None` where it says none.
    pub time: Option<i64>,
    /// The most copies in one answer.
    pub most: u32,
    /// The user, for asking by user.
    pub user: Option<String>,
    /// Identical events that one answer showed, in its order, kept so that the others can be sent once their number is
    /// proven. Their texts may differ: in spelling, and in fields that this version doesn't know.
    pub twins: Vec<Arc<str>>,
    /// The page that they are of.
    pub twins_of: u64,
}

/// All events that were seen of a slice, whatever the query was.
#[derive(Debug, Default)]
pub struct Observations {
    /// By the id of occurrence 0.
    pub by_id: BTreeMap<EventId, Observation>,
}

/// One query's window of time, as it was asked for.
#[derive(Debug)]
pub struct Window {
    /// `timestamp_from`.
    pub from: i64,
    /// `timestamp_to`.
    pub to: i64,
    /// The most copies in one answer to this very query, of events that aren't surely inside: those at the bounds
    /// (the API may count them or not) and those that say another time.
    outside: HashMap<EventId, u32>,
}

impl Window {
    /// The query for the seconds `[from, to)`, one second wider on both sides: right whether the API's bounds are
    /// inclusive or exclusive.
    pub fn around(from: i64, to: i64) -> Self {
        Self { from: from - 1, to, outside: HashMap::new() }
    }

    /// `timestamp_from` and `timestamp_to`.
    pub fn asked(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// Whether an event of this second is in the window whatever the bounds mean.
    pub fn surely_holds(&self, time: Option<i64>) -> bool {
        time.is_some_and(|time| self.from < time && time < self.to)
    }

    /// Whether an event of this second may be in an honest answer.
    pub fn may_hold(&self, time: Option<i64>) -> bool {
        time.is_some_and(|time| self.from <= time && time <= self.to)
    }

    /// How many of an event there are at least, as far as answers to this very query show it; 0 for what belongs to the
    /// window's neighbours.
    pub fn copies(&self, id: EventId, observation: &Observation) -> u32 {
        if self.surely_holds(observation.time) {
            observation.most
        } else if self.may_hold(observation.time) {
            0
        } else {
            self.outside.get(&id).copied().unwrap_or(0)
        }
    }

    /// Notes how often one answer to this query showed an id that isn't surely inside.
    pub fn note_outside(&mut self, id: EventId, copies: u32) {
        let most = self.outside.entry(id).or_default();
        *most = (*most).max(copies);
    }
}

impl Observations {
    /// How many events are known to be in the window.
    pub fn count(&self, window: &Window) -> u64 {
        let inside = self.by_id.values().filter(|observation| window.surely_holds(observation.time));
        inside.map(|observation| u64::from(observation.most)).sum::<u64>()
            + window.outside.values().map(|most| u64::from(*most)).sum::<u64>()
    }

    /// The users seen surely inside the window, with how many events each has at least.
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

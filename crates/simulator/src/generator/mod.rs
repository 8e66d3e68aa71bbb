//! Generated events: an organization of made-up people who work office hours, for a seed always the same.
//!
//! Every pair of the catalogue occurs as soon as there are as many events as pairs. Frequent things are frequent: most
//! events are people using their vault, some are log-ins, few are administration. Each event carries a probe, a text
//! of its own in `metadata.probe`. Now and then one action is reported twice in one second, letter for letter: such
//! twins share their probe, and both must arrive.
//!
//! Addresses are from the ranges for documentation, names are under example domains.

mod calendar;
mod metadata;
mod organization;
mod weights;

use std::fmt::Write as _;
use std::sync::Arc;

use super::dice::Dice;
use super::event::SimulatedEvent;
use nordpass_env::catalogue::{self, Entry, Group};

pub use organization::{Organization, Person};

/// What kind of organization, and how its API behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Its members. At least 4: there are always some administrators.
    pub members: usize,
    /// Vault items of each member.
    pub items: usize,
    /// How likely an event is reported twice.
    pub twins: f64,
    /// How likely an event shows late.
    pub late: f64,
    /// How late it is at most, in seconds.
    pub late_by: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { members: 200, items: 60, twins: 0.004, late: 0.0, late_by: 300 }
    }
}

/// Makes events.
#[derive(Clone, Debug)]
pub struct Generator {
    dice: Dice,
    options: Options,
    /// The organization whose events it makes.
    pub organization: Organization,
    /// Cumulative weights over the catalogue's entries.
    likely: Vec<f64>,
    /// A prefix that tells this generator's probes from those of another seed.
    name: String,
    number: u64,
    /// Events that a live trickle owes: a rate below one event per call adds up.
    owed: f64,
    buffer: String,
}

impl Generator {
    /// A generator; `seed` and `options` decide everything it will ever make.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut dice = Dice::new(seed);
        let organization = Organization::new(&mut dice, options.members.max(4), options.items.max(1));
        Self {
            likely: weights::cumulative(catalogue::entries()),
            name: format!("{seed:x}"),
            organization,
            options,
            dice,
            number: 0,
            owed: 0.0,
            buffer: String::new(),
        }
    }

    /// Exactly `count` events with times in `[from, to)`, ordered by time.
    pub fn history(&mut self, from: i64, to: i64, count: usize) -> Vec<SimulatedEvent> {
        let times = calendar::times(&mut self.dice, from, to, count);
        let pairs = catalogue::entries().len();
        // Each pair once at a fixed place, so that all of them occur whatever the weights draw.
        let place = |pair: usize| pair * count / pairs.max(1);
        let mut forced = 0;
        let mut events: Vec<SimulatedEvent> = Vec::with_capacity(count);
        for (number, at) in times.into_iter().enumerate() {
            if count >= pairs && forced < pairs && place(forced) == number {
                events.push(self.event_of(forced, at));
                forced += 1;
                continue;
            }
            self.next(&mut events, at);
        }
        events
    }

    /// The events of `[from, to)` at `rate` events per second, ordered by time.
    pub fn live(&mut self, from: i64, to: i64, rate: f64) -> Vec<SimulatedEvent> {
        self.owed += rate * (to - from).max(0) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative; saturates")]
        let count = self.owed as usize;
        self.owed -= count as f64;
        let span = usize::try_from(to - from).unwrap_or_default();
        let mut times: Vec<i64> =
            (0..count).map(|_| from + i64::try_from(self.dice.below(span)).unwrap_or_default()).collect();
        times.sort_unstable();
        let mut events: Vec<SimulatedEvent> = Vec::with_capacity(count);
        for at in times {
            self.next(&mut events, at);
        }
        events
    }

    /// Adds an event of any pair, or a twin of the one before.
    fn next(&mut self, events: &mut Vec<SimulatedEvent>, at: i64) {
        let event = match events.last() {
            Some(last) if self.dice.chance(self.options.twins) => last.clone(),
            _ => self.event(at),
        };
        events.push(event);
    }

    /// One event of any pair.
    pub fn event(&mut self, at: i64) -> SimulatedEvent {
        let pair = self.pair();
        self.event_of(pair, at)
    }

    /// One event of the catalogue's entry number `pair`.
    pub fn event_of(&mut self, pair: usize, at: i64) -> SimulatedEvent {
        let (probe, user) = self.write(pair, at);
        let event = SimulatedEvent::of_parts(&self.buffer, at, probe, &user);
        if self.options.late > 0.0 && self.dice.chance(self.options.late) {
            let late = 1 + self.dice.below(self.options.late_by);
            return event.visible_at(at + i64::try_from(late).unwrap_or_default());
        }
        event
    }

    /// Appends the JSON of an event, or of a twin of the one before, to `out`.
    pub fn append(&mut self, out: &mut String, at: i64) {
        if self.buffer.is_empty() || !self.dice.chance(self.options.twins) {
            let pair = self.pair();
            self.write(pair, at);
        }
        out.push_str(&self.buffer);
    }

    /// The place of a pair in the catalogue, by its weight.
    fn pair(&mut self) -> usize {
        let draw = self.dice.fraction() * self.likely.last().copied().unwrap_or_default();
        self.likely.partition_point(|&edge| edge <= draw).min(self.likely.len().saturating_sub(1))
    }

    /// Leaves an event's text in the buffer, and returns its probe and its user's UUID.
    fn write(&mut self, pair: usize, at: i64) -> (Arc<str>, String) {
        self.number += 1;
        let probe: Arc<str> = format!("{}-{}", self.name, self.number).into();
        let entry = &catalogue::entries()[pair];
        let actor = self.actor(entry);
        let mut metadata = String::with_capacity(256);
        metadata::write(&mut self.dice, &self.organization, entry, actor, &mut metadata);

        let machine = entry.group == Group::Admin && self.by_machine(entry);
        let named = entry.group == Group::Admin && self.dice.chance(0.5);
        let member = &self.organization.members[actor];
        let (user, email, initiator) = match (machine, named) {
            (true, _) => ("", "", *self.dice.pick(organization::MACHINES)),
            (false, true) => (&*member.uuid, &*member.email, &*member.email),
            (false, false) => (&*member.uuid, &*member.email, ""),
        };
        let user = user.to_owned();
        self.buffer.clear();
        let _ = write!(
            self.buffer,
            r#"{{"type":"{}","action":"{}","timestamp":{at},"organization_uuid":"{}","user":{{"uuid":"{user}","email":"{email}"}},"metadata":{{{metadata}"probe":"{probe}"}},"initiator":"{initiator}"}}"#,
            entry.kind, entry.action, self.organization.uuid,
        );
        (probe, user)
    }

    /// Who acts: an administrator, or any member, the busy ones more often.
    fn actor(&mut self, entry: &Entry) -> usize {
        match entry.group {
            Group::Admin => self.dice.below(self.organization.administrators),
            Group::Vault | Group::Login => self.dice.early(self.organization.members.len()),
        }
    }

    /// Provisioning is mostly done by the identity provider: such an event has no user, only an initiator.
    fn by_machine(&mut self, entry: &Entry) -> bool {
        let likely = match (entry.kind, entry.action) {
            ("group_provisioning" | "scim_credentials", _)
            | ("groups", "group_users_added" | "group_users_removed") => 0.6,
            ("access", "user_status_updated") | ("invites", "user_invited" | "user_converted_to_provisioned") => 0.3,
            ("breach", "domain_breached") | ("domain", _) => 0.2,
            _ => 0.0,
        };
        likely > 0.0 && self.dice.chance(likely)
    }
}

#[cfg(test)]
mod tests;

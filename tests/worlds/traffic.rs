//! The events of a world: what happens in the organization, and when the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{Dice, SimulatedEvent};

use crate::plan::{DAY, HOUR, Late, Plan};

/// Spells an address of some events otherwise, as clients do: pseudonyms and filters mustn't mind. Twins stay twins.
fn spell_otherwise(event: &mut SimulatedEvent) {
    let number =
        event.probe().map_or(0, |probe| probe.bytes().fold(7, |sum: u32, byte| sum * 31 % 1_009 + u32::from(byte)));
    let (before, after) = match number % 8 {
        0 => (r#""email":""#, r#""email":"Mc"#),
        1 => (r#""ip_address":"1"#, r#""ip_address":"::ffff:1"#),
        2 => (r#""email":""#, r#""email":"mc"#),
        _ => return,
    };
    let json = event.json().replacen(before, after, 1);
    *event = SimulatedEvent::from_json(&json, event.timestamp).visible_at(event.visible_at);
}

/// All events of a world.
pub struct Traffic {
    /// Shown from their own time on.
    pub events: Vec<SimulatedEvent>,
    /// Shown one after the other, after each answer.
    pub held_back: Vec<SimulatedEvent>,
    /// The probe of the event that the destination refuses by name.
    pub poison: Option<String>,
    /// When the last event is shown.
    pub last_shown: i64,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Traffic {
    pub fn of(plan: &Plan) -> Self {
        let (start, end) = (plan.start, plan.start + signed(plan.chaos));
        let late_by = match plan.late {
            Late::Never => 1,
            // Less than the shortest overlap.
            Late::Overlap => 100,
            Late::Hours => 12 * HOUR,
            Late::Days => 3 * DAY,
        };
        let options = Options {
            members: 12,
            items: 8,
            twins: plan.twins,
            late: if plan.late == Late::Never { 0.0 } else { 0.15 },
            late_by: usize::try_from(late_by).unwrap_or(1),
        };
        let mut generator = Generator::new(plan.seed, options);
        let mut dice = Dice::new(plan.seed ^ 0x7a_ff1c);
        let from = start - signed(plan.lookback);
        let mut events = generator.history(from, start, plan.history);
        events.extend(generator.live(start, end, plan.live as f64 / plan.chaos as f64));
        let somewhere = |dice: &mut Dice, from: i64| from + signed(dice.bits() % (end - from).unsigned_abs().max(1));
        for &(count, seconds) in &plan.bursts {
            let at = somewhere(&mut dice, from);
            for _ in 0..count {
                events.push(generator.event(at + signed(dice.bits() % seconds.unsigned_abs())));
            }
        }
        let mut poison = None;
        if plan.poison {
            let pair = dice.below(100);
            let event = generator.event_of(pair, somewhere(&mut dice, start));
            poison = event.probe().map(ToString::to_string);
            events.push(event);
            // Others of the same table, afterwards: they are the proof that it was this record.
            events.extend((1..=3).map(|number| generator.event_of(pair, end + 60 * number)));
        }
        let drift = plan.drift;
        let mut held_back: Vec<_> = (0..drift)
            .map(|_| {
                let at = start - signed(dice.bits() % (6 * HOUR).min(plan.lookback));
                let event = generator.event(at);
                event.visible_at(at)
            })
            .collect();
        if plan.shape.is_some() {
            events.iter_mut().chain(&mut held_back).for_each(spell_otherwise);
        }
        let last_shown = events.iter().map(|event| event.visible_at).max().unwrap_or(end);
        Self { events, held_back, poison, last_shown }
    }

    /// How often each event has to arrive that happened at or after `origin`.
    pub fn due(&self, origin: i64) -> BTreeMap<&str, u64> {
        let mut due = BTreeMap::new();
        for event in self.events.iter().chain(&self.held_back).filter(|event| event.timestamp >= origin) {
            if let Some(probe) = event.probe() {
                *due.entry(&**probe).or_default() += 1;
            }
        }
        due
    }

    /// The e-mail addresses of who did it.
    pub fn people(&self) -> BTreeSet<String> {
        let events = self.events.iter().chain(&self.held_back);
        let email = |event: &SimulatedEvent| {
            let event: serde_json::Value = serde_json::from_str(event.json()).ok()?;
            event["user"]["email"].as_str().filter(|email| email.contains('@')).map(str::to_owned)
        };
        events.filter_map(email).collect()
    }

    /// The second of each event, and the second from which on it is shown.
    pub fn times(&self) -> BTreeMap<&str, (i64, i64)> {
        let all = self.events.iter().chain(&self.held_back);
        all.filter_map(|event| Some((&**event.probe()?, (event.timestamp, event.visible_at)))).collect()
    }
}

/// The events of an organization before a world's start and in its time, where nothing else is special about them.
pub fn of_organization(
    number: usize,
    seed: u64,
    start: i64,
    (lookback, chaos): (u64, u64),
    (history, live): (usize, usize),
) -> Vec<SimulatedEvent> {
    let seconds = |time: u64| i64::try_from(time).unwrap_or(0);
    let options = Options { members: 6, items: 5, ..Options::default() };
    let mut generator = Generator::new(seed << 8 | u64::try_from(number).unwrap_or(0), options);
    let mut events = generator.history(start - seconds(lookback / 2), start - 60, history);
    events.extend(generator.history(start, start + seconds(chaos), live));
    events
}

//! The events of a world: what happens in the organization, and when the API shows it.

use std::collections::BTreeMap;

use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::{Dice, SimulatedEvent};

use crate::plan::{DAY, HOUR, Late, Plan};

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
        let held_back = (0..drift)
            .map(|_| {
                let at = start - signed(dice.bits() % (6 * HOUR).min(plan.lookback));
                let event = generator.event(at);
                event.visible_at(at)
            })
            .collect();
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

    /// The second of each event, and the second from which on it is shown.
    pub fn times(&self) -> BTreeMap<&str, (i64, i64)> {
        let all = self.events.iter().chain(&self.held_back);
        all.filter_map(|event| Some((&**event.probe()?, (event.timestamp, event.visible_at)))).collect()
    }
}

//! What a seed decides.

use crate::plan::{Drawer, HOUR, MINUTE};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// From now on there are so many replicas, as Kubernetes does it: new ones first or the last ones away, then the others
    /// anew one after the other.
    Scale(u16),
    /// A replica ends in order, and begins again after a while.
    Restart(u16),
    /// A replica is gone, and begins again after a while.
    Crash(u16, u64),
    /// A replica can't reach the storage account any more.
    Cut(u16),
    /// It can again.
    Restore(u16),
    /// A replica begins anew with another replica's index.
    WrongIndex(u16),
    /// Somebody breaks the lease of an organization's partition.
    BreakLease(usize),
    /// The list has an organization more, or one less.
    Toggle(usize),
    /// Nothing can be delivered any more, or it can again.
    Deliveries(bool),
    /// A second's answers of the storage account get lost.
    LoseAnswers,
}

/// What a seed decides.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub start: i64,
    pub lookback: u64,
    /// Until then things happen.
    pub chaos: u64,
    /// Events before the start and after it, for each organization.
    pub organizations: Vec<(usize, usize)>,
    /// Those that aren't in the list at first.
    pub absent: Vec<usize>,
    pub replicas: u16,
    pub latency: (u64, u64),
    /// Nothing fails: replicas and organizations come and go in order.
    pub calm: bool,
    pub actions: Vec<(u64, Action)>,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut draw = Drawer::new(seed ^ 0x4e91_1ca5_0f0f_77d1);
        let start = 1_800_000_000 + i64::try_from(draw.between(0, 8_000_000)).unwrap_or(0);
        let organizations: Vec<_> = (0..draw.size(2, 14)).map(|_| (draw.size(0, 25), draw.size(0, 15))).collect();
        let absent = (0..organizations.len()).filter(|number| *number > 0 && draw.chance(0.2)).collect();
        let mut plan = Self {
            seed,
            start,
            lookback: draw.of(&[2 * HOUR, 6 * HOUR, 24 * HOUR]),
            chaos: draw.of(&[20 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR]),
            organizations,
            absent,
            replicas: u16::try_from(draw.between(1, 4)).unwrap_or(1),
            latency: draw.of(&[(0, 0), (5, 50), (50, 900)]),
            calm: draw.chance(0.35),
            actions: Vec::new(),
        };
        plan.draw_actions(&mut draw);
        plan
    }

    /// Two replicas have one index from the second minute on, and nothing else happens: only leases keep them apart.
    pub fn with_an_index_twice(mut self) -> Self {
        (self.replicas, self.chaos, self.calm) = (2, 20 * MINUTE, false);
        self.actions = vec![(2 * MINUTE, Action::WrongIndex(1))];
        self
    }

    fn draw_actions(&mut self, draw: &mut Drawer) {
        let end = self.chaos;
        for _ in 0..draw.size(1, 3) {
            let count = u16::try_from(draw.between(1, 4)).unwrap_or(1);
            self.actions.push((draw.between(2 * MINUTE, end), Action::Scale(count)));
        }
        for _ in 0..draw.size(0, 6) {
            self.actions.push((draw.between(0, end), Action::Toggle(draw.size(0, self.organizations.len() - 1))));
        }
        for _ in 0..draw.size(0, 3) {
            self.actions.push((draw.between(0, end), Action::Restart(replica(draw))));
        }
        if !self.calm {
            for _ in 0..draw.size(1, 5) {
                let at = draw.between(0, end);
                match draw.between(0, 6) {
                    0..=1 => self.actions.push((at, Action::Crash(replica(draw), draw.of(&[0, 1, 20, 60, 300])))),
                    2 => {
                        let replica = replica(draw);
                        self.actions.push((at, Action::Cut(replica)));
                        self.actions.push((at + draw.of(&[5, 20, 40, 50, 90, 600]), Action::Restore(replica)));
                    }
                    3 => self.actions.push((at, Action::WrongIndex(replica(draw)))),
                    4 => self.actions.push((at, Action::BreakLease(draw.size(0, self.organizations.len() - 1)))),
                    5 => {
                        self.actions.push((at, Action::Deliveries(false)));
                        self.actions.push((at + draw.of(&[10, 60, 600]), Action::Deliveries(true)));
                    }
                    _ => self.actions.push((at, Action::LoseAnswers)),
                }
            }
        }
        self.actions.retain(|(at, _)| *at <= end);
        self.actions.sort_by_key(|(at, _)| *at);
    }
}

fn replica(draw: &mut Drawer) -> u16 {
    u16::try_from(draw.between(0, 3)).unwrap_or(0)
}

//! What a seed decides.

use nordpass_env::kafka::ErrorCode;
use nordpass_simulator::kafka::{Call, SendFault};

use super::topic::Foreign;
use crate::plan::{Drawer, HOUR, MINUTE};

/// The process that polls; those that deliver have the numbers after it.
pub const POLLER: usize = 0;
/// Processes that deliver, at most.
const MOST: usize = 5;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// From now on so many processes deliver.
    Scale(usize),
    /// A process ends in order, and begins again.
    Restart(usize),
    /// A process is gone, and begins again after a while.
    Crash(usize, u64),
    /// A process is stopped (SIGSTOP), or goes on.
    Stop(usize, bool),
    /// A process doesn't reach the brokers any more, or does again.
    Cut(usize, bool),
    /// No broker answers any more, or all do again.
    Down(bool),
    /// What becomes of the next batches.
    Sends(SendFault, usize),
    /// What is answered to the next calls.
    Calls(Call, ErrorCode, usize),
    /// The brokers forget all producer ids.
    ForgetProducers,
    /// Nothing can be delivered any more, or it can again.
    Deliveries(bool),
    /// The destination refuses the token, or takes it again.
    Token(bool),
    /// Somebody else writes to the topic.
    Foreign(Foreign),
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
    pub partitions: i32,
    pub deliverers: usize,
    /// The sink's key.
    pub key: &'static str,
    /// Members have names.
    pub is_static: bool,
    /// In seconds.
    pub session_timeout: u64,
    pub max_poll_interval: u64,
    pub latency: (u64, u64),
    /// Nothing fails: processes come and go in order.
    pub calm: bool,
    pub actions: Vec<(u64, Action)>,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut draw = Drawer::new(seed ^ 0x7a3d_90b1_64e2_c85f);
        let start = 1_800_000_000 + i64::try_from(draw.between(0, 8_000_000)).unwrap_or(0);
        let mut plan = Self {
            seed,
            start,
            lookback: draw.of(&[2 * HOUR, 6 * HOUR, 24 * HOUR]),
            chaos: draw.of(&[10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR]),
            organizations: (0..draw.size(1, 3)).map(|_| (draw.size(0, 120), draw.size(0, 60))).collect(),
            partitions: i32::try_from(draw.between(1, 8)).unwrap_or(1),
            deliverers: draw.size(1, MOST),
            key: draw.of(&["organization", "event_id", "event_id", "none"]),
            is_static: draw.chance(0.3),
            session_timeout: draw.of(&[6, 10, 30, 45]),
            max_poll_interval: draw.of(&[60, 60, 120, 300]),
            latency: draw.of(&[(0, 0), (5, 50), (50, 900)]),
            calm: draw.chance(0.25),
            actions: Vec::new(),
        };
        plan.draw_actions(&mut draw);
        plan
    }

    fn draw_actions(&mut self, draw: &mut Drawer) {
        let end = self.chaos;
        for _ in 0..draw.size(0, 3) {
            self.actions.push((draw.between(0, end), Action::Scale(draw.size(1, MOST))));
        }
        for _ in 0..draw.size(0, 3) {
            self.actions.push((draw.between(0, end), Action::Restart(draw.size(POLLER, MOST))));
        }
        for _ in 0..draw.size(0, 6) {
            self.actions.push((draw.between(0, end), Action::Foreign(Foreign::draw(draw))));
        }
        if !self.calm {
            for _ in 0..draw.size(1, 8) {
                self.draw_trouble(draw, end);
            }
        }
        self.actions.retain(|(at, _)| *at <= end);
        self.actions.sort_by_key(|(at, _)| *at);
    }

    /// Something that fails, and works again after a while.
    fn draw_trouble(&mut self, draw: &mut Drawer, end: u64) {
        let (at, who) = (draw.between(0, end), draw.size(POLLER, MOST));
        let over = at + draw.of(&[1, 5, 20, 50, 90, 200, 700]);
        let mut push = |at, action| self.actions.push((at, action));
        match draw.between(0, 9) {
            0..=1 => push(at, Action::Crash(who, draw.of(&[0, 1, 20, 60, 300]))),
            2 => [(at, true), (over, false)].into_iter().for_each(|(at, stop)| push(at, Action::Stop(who, stop))),
            3 => [(at, true), (over, false)].into_iter().for_each(|(at, cut)| push(at, Action::Cut(who, cut))),
            4 => [(at, true), (over, false)].into_iter().for_each(|(at, down)| push(at, Action::Down(down))),
            5 => push(at, Action::Sends(send_fault(draw), draw.of(&[1, 3, 20, 100]))),
            6 => {
                let call = draw.of(&[Call::Commit, Call::Committed, Call::Watermarks, Call::Producer, Call::Consumer]);
                push(at, Action::Calls(call, answer(draw), draw.of(&[1, 3, 20])));
            }
            7 => push(at, Action::ForgetProducers),
            8 => [(at, false), (over, true)].into_iter().for_each(|(at, work)| push(at, Action::Deliveries(work))),
            _ => [(at, false), (over, true)].into_iter().for_each(|(at, good)| push(at, Action::Token(good))),
        }
    }
}

fn send_fault(draw: &mut Drawer) -> SendFault {
    match draw.between(0, 3) {
        0 => SendFault::Delay(std::time::Duration::from_secs(draw.of(&[1, 10, 70]))),
        1 => SendFault::Written(draw.of(&[ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorCode::REQUEST_TIMED_OUT])),
        2 => SendFault::Code(draw.of(&[
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ErrorCode::INVALID_PRODUCER_EPOCH,
            ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        ])),
        _ => SendFault::Code(draw.of(&[
            ErrorCode::POLICY_VIOLATION,
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ])),
    }
}

fn answer(draw: &mut Drawer) -> ErrorCode {
    draw.of(&[
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::STALE_MEMBER_EPOCH,
    ])
}

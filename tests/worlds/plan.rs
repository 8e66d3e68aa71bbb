//! What a seed decides: the traffic, how the API behaves, the pipeline's settings, and everything that goes wrong.

mod faults;

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::nordpass::{PageLimit, Settings, Total};
use nordpass_simulator::{Dice, Endpoint};

use crate::blobs::Blobs;
use crate::receiver::Receiver;
use crate::reload::Reload;
use crate::shape::{self, Destination, Shape};
use faults::{api, status};

pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 3600;
pub const DAY: u64 = 86_400;
/// The least that the source takes: a world's events are enough to fill it.
const SMALL_IN_FLIGHT: u64 = 64 << 10;

/// The share of worlds with an `http` sink.
const RECEIVING: f64 = 0.35;

/// The share of worlds whose pipelines change records.
const SHAPED: f64 = 0.4;

/// The share of worlds with an archive in a storage account.
const ARCHIVED: f64 = 0.4;

/// How late events become visible at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    Never,
    /// Within the overlap of the polls.
    Overlap,
    /// Within a day: the hourly sweep's.
    Hours,
    /// Within a week: the daily sweep's.
    Days,
}

/// One thing that happens at a time.
#[derive(Clone, Debug)]
pub enum Action {
    /// Power cut or SIGKILL at once.
    Crash,
    /// … at the so-manieth changing disk operation from then on.
    CrashAtDisk(u64),
    /// … at the so-manieth request; the other side has taken it, or not.
    CrashAtRequest(u64, bool),
    /// A bug in a component: it panics at the so-manieth request; the other side has taken it, or not.
    PanicAtRequest(u64, bool),
    /// SIGTERM, and a new start: possibly with other settings.
    Restart,
    /// The NordPass token is revoked, until the second action.
    Revoke,
    Unrevoke,
    /// The role on the rule is missing.
    Forbid,
    Allow,
    /// A host can't be reached.
    Cut(Host),
    Restore(Host),
    /// Entra refuses the secret.
    RefuseSecret,
    AcceptSecret,
    /// Every token is void.
    ExpireTokens,
    /// The disk takes nothing more.
    DiskFull,
    DiskRoom,
    /// The next changing operations fail; a failed sync may have dropped what it was to keep.
    DiskFails(u64, io::ErrorKind),
    ReadsFail(u64),
    /// The machine's clock jumps by these seconds.
    Jump(i64),
    /// The storage account forgets blocks that weren't committed, as it does after a week.
    ExpireBlocks,
    /// The pipeline file changes, and the process is told.
    Reload(Reload),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    Nordpass,
    Entra,
    Ingestion,
    /// The second workspace's endpoint, where there is one.
    Second,
    /// A receiver of records, where there is one.
    Receiver,
    /// The storage account with the archive, where there is one.
    Blobs,
}

/// The settings of one life of the process.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub poll_interval: u64,
    pub overlap: u64,
    pub lag: u64,
    pub page_size: u64,
    pub concurrency: u64,
    pub requests_per_second: u64,
    pub in_flight: u64,
    pub timeout: u64,
    pub batch_bytes: u64,
    pub batch_seconds: u64,
    pub gzip: u64,
    pub deliveries: u64,
}

/// Everything.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of a world, drawn by itself")]
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// The Unix second at which it begins.
    pub start: i64,
    pub lookback: u64,
    /// Events of the look-back, and of the time in which things go wrong.
    pub history: usize,
    pub live: usize,
    /// Bursts within a few seconds: how many events, in how many seconds.
    pub bursts: Vec<(usize, i64)>,
    pub twins: f64,
    pub late: Late,
    /// Events that appear between two answers, in times that were read already.
    pub drift: usize,
    /// One record that the destination refuses by name.
    pub poison: bool,
    pub api: Settings,
    pub token_life: u64,
    pub ready_token: bool,
    pub latency: (u64, u64),
    pub faults: Vec<(&'static str, Fault)>,
    /// Second from the start, and what happens then; in order.
    pub actions: Vec<(u64, Action)>,
    /// When everything stops going wrong.
    pub chaos: u64,
    pub second: bool,
    pub archive: Option<&'static str>,
    pub optional: bool,
    /// How an `http` sink sends, where there is one.
    pub receiver: Option<Receiver>,
    /// An archive in a storage account, where there is one.
    pub blobs: Option<Blobs>,
    /// Transforms that change records, where there are any.
    pub shape: Option<Shape>,
    /// How far the machine's clock is off at the beginning, in seconds.
    pub skew: i64,
    pub tunings: Vec<Tuning>,
    /// How long after the last trouble it goes on although everything has arrived: sweeps must not double anything.
    pub linger: u64,
}

/// Draws what a world has.
pub struct Drawer(Dice);

impl Drawer {
    pub fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.bits() % (high - low + 1)
    }

    pub fn size(&mut self, low: usize, high: usize) -> usize {
        low + self.0.below(high - low + 1)
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        *self.0.pick(choices)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.chance(probability)
    }

    pub fn tuning(&mut self, api: &Settings) -> Tuning {
        // A page size that the server refuses is a mistake in the pipeline file, not a fault to be survived.
        let most = if api.page_limit == PageLimit::Refuse { api.max_page_size } else { 200 };
        Tuning {
            poll_interval: self.of(&[10, 30, 60, 60, 60, 120, 300]),
            overlap: self.of(&[120, 300, 600, 600, 1200]),
            lag: self.of(&[0, 1, 5, 5, 30]),
            page_size: self.between(3, 100).min(most),
            concurrency: self.between(1, 8),
            requests_per_second: self.of(&[2, 10, 10, 50, 1000]),
            in_flight: self.of(&[SMALL_IN_FLIGHT, SMALL_IN_FLIGHT, 12 << 20]),
            timeout: self.of(&[5, 10, 30]),
            batch_bytes: self.of(&[1_000, 5_000, 50_000, 1_000_000]),
            batch_seconds: self.of(&[1, 1, 5, 20]),
            gzip: self.between(0, 3),
            deliveries: self.between(1, 5),
        }
    }
}

impl Plan {
    /// The world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut draw = Drawer(Dice::new(seed ^ 0x5eed_0fa1_10fe_11a5));
        let start = 1_800_000_000 + i64::try_from(draw.between(0, 300 * DAY)).unwrap_or(0);
        let lookback = draw.of(&[2 * HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 7 * DAY]);
        let chaos = draw.of(&[10 * MINUTE, 20 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR]);
        let api = api(&mut draw, seed);
        // Without a total there is no proof: twins can't be told from a page that moved, and a page that moved not
        // from a whole one. There the promise is that sweeps find what was missed.
        let provable = api.total == Total::Right;
        let late = match draw.between(0, 9) {
            0..=3 => Late::Never,
            4..=6 => Late::Overlap,
            7..=8 => Late::Hours,
            _ => Late::Days,
        };
        let mut plan = Self {
            seed,
            start,
            lookback,
            history: draw.size(0, 300),
            live: draw.size(5, 120),
            bursts: (0..draw.size(0, 3))
                .map(|_| (draw.size(5, 60), i64::try_from(draw.between(1, 6)).unwrap_or(1)))
                .collect(),
            twins: if provable { draw.of(&[0.0, 0.01, 0.1]) } else { 0.0 },
            late,
            drift: if draw.chance(0.3) { draw.size(1, 10) } else { 0 },
            poison: draw.chance(0.2),
            api,
            token_life: draw.of(&[90, 300, 900, 3599]),
            ready_token: draw.chance(0.2),
            latency: draw.of(&[(0, 0), (10, 80), (50, 2_000)]),
            faults: Vec::new(),
            actions: Vec::new(),
            chaos,
            second: draw.chance(0.3),
            archive: draw.of(&[
                None,
                Some("archive/{date}/{organization}.ndjson.gz"),
                Some("archive/{date}.ndjson"),
                Some("archive/all.ndjson.zst"),
            ]),
            optional: draw.chance(0.3),
            receiver: None,
            blobs: None,
            shape: None,
            skew: if draw.chance(0.3) { i64::try_from(draw.between(0, 600)).unwrap_or(0) - 300 } else { 0 },
            tunings: Vec::new(),
            linger: draw.of(&[0, 0, 0, 70 * MINUTE, 70 * MINUTE, 26 * HOUR]),
        };
        plan.tunings = (0..4).map(|_| draw.tuning(&plan.api)).collect();
        if draw.chance(0.5) {
            plan.tunings.truncate(1);
        }
        plan.plan_faults(&mut draw);
        plan.plan_actions(&mut draw);
        // What came later draws from a dice of its own, so that the worlds of all other seeds stay as they were.
        let mut draw = Drawer(Dice::new(seed ^ 0x0add_ed1a_7e12));
        if draw.chance(0.06) {
            plan.stand_still(&mut draw);
        }
        if draw.chance(0.15) {
            plan.plan_panic(&mut draw);
        }
        if draw.chance(0.1) {
            plan.plan_two_refusals(&mut draw);
        }
        if draw.chance(0.15) {
            plan.plan_odd_answers(&mut draw);
        }
        let mut draw = Drawer(Dice::new(seed ^ 0x4ec1_71e4));
        if draw.chance(RECEIVING) {
            plan.plan_receiver(&mut draw);
        }
        plan.actions.sort_by_key(|(at, _)| *at);
        let mut draw = Drawer(Dice::new(seed ^ 0x5aab_1e5a_ab1e));
        if draw.chance(SHAPED) || shape::EVERYWHERE.load(Ordering::Relaxed) {
            let mut shape = Shape::drawn(&mut draw, plan.second, plan.archive.is_some());
            plan.receiver.into_iter().for_each(|receiver| shape.add_receiver(receiver));
            plan.shape = Some(shape);
        }
        let mut draw = Drawer(Dice::new(seed ^ 0xb10b_5a4c_417e));
        if draw.chance(ARCHIVED) {
            plan.plan_blobs(&mut draw);
        }
        plan.plan_reloads(&mut Drawer(Dice::new(seed ^ 0x4e10_ad5e_11f0)));
        plan
    }

    /// The required destinations.
    pub fn destinations(&self) -> Vec<Destination> {
        let urgent = |shape: &Shape| !shape.read_by(Destination::Urgent).is_empty();
        let there = [
            (true, Destination::Sentinel),
            (self.second, Destination::Official),
            (self.shape.as_ref().is_some_and(urgent), Destination::Urgent),
            (self.archive.is_some(), Destination::Archive),
            (self.receiver.is_some(), Destination::Receiver),
        ];
        there.into_iter().filter_map(|(is, destination)| is.then_some(destination)).collect()
    }

    /// The destination can't be reached from the first moment on, and there is far more to read than there is room for.
    /// Small pages make the bound a narrow one.
    fn stand_still(&mut self, draw: &mut Drawer) {
        self.history = draw.size(500, 800);
        for tuning in &mut self.tunings {
            tuning.in_flight = SMALL_IN_FLIGHT;
            tuning.page_size = draw.between(5, 10);
            tuning.concurrency = draw.between(1, 4);
            tuning.requests_per_second = tuning.requests_per_second.max(10);
        }
        let until = draw.between(self.chaos / 2, self.chaos);
        self.actions.extend([(0, Action::Cut(Host::Ingestion)), (until, Action::Restore(Host::Ingestion))]);
    }

    /// The destination refuses everything with 400, works for some seconds, and refuses everything again: one turn of its
    /// answers mustn't pass for a proof against a record. Two turns are one by design, so there is no third spell.
    fn plan_two_refusals(&mut self, draw: &mut Drawer) {
        let refuses =
            |(name, fault): &(&str, Fault)| *name == "400" && fault.when.endpoint == Some(Endpoint::Ingestion);
        if self.faults.iter().any(refuses) {
            return;
        }
        let latest = draw.of(&[2 * MINUTE, self.chaos / 2]);
        let mut at = draw.between(0, latest);
        for _ in 0..2 {
            let until = at + draw.between(5, 120);
            let when = When {
                endpoint: Some(Endpoint::Ingestion),
                after: Some(Duration::from_secs(at)),
                before: Some(Duration::from_secs(until)),
                ..When::default()
            };
            self.faults.insert(0, ("400", Fault { when, effect: status(400, None), delay: Duration::ZERO }));
            at = until + draw.between(1, 40);
        }
    }

    /// For a while something stands in front of NordPass that answers with status 200 and no page; or a node has lost its clock,
    /// and shows nothing. Where there is no right total, nobody can tell an empty page from the last one.
    fn plan_odd_answers(&mut self, draw: &mut Drawer) {
        let no_page = ("JSON that is no page", r#"{"message":"We'll be back soon"}"#, None);
        let lost = (
            "a Date of 1970",
            r#"{"data":[],"metadata":{"total":0,"per_page":100,"current_page":1}}"#,
            Some(("date".to_owned(), "Thu, 01 Jan 1970 00:00:03 GMT".to_owned())),
        );
        let provable = self.api.total == Total::Right;
        let (name, body, date) = if draw.chance(0.5) && provable { lost } else { no_page };
        let (status, headers) = (StatusCode::OK, date.into_iter().collect());
        let effect = Effect::Status { status, body: body.to_owned(), headers, retry_after: None };
        let from = draw.between(0, self.chaos);
        let until = from + draw.between(1, self.chaos - from + 1);
        let when = When {
            endpoint: Some(Endpoint::Nordpass),
            after: Some(Duration::from_secs(from)),
            before: Some(Duration::from_secs(until)),
            probability: draw.of(&[None, Some(0.5), Some(0.1)]),
            ..When::default()
        };
        self.faults.push((name, Fault { when, effect, delay: Duration::ZERO }));
    }

    /// At any time, or while a drain sends the last rows: then somebody still waits for what the panic drops.
    fn plan_panic(&mut self, draw: &mut Drawer) {
        let latest = draw.of(&[MINUTE, self.chaos]);
        let (at, taken) = (draw.between(0, latest), draw.chance(0.5));
        if draw.chance(0.5) {
            self.actions.push((at, Action::PanicAtRequest(draw.between(0, 3), taken)));
            self.actions.push((at, Action::Restart));
        } else {
            self.actions.push((at, Action::PanicAtRequest(draw.between(0, 40), taken)));
        }
    }

    fn plan_actions(&mut self, draw: &mut Drawer) {
        let chaos = self.chaos;
        let mut actions = Vec::new();
        for _ in 0..draw.of(&[0, 1, 1, 2, 3, 5]) {
            let at = draw.between(0, chaos);
            let action = match draw.between(0, 9) {
                0..=2 => Action::Crash,
                3..=6 => Action::CrashAtDisk(draw.between(0, 60)),
                _ => Action::CrashAtRequest(draw.between(0, 40), draw.chance(0.5)),
            };
            actions.push((at, action));
        }
        for _ in 0..draw.of(&[0, 0, 1, 2]) {
            actions.push((draw.between(0, chaos), Action::Restart));
        }
        for _ in 0..draw.of(&[0, 1, 2, 3]) {
            let from = draw.between(0, chaos);
            let until = from + draw.between(1, chaos - from + 1);
            let host = draw.of(&[Host::Nordpass, Host::Entra, Host::Ingestion, Host::Second]);
            let pair = match draw.between(0, 7) {
                0 => (Action::Revoke, Action::Unrevoke),
                1 => (Action::Forbid, Action::Allow),
                2 | 3 => (Action::Cut(host), Action::Restore(host)),
                4 => (Action::RefuseSecret, Action::AcceptSecret),
                5 => (Action::DiskFull, Action::DiskRoom),
                6 => (Action::ExpireTokens, Action::ExpireTokens),
                _ => {
                    let kind = draw.of(&[io::ErrorKind::Other, io::ErrorKind::StorageFull]);
                    (Action::DiskFails(draw.between(1, 20), kind), Action::ReadsFail(draw.between(1, 5)))
                }
            };
            actions.push((from, pair.0));
            actions.push((until, pair.1));
        }
        if draw.chance(0.25) {
            let hour = i64::try_from(HOUR).unwrap_or(0);
            let by = draw.of(&[-2 * hour, -60, 30, hour, 5 * hour, 200 * 24 * hour]);
            let (at, back) = (draw.between(0, chaos), draw.between(0, chaos));
            actions.push((at.min(back), Action::Jump(by)));
            // Somebody sets it right again.
            actions.push((at.max(back) + 1, Action::Jump(-by)));
        }
        actions.sort_by_key(|(at, _)| *at);
        self.actions = actions;
    }

    /// Within how many seconds after the last trouble everything must have arrived.
    pub fn patience(&self) -> u64 {
        // So few questions that an API without an order needs hours for its proofs.
        let slow = if self.tunings.iter().any(|tuning| tuning.requests_per_second <= 2) { 4 * HOUR } else { 0 };
        slow + self.patience_with_the_api()
    }

    fn patience_with_the_api(&self) -> u64 {
        let unprovable = self.api.total != Total::Right && (self.drift > 0 || self.late != Late::Never);
        match self.late {
            Late::Days => 50 * HOUR,
            _ if unprovable => 50 * HOUR,
            Late::Hours => 3 * HOUR,
            // What appears in a time that was read already, behind the overlap: the hourly sweep's.
            _ if self.drift > 0 => 3 * HOUR,
            // A second that stays unreadable is tried again after five minutes at most; the rest is back-off.
            Late::Never | Late::Overlap => 40 * MINUTE,
        }
    }
}

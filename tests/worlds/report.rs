//! What runs had in sum: how many worlds, what went wrong in them, what was checked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use nordpass_simulator::LoggedRequest;
use nordpass_simulator::nordpass::{Bound, Order, PageLimit, Total};

use crate::plan::{Action, Plan};
use crate::reload::{self, Reload, Reloads};
use crate::shape::fate::Fate;
use crate::shape::{self, Destination};
use crate::world::World;

/// One world's run.
#[derive(Default)]
pub struct AckOutcome {
    pub violations: Vec<String>,
    /// A hash of everything that could be seen from outside: each request with its time and body, and the disk.
    pub trace: [u8; 32],
    pub events: u64,
    pub rows: u64,
    pub copies: u64,
    pub requests: u64,
    pub lives: u64,
    pub seconds: u64,
    pub troubles: BTreeMap<&'static str, u64>,
    pub kinds: Vec<&'static str>,
    /// The most bytes of events that had been shown and not accepted.
    pub held: u64,
    /// Of the events in worlds with shaping transforms: all, those that are left out on purpose, those that a transform can't
    /// handle.
    pub shaped: [u64; 3],
}

/// What an API can be, a pipeline can have, or a machine can be like, where it makes things harder.
fn kinds(plan: &Plan) -> Vec<&'static str> {
    let api = &plan.api;
    let kinds = [
        ("unstable order", matches!(api.order, Order::Unstable | Order::UnstableWithinSecond)),
        ("newest first", api.order == Order::Descending),
        ("exclusive bounds", api.from == Bound::Exclusive || api.to == Bound::Exclusive),
        ("inclusive bounds", api.from == Bound::Inclusive || api.to == Bound::Inclusive),
        ("no total, or a wrong one", api.total != Total::Right),
        ("pages smaller than asked", api.page_limit == PageLimit::Cap && api.max_page_size <= 50),
        ("NordPass's clock off", api.clock_ahead != 0),
        ("the machine's clock off", plan.skew != 0),
        ("a rate limit", api.rate_limit.is_some()),
        ("identical events", plan.twins > 0.0),
        ("bursts", !plan.bursts.is_empty()),
        ("two workspaces", plan.second),
        ("files beside Azure", plan.archive.is_some()),
        ("an optional sink", plan.optional),
        ("an archive in blobs", plan.blobs.is_some()),
        ("little room in memory", plan.tunings.iter().any(|tuning| tuning.in_flight < 1 << 20)),
    ];
    kinds.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
}

impl AckOutcome {
    pub fn of(world: &World, violations: Vec<String>) -> Self {
        let mut troubles = BTreeMap::new();
        for ((name, _), times) in world.plan.faults.iter().zip(&world.lives.faults) {
            *troubles.entry(*name).or_default() += times;
        }
        for (_, action) in &world.plan.actions {
            let name = match action {
                Action::Restart => "restart with other settings",
                Action::Revoke => "token revoked",
                Action::Forbid => "role missing",
                Action::Cut(_) => "host unreachable",
                Action::RefuseSecret => "secret refused",
                Action::ExpireTokens => "void tokens",
                Action::DiskFull => "disk full",
                Action::DiskFails(..) => "disk writes fail",
                Action::ReadsFail(_) => "disk reads fail",
                Action::Jump(_) => "clock jumps",
                Action::ExpireBlocks => "blocks expired",
                Action::Reload(Reload::Wrong) => "reload of a wrong file",
                // Counted where they happen, or the end of something.
                Action::Crash
                | Action::CrashAtDisk(_)
                | Action::CrashAtRequest(..)
                | Action::PanicAtRequest(..)
                | Action::Unrevoke
                | Action::Allow
                | Action::Restore(_)
                | Action::AcceptSecret
                | Action::DiskRoom
                | Action::Reload(_) => {
                    continue;
                }
            };
            *troubles.entry(name).or_default() += 1;
        }
        *troubles.entry("crash").or_default() += world.lives.crashes;
        *troubles.entry("panic of a component").or_default() += world.lives.panics;
        let Reloads { applied, refused, aborted } = world.lives.reloads;
        for (name, times) in
            [("reload", applied), ("reload refused", refused), ("reload that dropped what didn't drain", aborted)]
        {
            *troubles.entry(name).or_default() += times;
        }
        let (late, held) = (&world.traffic.events, world.traffic.held_back.len());
        *troubles.entry("late event").or_default() +=
            late.iter().filter(|event| event.visible_at > event.timestamp).count() as u64;
        *troubles.entry("event in a time already read").or_default() += held as u64;
        *troubles.entry("record refused by name").or_default() += u64::from(world.traffic.poison.is_some());
        let books = world.ledger.books();
        let tables = Destination::REQUESTED.map(|destination| books.rows(destination));
        let rows = tables.iter().map(|rows| rows.len() as u64).sum();
        let all: u64 = tables.iter().flat_map(|rows| rows.values()).map(|copies| copies.len() as u64).sum();
        Self {
            violations,
            trace: trace(world),
            events: (world.traffic.events.len() + held) as u64,
            rows,
            copies: all - rows,
            requests: world.log.count(),
            lives: world.ledger.life(),
            seconds: u64::try_from(world.now() - world.plan.start).unwrap_or(0),
            troubles,
            kinds: kinds(&world.plan)
                .into_iter()
                .chain(world.plan.shape.iter().flat_map(crate::shape::Shape::kinds))
                .chain(world.plan.receiver.map(crate::receiver::Receiver::kind))
                .chain(world.network.hostile().kinds())
                .collect(),
            held: world.network.held().peak,
            shaped: shaped(world),
        }
    }
}

fn shaped(world: &World) -> [u64; 3] {
    let Some(shaped) = &world.expected.shaped else { return [0; 3] };
    let count = |is: fn(&Fate) -> bool| {
        let fates = shaped.ids.values().filter_map(|probe| shaped.fates.get(probe));
        fates.filter(|fate| is(fate)).count() as u64
    };
    [count(|_| true), count(|fate| !fate.dropped.is_empty()), count(|fate| !fate.refused.is_empty())]
}

fn trace(world: &World) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    for (number, request) in world.log.entries().into_iter().enumerate() {
        let LoggedRequest { at, path, body, body_length, status, fault, .. } = request;
        hash.update(format!("{number} {at} {path} {body_length} {status:?} {fault}").as_bytes());
        hash.update(&body);
    }
    for path in world.disk.paths() {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(&world.disk.content(&path).unwrap_or_default());
    }
    hash.update(&world.disk.operations().to_le_bytes());
    *hash.finalize().as_bytes()
}

/// Many of them.
#[derive(Default)]
pub struct Sum {
    /// The violations, by seed.
    pub failed: Vec<(u64, String)>,
    worlds: u64,
    events: u64,
    rows: u64,
    copies: u64,
    requests: u64,
    lives: u64,
    seconds: u64,
    troubles: BTreeMap<&'static str, u64>,
    kinds: BTreeMap<&'static str, u64>,
    held: u64,
    shaped: [u64; 3],
}

impl Sum {
    pub fn fail(&mut self, seed: u64, violation: String) {
        self.failed.push((seed, violation));
    }

    pub fn add(&mut self, outcome: &AckOutcome) {
        self.worlds += 1;
        self.events += outcome.events;
        self.rows += outcome.rows;
        self.copies += outcome.copies;
        self.requests += outcome.requests;
        self.lives += outcome.lives;
        self.seconds += outcome.seconds;
        self.held = self.held.max(outcome.held);
        self.shaped.iter_mut().zip(outcome.shaped).for_each(|(sum, number)| *sum += number);
        for (name, times) in &outcome.troubles {
            *self.troubles.entry(name).or_default() += times;
        }
        for kind in &outcome.kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    pub fn add_all(&mut self, other: Self) {
        self.failed.extend(other.failed);
        self.worlds += other.worlds;
        self.events += other.events;
        self.rows += other.rows;
        self.copies += other.copies;
        self.requests += other.requests;
        self.lives += other.lives;
        self.seconds += other.seconds;
        self.held = self.held.max(other.held);
        self.shaped.iter_mut().zip(other.shaped).for_each(|(sum, number)| *sum += number);
        for (name, times) in other.troubles {
            *self.troubles.entry(name).or_default() += times;
        }
        for (name, worlds) in other.kinds {
            *self.kinds.entry(name).or_default() += worlds;
        }
    }
}

/// The options of this run that make other worlds of the same seeds.
fn options() -> String {
    let all = [(&reload::EVERYWHERE, " --reloads"), (&shape::EVERYWHERE, " --shaped")];
    all.into_iter().filter(|(is_on, _)| is_on.load(Ordering::Relaxed)).map(|(_, option)| option).collect()
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} worlds: {} days of simulated time, {} lives of the process, {} requests; {} events checked, {} rows \
             accepted, {} copies of rows beyond the first, each explained",
            self.worlds,
            self.seconds / 86_400,
            self.lives,
            self.requests,
            self.events,
            self.rows,
            self.copies
        )?;
        writeln!(f, "what went wrong in them:")?;
        for (name, times) in &self.troubles {
            writeln!(f, "{times:>10}  {name}")?;
        }
        writeln!(f, "worlds with:")?;
        for (name, worlds) in &self.kinds {
            writeln!(f, "{worlds:>10}  {name}")?;
        }
        let [events, left_out, refused] = self.shaped;
        writeln!(
            f,
            "in worlds with shaping transforms: {events} events, of which {left_out} are left out on purpose and {refused} can't be \
             handled by a transform"
        )?;
        writeln!(f, "events shown and not accepted: {} KiB at most", self.held >> 10)?;
        if let (Some(peak), Some(end)) = (memory("VmHWM:"), memory("VmRSS:")) {
            writeln!(f, "resident memory of all of it: {peak} MiB at most, {end} MiB at the end")?;
        }
        let mut shown = BTreeMap::<u64, usize>::new();
        for (seed, violation) in &self.failed {
            let shown = shown.entry(*seed).or_default();
            *shown += 1;
            if *shown <= 3 {
                writeln!(f, "FAILED seed {seed}: {violation}")?;
            }
        }
        match self.failed.first() {
            Some((seed, _)) => writeln!(f, "hint: cargo xtask simulate --seed {seed}{} --log", options()),
            None => Ok(()),
        }
    }
}

/// In MiB, where the system tells.
fn memory(which: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

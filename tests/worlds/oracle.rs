//! What must hold in every world, whatever went wrong in it.
//!
//! 1. **Lost 0**: each event that the API has shown since the state's origin is in every required sink, as often as it
//!    happened; the one record that the destination refuses by name is a dead letter instead, and nothing else is.
//! 2. **Doubled only where the design allows it**: a further copy of a row has the same id, and its predecessor's answer
//!    never came, or a crash lay between that answer and the commit: the state didn't know the id when the process
//!    started again; or a reload has abandoned what another sink held, and the state didn't know the id then. Files and blobs hold each event exactly once.
//! 3. **The state is never ahead**: whenever the process starts, each known id has been accepted by every destination,
//!    and each event of a covered and proven time is known.
//! 4. **Memory is bounded**: what the process was shown and not every destination has accepted stays within what the pipeline
//!    file allows ([`crate::held`]).
//! 5. **No output has a secret**: files, health, metrics and the log ([`crate::hostile`]).
//! 6. **Records are changed as the pipeline file says**, and what is left out on purpose is acknowledged and never arrives
//!    ([`crate::shape`]).
//! 7. **Progress**: once the faults stop, everything arrives within a bounded time; that is measured by the world.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use http::StatusCode;
use nordpass_env::{Env, MemoryDisk};
use nordpass_sentinel::component::SourceKey;
use nordpass_simulator::nordpass::Total;
use nordpass_simulator::{Endpoint, LoggedRequest};
use serde_json::Value;
use tokio::time::Instant;

use crate::blobs;
use crate::common::state::{self, State};
use crate::ledger::{Books, Rows, SURELY_LATER};
use crate::pipeline;
use crate::reload::{Reloads, Replay};
use crate::shape::{Destination, judge};
use crate::world::{Violations, World};
use files::{in_files, judge_files, lacking_in};

/// The state as it was on disk when a life began.
pub struct Snapshot {
    pub life: u64,
    /// The time, in truth.
    pub at: i64,
    pub known: BTreeSet<u128>,
    /// The source's document; `None` at a first run.
    pub document: Option<Value>,
    /// The state couldn't be read.
    pub broken: Option<String>,
}

impl Snapshot {
    /// Reads the state from a copy of the disk, with the ids of these times.
    pub async fn of(disk: &MemoryDisk, life: u64, at: i64, times: Range<i64>, env: Env) -> Self {
        let key = SourceKey { name: "nordpass".to_owned(), endpoint: pipeline::ENDPOINT.to_owned() };
        match state::read(disk, pipeline::DATA_DIR, key, times, env).await {
            Ok(State { known, document }) => Self { life, at, known, document, broken: None },
            Err(error) => Self { life, at, known: BTreeSet::new(), document: None, broken: Some(error) },
        }
    }

    /// Where the state begins; nothing before it was promised.
    pub fn origin(&self) -> Option<i64> {
        self.document.as_ref()?["origin"].as_i64()
    }

    /// Covered times, and those of them that aren't proven.
    fn covered(&self) -> (Spans, Spans) {
        let list = |name: &str| {
            let pairs = self.document.as_ref().map(|document| document[name].clone()).unwrap_or_default();
            serde_json::from_value(pairs).unwrap_or_default()
        };
        (list("covered"), list("unproven"))
    }
}

/// Half-open ranges of Unix seconds.
type Spans = Vec<(i64, i64)>;

/// The rows of each required destination in Azure.
fn tables<'a>(world: &World, books: &'a Books) -> Vec<(Destination, &'a Rows)> {
    let there = Destination::REQUESTED.into_iter().filter(|to| world.expected.destinations.contains(to));
    there.map(|destination| (destination, books.rows(destination))).collect()
}

/// How many different ids each probe has in a table.
fn distinct<'a>(books: &'a Books, rows: &Rows) -> BTreeMap<&'a str, u64> {
    let mut count = BTreeMap::new();
    for id in rows.keys() {
        if let Some(probe) = books.probes.get(id) {
            *count.entry(probe.as_str()).or_default() += 1;
        }
    }
    count
}

/// What is due and not there, the poisoned record aside.
fn lacking(world: &World, origin: i64) -> Vec<(String, Destination)> {
    let books = world.ledger.books();
    let due = world.traffic.due(origin);
    let mut lacking = Vec::new();
    for (destination, rows) in tables(world, &books) {
        let there = distinct(&books, rows);
        for (probe, count) in &due {
            let poisoned = world.traffic.poison.as_deref() == Some(*probe);
            let wanted = !poisoned && world.expected.wants(probe, destination);
            if wanted && there.get(probe).copied().unwrap_or(0) < *count {
                lacking.push(((*probe).to_owned(), destination));
            }
        }
    }
    lacking
}

/// Whether everything has arrived.
pub async fn arrived(world: &World) -> bool {
    arrived_but_for(world, proven).await
}

/// Whether everything has arrived that has to, at the latest.
pub async fn arrived_at_last(world: &World) -> bool {
    arrived_but_for(world, surely_proven).await
}

/// Whether everything has arrived, a poisoned record that isn't `proven` aside.
async fn arrived_but_for(world: &World, proven: fn(&World, Destination) -> bool) -> bool {
    let snapshot = world.snapshot().await;
    let Some(origin) = snapshot.origin() else { return false };
    let buried = |to: &Destination| !proven(world, *to) || !letters(&world.disk, to.sink()).is_empty();
    let poison = Destination::REQUESTED.iter().all(buried);
    let filed = match world.plan.archive {
        Some(_) => in_files(world, "archive").await.is_ok_and(|files| lacking_in(&files, world, origin) == 0),
        None => true,
    };
    let archived = match &world.plan.blobs {
        Some(blobs) if blobs.required => blobs::lacking(world, origin).await == Ok(0),
        _ => true,
    };
    poison && filed && archived && lacking(world, origin).is_empty() && judge::is_done(world, origin, &snapshot)
}

/// Whether the process has the proof that the poisoned record is refused for itself: its stream has accepted others
/// since. Without, it has to keep the record, however long.
fn proven(world: &World, destination: Destination) -> bool {
    let books = world.ledger.books();
    let epoch = world.ledger.epoch();
    let mut streams = books.streams.iter().filter(|((to, _), _)| *to == destination);
    streams.any(|(_, stream)| {
        let both = stream.refused.zip(stream.accepted).filter(|_| stream.epoch == epoch);
        // Where a body without records proves nothing, it takes a second accepted request.
        let enough = destination != Destination::Receiver || stream.later > 1;
        enough && both.is_some_and(|(refused, accepted)| accepted > refused + SURELY_LATER)
    })
}

/// The same, where nothing spoils the proof.
fn surely_proven(world: &World, destination: Destination) -> bool {
    proven(world, destination) && (destination != Destination::Receiver || !has_spoiled_proofs(world))
}

/// Whether a receiver has called a short body too long while a record was refused: such a machine is no witness, and the
/// proof begins anew.
fn has_spoiled_proofs(world: &World) -> bool {
    let Some(receiver) = &world.plan.receiver else { return false };
    let books = world.ledger.books();
    let is_nonsense = |request: &LoggedRequest| {
        let path = |name: &str| name.split('?').next() == request.path.split('?').next();
        let mut streams = books.streams.iter().filter(|((to, name), _)| *to == Destination::Receiver && path(name));
        let is_later = streams.any(|(_, stream)| stream.refused.is_some_and(|at| request.at.as_second() >= at));
        is_later && request.fault && request.status == Some(StatusCode::PAYLOAD_TOO_LARGE)
    };
    world.log.at(receiver.endpoint()).iter().any(is_nonsense)
}

/// Whether a destination is still asked whether it goes on refusing the poisoned record.
pub fn holds_a_suspect(world: &World) -> bool {
    let books = world.ledger.books();
    let epoch = world.ledger.epoch();
    books.streams.iter().any(|((to, _), stream)| {
        stream.epoch == epoch && stream.refused.is_some() && letters(&world.disk, to.sink()).is_empty()
    })
}

/// What is missing, in a sentence.
pub async fn missing(world: &World) -> String {
    let snapshot = world.snapshot().await;
    let Some(origin) = snapshot.origin() else { return "there is no state".to_owned() };
    let lacking = lacking(world, origin);
    let times = world.traffic.times();
    let some: Vec<String> = lacking
        .iter()
        .take(5)
        .map(|(probe, destination)| {
            let (time, shown) = times.get(probe.as_str()).copied().unwrap_or_default();
            format!("{probe} of {time} in {} (shown after {} s)", destination.sink(), shown - time)
        })
        .collect();
    let letters = letters(&world.disk, "sentinel").len();
    format!("{} events, such as {}; {letters} dead letters; now {}", lacking.len(), some.join(", "), world.now())
}

/// The lines of a component's dead letters.
pub fn letter_lines(disk: &MemoryDisk, component: &str) -> Vec<Value> {
    let path = format!("{}/dead-letters/{component}.ndjson", pipeline::DATA_DIR);
    let text = disk.content(path).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The dead letters of a component: id and probe.
fn letters(disk: &MemoryDisk, component: &str) -> Vec<(u128, String)> {
    letter_lines(disk, component)
        .into_iter()
        .map(|line| {
            let id = line["id"].as_str().and_then(|id| u128::from_str_radix(id, 16).ok()).unwrap_or(0);
            let record = &line["record"];
            let probe = record["AdditionalFields"]["probe"].as_str().or_else(|| record["metadata"]["probe"].as_str());
            (id, probe.unwrap_or_default().to_owned())
        })
        .collect()
}

/// Judges a world that has ended.
pub async fn judge(world: &World) -> Violations {
    let mut violations = Violations::new();
    let last = world.snapshot().await;
    let Some(origin) = last.origin() else {
        violations.push("there is no state at the end".to_owned());
        return violations;
    };
    let lacking = lacking(world, origin);
    if !lacking.is_empty() {
        violations.push(format!("lost {} events, such as {:?}", lacking.len(), lacking.first()));
    }
    began_where_it_should(world, origin, &mut violations);
    dead_letters(world, origin, &mut violations);
    for snapshot in world.lives.snapshots.iter().chain([&last]) {
        state_is_not_ahead(world, snapshot, &mut violations);
    }
    copies(world, &mut violations);
    violations.extend(world.network.held().violation.clone());
    violations.extend(world.network.hostile().leaks(world));
    violations.extend(world.ledger.books().wrong.clone());
    judge::judge(world, origin, &last, &mut violations);
    judge_files(world, origin, &mut violations).await;
    blobs::judge(world, origin, &mut violations).await;
    violations
}

/// How much later than the true time a first connection may find itself, in seconds.
const CLOCKS: i64 = 150;

/// The state's origin: the look-back before the first connection, which is the first answer in the first life that
/// left a state, or after a reload that found none. Both clocks may be up to 90 s ahead, and that answer may have come too
/// late or been thrown away. A machine whose clock is further off waits until it is set right: which of the two is right
/// can't be known.
fn began_where_it_should(world: &World, origin: i64, violations: &mut Violations) {
    let stateless = world.lives.snapshots.iter().take_while(|snapshot| snapshot.document.is_none());
    let stateless = stateless.map(|snapshot| snapshot.at).chain(world.lives.stateless.iter().copied());
    let Some(began) = stateless.max() else { return };
    let requests = world.log.at(Endpoint::Nordpass);
    let is_plain = |request: &&LoggedRequest| !request.fault && request.status == Some(StatusCode::OK);
    let clocks_agree = |request: &&LoggedRequest| world.clock.was_ahead(request.at).abs() <= CLOCKS;
    let mut answers = requests.iter().filter(is_plain).filter(clocks_agree);
    let lookback = i64::try_from(world.plan.lookback).unwrap_or(0);
    if let Some(first) = answers.find(|request| request.at.as_second() >= began)
        && origin > first.at.as_second() - lookback + CLOCKS
    {
        let latest = first.at.as_second() - lookback;
        violations.push(format!("the first connection reaches back to {origin} only, not to {latest}"));
    }
}

fn dead_letters(world: &World, origin: i64, violations: &mut Violations) {
    let sinks = Destination::REQUESTED.map(Some).into_iter().chain([None]);
    for destination in sinks {
        let component = destination.map_or("nordpass", Destination::sink);
        let letters = letters(&world.disk, component);
        let mut ids = BTreeSet::new();
        for (id, probe) in &letters {
            if world.traffic.poison.as_ref() != Some(probe) || component == "nordpass" {
                violations.push(format!("{component}: a dead letter that nobody refused by name: {id:032x} ({probe})"));
            }
            if !ids.insert(*id) {
                violations.push(format!("{component}: the dead letter {id:032x} stands there twice"));
            }
        }
        let Some(poison) = &world.traffic.poison else { continue };
        let Some(destination) = destination.filter(|to| world.expected.wants(poison, *to)) else { continue };
        let expected = world.traffic.due(origin).get(poison.as_str()).copied().unwrap_or(0);
        let enough = if surely_proven(world, destination) { expected } else { 0 };
        if !(enough..=expected).contains(&(ids.len() as u64)) {
            violations.push(format!("{component}: {} dead letters, expected {expected}", ids.len()));
        }
    }
}

fn state_is_not_ahead(world: &World, snapshot: &Snapshot, violations: &mut Violations) {
    let life = snapshot.life;
    if let Some(broken) = &snapshot.broken {
        violations.push(format!("life {life}: the state can't be read: {broken}"));
        return;
    }
    let books = world.ledger.books();
    for (destination, rows) in tables(world, &books) {
        let dead: BTreeSet<u128> = letters(&world.disk, destination.sink()).into_iter().map(|(id, _)| id).collect();
        let accepted = |id: u128| {
            let shown = world.expected.shown_at(id, destination);
            shown.is_none_or(|id| rows.get(&id).is_some_and(|copies| copies.iter().any(|copy| copy.life < life)))
        };
        let ahead = snapshot.known.iter().find(|id| !dead.contains(id) && !accepted(**id));
        if let Some(id) = ahead {
            let name = destination.sink();
            violations.push(format!("life {life}: the state knows {id:032x}, which {name} hadn't accepted"));
        }
    }
    let mut known: BTreeMap<&str, u64> = BTreeMap::new();
    let probe_of = |id: &u128| match &world.expected.shaped {
        Some(shaped) => shaped.ids.get(id),
        None => books.probes.get(id),
    };
    for probe in snapshot.known.iter().filter_map(probe_of) {
        *known.entry(probe).or_default() += 1;
    }
    if world.plan.api.total != Total::Right {
        // What counts as proven rests on the API's own count.
        return;
    }
    let (covered, unproven) = snapshot.covered();
    let within = |ranges: &[(i64, i64)], at: i64| ranges.iter().any(|(from, to)| (*from..*to).contains(&at));
    let mut prompt: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for event in world.traffic.events.iter().filter(|event| event.visible_at <= event.timestamp) {
        if let Some(probe) = event.probe().filter(|probe| world.traffic.poison.as_deref() != Some(&***probe)) {
            prompt.entry(probe).or_insert((0, event.timestamp)).0 += 1;
        }
    }
    // A twin of an event that shows late is known late.
    for event in world.traffic.events.iter().filter(|event| event.visible_at > event.timestamp) {
        event.probe().map(|probe| prompt.remove(&**probe));
    }
    for (probe, (count, at)) in prompt {
        let promised = within(&covered, at) && !within(&unproven, at);
        if promised && known.get(probe).copied().unwrap_or(0) < count {
            violations.push(format!("life {life}: {at} counts as covered and proven, but {probe} isn't known"));
        }
    }
}

/// Each further copy needs its reason.
fn copies(world: &World, violations: &mut Violations) {
    let books = world.ledger.books();
    for id in &books.confused {
        violations.push(format!("the id {id:032x} stands for two events"));
    }
    for (destination, rows) in tables(world, &books) {
        let name = destination.sink();
        for (probe, count) in distinct(&books, rows) {
            let happened = world.traffic.due(i64::MIN).get(probe).copied().unwrap_or(0);
            if count > happened {
                violations.push(format!("{name}: {probe} happened {happened} times and has {count} ids"));
            }
        }
        for (id, copies) in rows {
            // Each time that the source begins anew explains one further copy.
            let mut spent = BTreeSet::new();
            for pair in copies.windows(2) {
                let (before, after) = (pair[0], pair[1]);
                let unanswered = !books.answered.contains(&before.request) || books.of_a_part.contains(&before.request);
                let forgotten = || {
                    let between =
                        world.lives.snapshots.iter().filter(|at| at.life > before.life && at.life <= after.life);
                    after.life > before.life
                        && between.into_iter().all(|snapshot| !snapshot.known.contains(&world.expected.inner(*id)))
                };
                // A reload has dropped what wasn't delivered elsewhere, and the source has gone back. A sink that held the event
                // by then may still deliver it afterwards: its request may be under way.
                let replayed = |spent: &mut BTreeSet<usize>| {
                    let (held, probe) = (world.network.held(), books.probes.get(id));
                    let was_held = |at| probe.is_some_and(|probe| held.had_shown(after.life, probe, at));
                    let explains = |replay: &Replay| {
                        let is_between = before.at <= replay.at || was_held(replay.at);
                        let anew = replay.life == after.life && replay.since <= after.at;
                        anew && is_between && !replay.known.contains(&world.expected.inner(*id))
                    };
                    let mut replays = world.lives.replays.iter().enumerate().filter(|(_, replay)| explains(replay));
                    replays.any(|(number, _)| spent.insert(number))
                };
                if !unanswered && !forgotten() && !replayed(&mut spent) {
                    let second = |at: Instant| world.second(at);
                    let again = world.lives.replays.iter().filter(|replay| replay.life == after.life);
                    let again: Vec<_> = again
                        .map(|replay| (second(replay.at), replay.known.contains(&world.expected.inner(*id))))
                        .collect();
                    violations.push(format!(
                        "{name}: {id:032x} was accepted in life {} (second {}) and sent again in life {} (second {}); its source \
                         began anew at these seconds, with the event acknowledged or not: {again:?}",
                        before.life,
                        second(before.at),
                        after.life,
                        second(after.at)
                    ));
                }
            }
        }
    }
}

/// The lives of the process.
#[derive(Default)]
pub struct Lives {
    pub snapshots: Vec<Snapshot>,
    /// When a source began anew without a state, in one life of the process: in seconds.
    pub stateless: Vec<i64>,
    /// How many of them ended with a crash.
    pub crashes: u64,
    /// In how many of them a component panicked.
    pub panics: u64,
    /// How often each planned fault happened.
    pub faults: Vec<u64>,
    /// What each said of itself.
    pub telemetries: Vec<nordpass_sentinel::telemetry::Telemetry>,
    pub reloads: Reloads,
    pub replays: Vec<Replay>,
}

//! What must hold at the end of a world whose pipeline changes records, besides what each accepted row must be.
//!
//! 1. **What is left out on purpose is acknowledged**: the state knows it, so it is never fetched again and never missing.
//! 2. **Dead letters of transforms** are exactly the records that these can't handle, as they came, each once.
//! 3. **Counters**: nobody counts more than there was to leave out in that life of the process, and together no less than what the
//!    state knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use nordpass_simulator::judge::decoder;
use serde_json::Value;

use super::Destination;
use super::expected::Shaped;
use crate::oracle::{Snapshot, holds_a_suspect, letter_lines};
use crate::plan::Action;
use crate::world::{Violations, World};

/// Judges the end of a world.
pub fn judge(world: &World, origin: i64, last: &Snapshot, violations: &mut Violations) {
    let Some(shaped) = &world.expected.shaped else { return };
    let unknown = unknown(world, shaped, origin, last);
    if let Some(probe) = unknown.first() {
        violations.push(format!("{} events were never acknowledged, such as {probe}", unknown.len()));
    }
    letters(world, shaped, origin, violations);
    counters(world, shaped, last, violations);
}

/// Whether everything is acknowledged, and what can't be handled is a dead letter.
pub fn is_done(world: &World, origin: i64, last: &Snapshot) -> bool {
    let Some(shaped) = &world.expected.shaped else { return true };
    unknown(world, shaped, origin, last).is_empty() && missing_letters(world, shaped, origin).is_empty()
}

/// The events that are due and were never acknowledged. One that the destination refuses by name needs a proof first, which a filter
/// may leave no record for. While it is held, those that came in a chunk with it aren't acknowledged, either.
fn unknown<'w>(world: &World, shaped: &'w Shaped, origin: i64, last: &Snapshot) -> Vec<&'w str> {
    if holds_a_suspect(world) {
        return Vec::new();
    }
    let mut known: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, probe) in &shaped.ids {
        // The state forgets what is older than the API shows, by a clock that may have jumped.
        let is_known = || world.lives.snapshots.iter().chain([last]).any(|snapshot| snapshot.known.contains(id));
        *known.entry(probe).or_default() += u64::from(is_known());
    }
    let due = world.traffic.due(origin);
    let unknown = |(probe, count): &(&&str, &u64)| {
        world.traffic.poison.as_deref() != Some(**probe) && known.get(**probe).is_none_or(|known| known < *count)
    };
    let fates = shaped.fates.keys();
    let unknown: BTreeSet<&str> = due.iter().filter(unknown).map(|(probe, _)| *probe).collect();
    fates.map(String::as_str).filter(|probe| unknown.contains(probe)).collect()
}

/// The transforms that can't handle a record, with its probe.
fn missing_letters(world: &World, shaped: &Shaped, origin: i64) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    let mut there: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for (probe, count) in world.traffic.due(origin) {
        for (component, _, _) in shaped.fates.get(probe).into_iter().flat_map(|fate| &fate.refused) {
            let probes = there.entry(component).or_insert_with(|| probes(world, shaped, component));
            if probes.get(probe).copied().unwrap_or(0) < count {
                missing.push((component.clone(), probe.to_owned()));
            }
        }
    }
    missing
}

/// How many dead letters of a component each event has, by the letters' ids.
fn probes(world: &World, shaped: &Shaped, component: &str) -> BTreeMap<String, u64> {
    let mut probes = BTreeMap::new();
    for letter in letter_lines(&world.disk, component) {
        if let Some(probe) = id(&letter).and_then(|id| shaped.ids.get(&id)) {
            *probes.entry(probe.clone()).or_default() += 1;
        }
    }
    probes
}

fn id(letter: &Value) -> Option<u128> {
    letter["id"].as_str().and_then(|id| u128::from_str_radix(id, 16).ok())
}

fn letters(world: &World, shaped: &Shaped, origin: i64, violations: &mut Violations) {
    let missing = missing_letters(world, shaped, origin);
    if let Some((component, probe)) = missing.first() {
        violations.push(format!(
            "{} dead letters of transforms are missing, such as {component}'s of {probe}",
            missing.len()
        ));
    }
    let transforms = world.plan.shape.iter().flat_map(|shape| &shape.nodes);
    for component in transforms.map(|node| &node.name) {
        let mut seen = BTreeSet::new();
        for letter in letter_lines(&world.disk, component) {
            let (Some(id), stream) = (id(&letter), letter["stream"].as_str().unwrap_or_default()) else {
                violations.push(format!("{component}: a dead letter without an id"));
                continue;
            };
            let fate = shaped.ids.get(&id).and_then(|probe| shaped.fates.get(probe));
            let refused = fate.and_then(|fate| {
                fate.refused.iter().find(|(by, input, _)| by == component && input == stream).map(|(_, _, item)| item)
            });
            match refused {
                None => violations.push(format!("{component}: a dead letter of what it can handle: {id:032x}")),
                Some(item) => {
                    let record = super::fate::without_id(letter["record"].clone());
                    if let Some(wrong) = shaped.wrong_record(item, &record) {
                        violations.push(format!("{component}: the dead letter {id:032x}: {wrong}"));
                    }
                }
            }
            if !seen.insert((id, stream.to_owned())) {
                violations.push(format!("{component}: the dead letter {id:032x} stands there twice"));
            }
        }
    }
}

/// What a component counts: its name, and the reason.
type Counter = (String, String);

fn counters(world: &World, shaped: &Shaped, last: &Snapshot, violations: &mut Violations) {
    // Who forgets, or must read again what it couldn't commit, counts again.
    let again = world.lives.panics > 0
        || !world.lives.replays.is_empty()
        || world.plan.actions.iter().any(|(_, action)| {
            matches!(action, Action::DiskFull | Action::DiskFails(..) | Action::ReadsFail(_) | Action::Jump(_))
        });
    let mut sums: BTreeMap<Counter, u64> = BTreeMap::new();
    for (telemetry, snapshot) in world.lives.telemetries.iter().zip(&world.lives.snapshots) {
        let there = left_out(shaped, |id| !snapshot.known.contains(&id));
        for (counter, count) in read(&telemetry.render()) {
            let most = there.get(&counter).copied().unwrap_or(0);
            if count > most && !(again && most > 0) {
                let life = snapshot.life;
                violations.push(format!("life {life}: {counter:?} counts {count}, and there were {most} records"));
            }
            *sums.entry(counter).or_default() += count;
        }
    }
    for (counter, least) in left_out(shaped, |id| last.known.contains(&id)) {
        let sum = sums.get(&counter).copied().unwrap_or(0);
        if sum < least {
            violations.push(format!("{counter:?} counts {sum} in all lives, and the state knows {least} such records"));
        }
    }
}

/// How many of these records each counter has to count.
fn left_out(shaped: &Shaped, is_meant: impl Fn(u128) -> bool) -> BTreeMap<Counter, u64> {
    let mut counters = BTreeMap::new();
    for (_, probe) in shaped.ids.iter().filter(|(id, _)| is_meant(**id)) {
        let Some(fate) = shaped.fates.get(probe) else { continue };
        let kept = fate.kept.iter().map(|component| (component.clone(), "kept unshaped".to_owned()));
        for counter in fate.dropped.iter().cloned().chain(kept) {
            *counters.entry(counter).or_default() += 1;
        }
    }
    counters
}

/// The counters of what transforms leave out or pass on unchanged, in Prometheus' text.
fn read(metrics: &str) -> Vec<(Counter, u64)> {
    let is_meant = |line: &&str| {
        ["sentinel_discarded_records_total{", "sentinel_odd_events_total{"].iter().any(|name| line.starts_with(name))
            && line.contains("component_kind=\"transform\"")
            && (line.contains("=\"filtered") || line.contains("=\"kept unshaped"))
    };
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let counter = |line: &str| {
        let reason = label(line, "reason").or_else(|| label(line, ",kind"))?;
        Some(((label(line, "component")?, reason), line.rsplit_once(' ')?.1.parse().ok()?))
    };
    metrics.lines().filter(is_meant).filter_map(counter).collect()
}

/// What is wrong with the lines of the archive's files.
pub fn wrong_lines(world: &World, folder: &str) -> Violations {
    let Some(shaped) = &world.expected.shaped else { return Violations::new() };
    let mut wrong = Violations::new();
    let paths = world.disk.paths().into_iter().filter(|path| path.starts_with(folder));
    for path in paths.filter(|path| path.to_string_lossy().contains(".ndjson")) {
        let data = world.disk.content(&path).unwrap_or_default();
        let mut text = String::new();
        let read = decoder(&path, &data).and_then(|mut decoder| decoder.read_to_string(&mut text));
        if read.is_err() {
            wrong.push(format!("{} can't be read", path.display()));
        }
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            let probe = record["metadata"]["probe"].as_str().unwrap_or_default();
            let item = shaped.fates.get(probe).and_then(|fate| fate.at(Destination::Archive));
            let difference = item.and_then(|item| shaped.wrong_record(item, &record));
            wrong.extend(difference.map(|difference| format!("{folder}: {probe}: {difference}")));
        }
    }
    wrong.truncate(5);
    wrong
}

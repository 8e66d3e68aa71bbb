//! What must hold in a world with a topic.
//!
//! 1. **Lost 0**: each event is in the table, those that others have written to the topic, too.
//! 2. **Copies have the same id**, and in a world in which nothing fails there is none.
//! 3. **No offset is committed beyond an undelivered record**, by nobody and at no time.
//! 4. **Everything is committed at the end**, and what is no event is a dead letter.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::files::SOURCE;
use super::topic::Written;
use super::world::World;
use crate::oracle::letter_lines;
use crate::others::Tally;
use crate::world::Violations;

/// Whether nothing is left to do.
pub fn is_done(world: &World) -> bool {
    missing(world).is_empty() && world.topic.is_committed()
}

/// The events that aren't in the table: their probes.
fn missing(world: &World) -> Vec<String> {
    let written = world.books.written();
    let there = |probe: &str| written.rows.get(probe).map_or(0, BTreeMap::len);
    happened(world)
        .into_iter()
        .filter(|(probe, count)| there(probe) < *count)
        .map(|(probe, _)| probe.to_owned())
        .collect()
}

/// How often each event happened. Twins have one probe, and an id each.
fn happened(world: &World) -> BTreeMap<&str, usize> {
    let mut happened = BTreeMap::new();
    for probe in world.events.iter().chain(&world.topic.events).filter_map(|event| event.probe()) {
        *happened.entry(&**probe).or_default() += 1;
    }
    happened
}

/// Judges a world that has ended.
pub fn judge(world: &World) -> Tally {
    let mut violations = Violations::new();
    let missing = missing(world);
    if !missing.is_empty() {
        violations.push(format!("lost {} events, such as {}", missing.len(), missing[0]));
    }
    if !world.topic.is_committed() {
        violations.push("not everything is committed at the end".to_owned());
    }
    let (events, copies) = copies(world, &mut violations);
    let commits = commits(world, &mut violations);
    dead_letters(world, &mut violations);
    let ends = (0..world.topic.partitions).filter_map(|partition| u64::try_from(world.topic.end(partition)).ok());
    violations.truncate(8);
    let counts =
        vec![(events, "events"), (ends.sum(), "records"), (commits, "commits"), (copies, "copies with the same id")];
    Tally { violations, counts }
}

/// How many events arrived, and how many copies.
fn copies(world: &World, violations: &mut Violations) -> (u64, u64) {
    let (mut events, mut more) = (0, 0);
    let happened = happened(world);
    for (probe, ids) in &world.books.written().rows {
        events += ids.len() as u64;
        let most = happened.get(&**probe).copied().unwrap_or(0);
        if ids.len() > most {
            violations.push(format!("the event {probe} happened {most} times and has {} ids", ids.len()));
        }
        for copies in ids.values() {
            more += copies.len() as u64 - 1;
            if let ([(first, _), (second, at), ..], true) = (&copies[..], world.plan.calm) {
                let at = at.duration_since(world.began()).as_secs();
                violations.push(format!(
                    "process {first} and process {second} have sent {probe}, at second {at}: nothing failed"
                ));
            }
        }
    }
    (events, more)
}

/// Follows the commits: each record before one has to be delivered by then. How many there were.
fn commits(world: &World, violations: &mut Violations) -> u64 {
    let delivered = delivered(world);
    let commits = world.topic.commits();
    let count = commits.len() as u64;
    for (partition, offset, at) in commits {
        let late = (0..offset).find(|offset| {
            let first = delivered.get(&(partition, *offset));
            first.is_none_or(|first| first.is_none_or(|first| first > at))
        });
        if let Some(late) = late {
            let at = at.duration_since(world.began()).as_secs();
            violations.push(format!(
                "partition {partition} is committed up to {offset} at second {at}, and {late} isn't delivered"
            ));
            break;
        }
    }
    count
}

/// When what is at each offset was delivered first; the beginning where nothing has to be.
fn delivered(world: &World) -> BTreeMap<(i32, i64), Option<Instant>> {
    let written = world.books.written();
    let (mut by_id, mut by_probe): (BTreeMap<&str, Instant>, BTreeMap<&str, Instant>) = Default::default();
    for (probe, ids) in &written.rows {
        for (id, copies) in ids {
            for (_, at) in copies {
                for first in [by_id.entry(id).or_insert(*at), by_probe.entry(probe).or_insert(*at)] {
                    *first = (*first).min(*at);
                }
            }
        }
    }
    let mut delivered = BTreeMap::new();
    for partition in 0..world.topic.partitions {
        for offset in 0..world.topic.end(partition) {
            let at = match world.topic.foreign.get(&(partition, offset)) {
                Some(Written::Event(probe)) => by_probe.get(&**probe).copied(),
                Some(Written::Poison | Written::Tombstone) => Some(world.began()),
                None => world.topic.id(partition, offset).and_then(|id| by_id.get(&*id).copied()),
            };
            delivered.insert((partition, offset), at);
        }
    }
    delivered
}

/// What is no event is a dead letter of the process that read it.
fn dead_letters(world: &World, violations: &mut Violations) {
    let lines = world.disks.values().flat_map(|disk| letter_lines(disk, SOURCE));
    let reasons: Vec<String> = lines.filter_map(|line| Some(line.get("reason")?.as_str()?.to_owned())).collect();
    let poison = world.topic.foreign.iter().filter(|(_, written)| matches!(written, Written::Poison));
    for ((partition, offset), _) in poison {
        let place = format!("partition {partition}, offset {offset}");
        if !reasons.iter().any(|reason| reason.ends_with(&place)) {
            violations.push(format!("what is no event is no dead letter either: {place}"));
        }
    }
    let poisonous = world.topic.foreign.values().filter(|written| matches!(written, Written::Poison)).count();
    let mut different = reasons;
    different.sort_unstable();
    different.dedup();
    if different.len() > poisonous {
        violations.push(format!("{} records are dead letters, and {poisonous} are no events", different.len()));
    }
}

//! What must hold in a world with several replicas.
//!
//! 1. **Lost 0**: each event since an organization's first connection is in the table.
//! 2. **Copies have the same id**, and in a world in which nothing fails there is none.
//! 3. **No organization is read by two**: no two processes have a question to one API at a time, none asks again shortly after
//!    another one has, and no two ask by turns.
//! 4. **None is read by nobody**: where nothing fails, each organization is asked for again and again, whoever comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::World;
use crate::books::Question;
use crate::others::Tally;
use crate::world::Violations;

/// A process that has lost an organization can't have it back sooner: a handover or a lease lies in between.
const HANDOVER: Duration = Duration::from_secs(12);
/// Two processes that both take themselves for the reader ask by turns, each once a minute. Who loses an organization to another
/// process and gets it back needs two handovers for that, so turn and turn about for so long is no handover.
const BY_TURNS: usize = 4;
const WHILE: Duration = Duration::from_secs(130);
/// The longest that nobody may ask for an organization: two polls, a lease, and what a start takes.
const LONGEST_GAP: Duration = Duration::from_secs(60 + 60 + 60);
/// How much later than the look-back an organization may begin, in seconds.
const LATE: i64 = 180;

/// The events that are due and not there: their organizations.
pub fn missing(world: &World) -> Vec<usize> {
    let written = world.books.written();
    let mut missing = Vec::new();
    for (organization, events) in world.events.iter().enumerate() {
        let first = written.questions.iter().find(|question| question.organization == organization);
        let Some(first) = first else {
            missing.push(organization);
            continue;
        };
        let began = world.now() - i64::try_from(first.asked.elapsed().as_secs()).unwrap_or(0);
        let origin = began - i64::try_from(world.plan.lookback).unwrap_or(0) + LATE;
        let due = events.iter().filter(|event| event.timestamp >= origin);
        // Twins have one probe, and an id each.
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for probe in due.filter_map(|event| event.probe()) {
            *wanted.entry(probe).or_default() += 1;
        }
        let there = |probe: &str| written.rows.get(probe).map_or(0, BTreeMap::len);
        if wanted.into_iter().any(|(probe, count)| there(probe) < count) {
            missing.push(organization);
        }
    }
    missing
}

/// Judges a world that has ended.
pub fn judge(world: &World) -> Tally {
    let mut violations = Violations::new();
    let missing = missing(world);
    if !missing.is_empty() {
        violations.push(format!(
            "events of {} organizations are missing, such as those of o{}",
            missing.len(),
            missing[0]
        ));
    }
    let written = world.books.written();
    // Where two read one organization, there are many copies, too: the cause comes first.
    let mut questions: BTreeMap<usize, Vec<Question>> = BTreeMap::new();
    for question in &written.questions {
        questions.entry(question.organization).or_default().push(*question);
    }
    for (organization, questions) in &questions {
        two_readers(world, *organization, questions, &mut violations);
        if world.plan.calm && world.steady.contains(organization) {
            nobody_reads(world, *organization, questions, &mut violations);
        }
    }
    let (mut events, mut more) = (0, 0);
    let mut happened: BTreeMap<&str, usize> = BTreeMap::new();
    for probe in world.events.iter().flatten().filter_map(|event| event.probe()) {
        *happened.entry(probe).or_default() += 1;
    }
    for (probe, ids) in &written.rows {
        events += ids.len() as u64;
        if ids.len() > happened.get(&**probe).copied().unwrap_or(0) {
            violations.push(format!("the event {probe} has {} ids", ids.len()));
        }
        for copies in ids.values() {
            more += copies.len() as u64 - 1;
            for pair in copies.windows(2) {
                let [(first, _), (second, at)] = pair else { continue };
                let is_explained = world.disturbed.contains(first) || world.disturbed.contains(second);
                if world.plan.calm || !is_explained {
                    let at = at.duration_since(world.began()).as_secs();
                    violations.push(format!("process {first} and process {second} have sent {probe}, at second {at}"));
                }
            }
        }
    }
    violations.truncate(8);
    let organizations = world.events.len() as u64;
    let counts = vec![(organizations, "organizations"), (events, "events"), (more, "copies with the same id")];
    Tally { violations, counts }
}

fn two_readers(world: &World, organization: usize, questions: &[Question], violations: &mut Violations) {
    let mut last: BTreeMap<u64, &Question> = BTreeMap::new();
    for question in questions {
        let at = question.asked.duration_since(world.began()).as_secs();
        for (other, before) in last.iter().filter(|(life, _)| **life != question.life) {
            if before.over.is_none_or(|over| over > question.asked) {
                violations.push(format!(
                    "o{organization}: process {other} still waits for an answer while process {} asks, at second {at}",
                    question.life
                ));
                return;
            }
            let own = last.get(&question.life);
            if own.is_some_and(|own| own.asked < before.asked && question.asked - own.asked < HANDOVER) {
                violations.push(format!(
                    "o{organization}: process {} asks, then process {other}, and again process {}, at second {at}",
                    question.life, question.life
                ));
                return;
            }
        }
        last.insert(question.life, question);
    }
    let changes: Vec<_> = questions.windows(2).filter(|pair| pair[0].life != pair[1].life).collect();
    for turns in changes.windows(BY_TURNS) {
        let [first, .., last] = turns else { continue };
        let between: BTreeSet<u64> = turns.iter().flat_map(|pair| [pair[0].life, pair[1].life]).collect();
        if between.len() == 2 && last[1].asked - first[0].asked < WHILE {
            let at = last[1].asked.duration_since(world.began()).as_secs();
            violations.push(format!("o{organization}: processes {between:?} ask by turns, at second {at}"));
            return;
        }
    }
}

fn nobody_reads(world: &World, organization: usize, questions: &[Question], violations: &mut Violations) {
    let longest = questions.windows(2).map(|pair| pair[1].asked - pair[0].asked).max().unwrap_or_default();
    if longest > LONGEST_GAP {
        let at = questions.windows(2).find(|pair| pair[1].asked - pair[0].asked == longest);
        let at = at.map_or(0, |pair| pair[0].asked.duration_since(world.began()).as_secs());
        violations.push(format!("o{organization}: nobody reads it for {} s, from second {at}", longest.as_secs()));
    }
}

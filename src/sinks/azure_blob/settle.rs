//! Finishes what earlier runs of a source have left, by this process or by others.

use std::collections::HashSet;
use std::future::pending;

use super::deliver::{Ended, commit, publish};
use super::intent::{Content, Recorded};
use super::shared::{LaneId, Shared};
use super::skips::Skips;
use crate::component::{Intent, IntentChange};
use crate::http::{Again, Failure};
use crate::state::TimeRanges;

/// Known ids are asked for a day at a time: they are in memory meanwhile.
const DAY: i64 = 86_400;
/// Unless there are more days than this: events of odd times, between which nothing is known.
const MOST_DAYS: i64 = 400;

/// Intents of this sink that wait for their events. NordPass may no longer have some of those, so the oldest are given up. Many
/// more than a few runs leave.
const MOST_WAITING: usize = 64;

/// Commits the blobs of earlier runs' intents, and returns which records the source will read again although they are in the
/// archive.
pub async fn settle(shared: &Shared, lane: &LaneId) -> Result<Skips, Ended> {
    let mut skips = Skips::default();
    let mut changes = Vec::new();
    let mut waiting = Vec::new();
    let state = shared.state(lane).ok_or(Ended)?;
    let intents: Vec<Intent> = state.intents().into_iter().filter(|intent| intent.run != lane.run).collect();
    // Held while it is used only: whoever opens it next waits until nobody does.
    drop(state);
    for intent in intents {
        let content = read(shared, lane, &intent).await?;
        let same_path = content.path == shared.settings.template.text();
        if intent.sink != *shared.name && !(same_path && content.is_at(&shared.settings)) {
            continue;
        }
        if !content.is_at(&shared.settings) {
            tracing::info!(
                component = &*shared.name,
                "the last run wrote to another container: its open blobs stay there"
            );
            changes.push(IntentChange::Settle { hash: intent.hash, chunks: Vec::new() });
            continue;
        }
        let void = publish(shared, lane, &content).await;
        let there = content.blobs.iter().enumerate().filter(|(at, _)| !void.contains(at));
        let of_run = intent.run == content.run;
        let open = |recorded: &&Recorded| !of_run || intent.is_open(recorded.chunk);
        let records: Vec<Recorded> = there.flat_map(|(_, blob)| blob.records.iter().filter(open).cloned()).collect();
        let known = known(shared, lane, &records).await?;
        waiting.push((intent.hash, content, records, known));
    }
    let ids = |records: &[Recorded]| records.iter().flat_map(|it| it.ids.iter().copied()).collect::<HashSet<u128>>();
    let is_waiting = |records: &[Recorded], known: &HashSet<u128>| !ids(records).is_subset(known);
    let all = waiting.iter().filter(|(_, _, records, known)| is_waiting(records, known)).count();
    let mut surplus = all.saturating_sub(MOST_WAITING);
    for (hash, content, records, mut known) in waiting {
        if surplus > 0 && is_waiting(&records, &known) {
            surplus -= 1;
            known = ids(&records);
        }
        skips.expect(hash, &content, &records, &shared.settings.inputs, &known);
    }
    changes.extend(skips.settled());
    if !changes.is_empty() {
        commit(shared, lane, changes).await?;
    }
    Ok(skips)
}

/// Reads an intent. One that can't be read is waited for: what it says was promised.
async fn read(shared: &Shared, lane: &LaneId, intent: &Intent) -> Result<Content, Ended> {
    let attempt = || async {
        let Some(state) = shared.state(lane) else { return Err(Failure::Stop(Ended)) };
        let unreadable = |error: String| Failure::Again(Again::because("checkpoint", error));
        match state.read_intent(intent.hash).await {
            Ok(bytes) => {
                Content::decode(&bytes).map_err(|error| unreadable(format!("an intent can't be read: {error}")))
            }
            Err(error) => Err(unreadable(format!("can't read an intent: {error}"))),
        }
    };
    shared.retry(&lane.source).run(pending(), attempt).await
}

/// Which of these ids the state knows: the source never reads them again.
async fn known(shared: &Shared, lane: &LaneId, records: &[Recorded]) -> Result<HashSet<u128>, Ended> {
    let mut days = TimeRanges::default();
    for recorded in records {
        let first = recorded.from.div_euclid(DAY).saturating_mul(DAY);
        days.insert(first..recorded.to.div_euclid(DAY).saturating_add(1).saturating_mul(DAY));
    }
    let wanted: HashSet<u128> = records.iter().flat_map(|recorded| recorded.ids.iter().copied()).collect();
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let seconds = days.iter().fold(0_i64, |sum, days| sum.saturating_add(days.end.saturating_sub(days.start)));
    let at_once = if seconds > MOST_DAYS * DAY { i64::MAX } else { DAY };
    // Events without a usable time are filed here.
    days.insert(0..1);
    let mut known = HashSet::new();
    while let Some(days_left) = days.pop_first() {
        let day = days_left.start..days_left.end.min(days_left.start.saturating_add(at_once));
        days.insert(day.end..days_left.end);
        let attempt = || async {
            let Some(state) = shared.state(lane) else { return Err(Failure::Stop(Ended)) };
            let ids = state.known(day.clone()).await;
            ids.map_err(|error| error.classify("checkpoint", "can't read the checkpoint").map(|_| Ended))
        };
        let ids = shared.retry(&lane.source).run(pending(), attempt).await?;
        known.extend(ids.into_iter().map(|known| known.id.0).filter(|id| wanted.contains(id)));
    }
    Ok(known)
}

//! What a reload would change, and whether it can.

use std::collections::{BTreeMap, BTreeSet};

use super::Reloaded;
use super::running::Running;
use super::topology::Part;
use crate::component::{Records, STANDARD_INPUT};
use crate::pipeline::{Config, InputRef, SourceConfig};
use crate::settings::Fingerprint;
use crate::telemetry::ComponentKind;

/// A component of a set.
pub(super) type Key = (ComponentKind, String);

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// These begin, or begin anew.
    pub begin: BTreeSet<Key>,
    /// These end: they are gone, or another one begins in their place.
    pub end: BTreeSet<Key>,
}

/// A component of the set that is wanted.
struct Wanted<'a> {
    key: Key,
    /// By which `inputs` read it.
    address: &'a str,
    fingerprint: Fingerprint,
    inputs: &'a [InputRef],
    /// Whether it begins anew when it has failed: nobody wants to stop thousands of others for it.
    is_tried_again: bool,
}

/// The components in an order in which each comes after its inputs.
fn wanted(config: &Config) -> Vec<Wanted<'_>> {
    let key = |kind, name: &str| (kind, name.to_owned());
    let mut all = Vec::new();
    for source in &config.sources {
        let key = key(ComponentKind::Source, &source.name);
        let is_tried_again = source.settings.organization().is_some();
        let (address, fingerprint) = (&source.feeds, source.fingerprint);
        all.push(Wanted { key, address, fingerprint, inputs: &[], is_tried_again });
    }
    for transform in &config.transforms {
        let (address, fingerprint, inputs) = (&transform.name, transform.fingerprint, &transform.inputs);
        all.push(Wanted {
            key: key(ComponentKind::Transform, address),
            address,
            fingerprint,
            inputs,
            is_tried_again: false,
        });
    }
    for sink in &config.sinks {
        let (address, fingerprint, inputs) = (&sink.name, sink.fingerprint, &sink.inputs);
        all.push(Wanted {
            key: key(ComponentKind::Sink, address),
            address,
            fingerprint,
            inputs,
            is_tried_again: false,
        });
    }
    all
}

impl Plan {
    /// What makes `parts` the set that is wanted. The sources `anew` begin anew whatever their settings say, and so does what only
    /// they feed: it holds nothing but what they read again, and would deliver that twice.
    pub fn of(config: &Config, parts: &BTreeMap<Key, Part>, running: &Running, anew: &[String]) -> Self {
        let mut plan = Self::default();
        // Of a template whose organizations don't all begin anew, the readers hold what the others sent.
        let goes_on = config.sources.iter().filter(|source| !anew.contains(&source.name));
        let goes_on: BTreeSet<&str> = goes_on.map(|source| source.feeds.as_str()).collect();
        let feeds = config.sources.iter().map(|source| source.feeds.as_str());
        let mut read_again: BTreeSet<&str> = feeds.filter(|feeds| !goes_on.contains(feeds)).collect();
        // The components that events come from or through.
        let mut active: BTreeSet<&str> = BTreeSet::new();
        for Wanted { key, address, fingerprint, inputs, is_tried_again } in wanted(config) {
            let same = parts.get(&key).filter(|part| part.fingerprint == fingerprint);
            let is_fed = inputs.iter().any(|input| active.contains(input.component.as_str()));
            let reads_again = |input: &InputRef| read_again.contains(input.component.as_str());
            if !inputs.is_empty() && inputs.iter().all(reads_again) {
                read_again.insert(address);
            }
            let stays = same.is_some_and(|part| match (&part.input, key.0) {
                (_, ComponentKind::Source) => {
                    let is_running = running.is_running(part.id);
                    // A reporter ends when all its readers have.
                    let has_ended = !is_running && part.observes;
                    let has_failed = anew.is_empty() && is_tried_again && running.has_failed(key.0, &key.1);
                    active.extend(is_running.then_some(address));
                    !has_ended && !has_failed
                }
                // Once it has seen the end of its input, it takes nothing more.
                (Some(input), _) => {
                    let takes_more = input.is_alive() && running.is_running(part.id);
                    active.extend(takes_more.then_some(address));
                    takes_more || !is_fed
                }
                (None, _) => false,
            });
            let reads_again = match key.0 {
                ComponentKind::Source => anew.contains(&key.1),
                _ => read_again.contains(address),
            };
            if !stays || reads_again {
                active.insert(address);
                plan.begin.insert(key);
            }
        }
        let all: BTreeSet<Key> = wanted(config).into_iter().map(|wanted| wanted.key).collect();
        let ends = |key: &&Key| !all.contains(key) || plan.begin.contains(key);
        plan.end = parts.keys().filter(ends).cloned().collect();
        plan
    }

    /// Why it can't be done, if it can't.
    pub fn refusal(
        &self,
        old: &Config,
        new: &Config,
        parts: &BTreeMap<Key, Part>,
        running: &Running,
    ) -> Option<Reloaded> {
        let fixed = [
            ("`data_dir`", old.data_dir != new.data_dir),
            ("`shard`", old.shard != new.shard),
            ("`[checkpoint]`", old.checkpoint_fingerprint != new.checkpoint_fingerprint),
            ("`core_dumps`", old.core_dumps != new.core_dumps),
            ("`[api]`", (old.api_listen, &old.api_allowed_hosts) != (new.api_listen, &new.api_allowed_hosts)),
        ];
        if let Some((what, _)) = fixed.iter().find(|(_, differs)| *differs) {
            let message = format!("{what} can't change while the program runs; nothing of the reload was applied");
            return Some(refused(message, "undo that change, or restart the program"));
        }
        for source in old.sources.iter().filter(|source| !source.settings.can_go_back()) {
            let key = (ComponentKind::Source, source.name.clone());
            if !parts.get(&key).is_some_and(|part| running.is_running(part.id)) {
                continue;
            }
            let name = &source.name;
            let is_stdin = source.settings.exclusive_resource().as_deref() == Some(STANDARD_INPUT);
            if is_stdin && self.end.contains(&key) {
                let message = format!("`{name}` can't be removed while it runs: what it has read would be lost");
                return Some(refused(message, "restart the program"));
            }
            if let Some((_, behind)) = self.end.iter().find(|(_, ended)| is_behind(old, &source.feeds, ended)) {
                let message = format!(
                    "`{behind}` can't change while `{name}` runs, which can't go back: what doesn't drain in time would be lost"
                );
                return Some(refused(message, "restart the program, or undo that change"));
            }
        }
        None
    }
}

fn refused(message: String, hint: &str) -> Reloaded {
    Reloaded::Refused { message, hint: hint.to_owned() }
}

/// Whether what this source sends comes to the component.
fn is_behind(config: &Config, source: &str, component: &str) -> bool {
    let mut reached = BTreeSet::from([source]);
    let transforms = config.transforms.iter().map(|transform| (transform.name.as_str(), &transform.inputs));
    let sinks = config.sinks.iter().map(|sink| (sink.name.as_str(), &sink.inputs));
    for (name, inputs) in transforms.chain(sinks) {
        if inputs.iter().any(|input| reached.contains(input.component.as_str())) {
            if name == component {
                return true;
            }
            reached.insert(name);
        }
    }
    false
}

/// A source that is new, and one that is gone and read the same: a new name is another source. Organizations are known by their
/// ids, and what they read isn't told by the endpoint.
pub(super) fn renamed<'a>(old: &'a Config, new: &'a Config) -> Vec<(&'a str, &'a str)> {
    let is_in = |config: &Config, name: &str| config.sources.iter().any(|source| source.name == name);
    let mut pairs = Vec::new();
    let endpoint = |source: &SourceConfig| source.settings.state_key(&source.name).map(|key| key.endpoint);
    for gone in of_no_organization(old).filter(|source| !is_in(new, &source.name)) {
        let Some(read) = endpoint(gone) else { continue };
        let same = of_no_organization(new)
            .find(|source| !is_in(old, &source.name) && endpoint(source).as_ref() == Some(&read));
        pairs.extend(same.map(|same| (gone.name.as_str(), same.name.as_str())));
    }
    pairs
}

fn of_no_organization(config: &Config) -> impl Iterator<Item = &SourceConfig> {
    config.sources.iter().filter(|source| source.settings.organization().is_none())
}

/// Whether a source reports about the others instead of reading events.
pub(super) fn observes(records: Records) -> bool {
    records == Records::Rows
}

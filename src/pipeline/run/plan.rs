//! What a reload would change, and whether it can.

use std::collections::{BTreeMap, BTreeSet};

use super::Reloaded;
use super::running::Running;
use super::topology::Part;
use crate::component::{Records, STANDARD_INPUT};
use crate::pipeline::{Config, InputRef};
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
    name: &'a str,
    fingerprint: Fingerprint,
    inputs: &'a [InputRef],
}

/// The components in an order in which each comes after its inputs.
fn wanted(config: &Config) -> Vec<Wanted<'_>> {
    let key = |kind, name: &str| (kind, name.to_owned());
    let mut all = Vec::new();
    for source in &config.sources {
        let key = key(ComponentKind::Source, &source.name);
        all.push(Wanted { key, name: &source.name, fingerprint: source.fingerprint, inputs: &[] });
    }
    for transform in &config.transforms {
        let (name, fingerprint, inputs) = (&transform.name, transform.fingerprint, &transform.inputs);
        all.push(Wanted { key: key(ComponentKind::Transform, name), name, fingerprint, inputs });
    }
    for sink in &config.sinks {
        let (name, fingerprint, inputs) = (&sink.name, sink.fingerprint, &sink.inputs);
        all.push(Wanted { key: key(ComponentKind::Sink, name), name, fingerprint, inputs });
    }
    all
}

impl Plan {
    /// What makes `parts` the set that is wanted. The sources `anew` begin anew whatever their settings say, and so does what only
    /// they feed: it holds nothing but what they read again, and would deliver that twice.
    pub fn of(config: &Config, parts: &BTreeMap<Key, Part>, running: &Running, anew: &[String]) -> Self {
        let mut plan = Self::default();
        let mut read_again: BTreeSet<&str> = anew.iter().map(String::as_str).collect();
        // The components that events come from or through.
        let mut active: BTreeSet<String> = BTreeSet::new();
        for Wanted { key, name, fingerprint, inputs } in wanted(config) {
            let same = parts.get(&key).filter(|part| part.fingerprint == fingerprint);
            let is_fed = inputs.iter().any(|input| active.contains(&input.component));
            let reads_again = |input: &InputRef| read_again.contains(input.component.as_str());
            if !inputs.is_empty() && inputs.iter().all(reads_again) {
                read_again.insert(name);
            }
            let stays = same.is_some_and(|part| match (&part.input, key.0) {
                (_, ComponentKind::Source) => {
                    let is_running = running.is_running(part.id);
                    // A reporter ends when all its readers have.
                    let has_ended = !is_running && part.observes;
                    active.extend(is_running.then(|| key.1.clone()));
                    !has_ended
                }
                // Once it has seen the end of its input, it takes nothing more.
                (Some(input), _) => {
                    let takes_more = input.is_alive() && running.is_running(part.id);
                    active.extend(takes_more.then(|| key.1.clone()));
                    takes_more || !is_fed
                }
                (None, _) => false,
            });
            if !stays || read_again.contains(name) {
                active.insert(key.1.clone());
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
            if let Some((_, behind)) = self.end.iter().find(|(_, ended)| is_behind(old, name, ended)) {
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

/// A source that is new, and one that is gone and read the same: a new name is another source.
pub(super) fn renamed<'a>(old: &'a Config, new: &'a Config) -> Vec<(&'a str, &'a str)> {
    let is_in = |config: &Config, name: &str| config.sources.iter().any(|source| source.name == name);
    let mut pairs = Vec::new();
    for gone in old.sources.iter().filter(|source| !is_in(new, &source.name)) {
        let Some(endpoint) = gone.settings.state_endpoint() else { continue };
        let same = new
            .sources
            .iter()
            .find(|source| !is_in(old, &source.name) && source.settings.state_endpoint().as_ref() == Some(&endpoint));
        pairs.extend(same.map(|same| (gone.name.as_str(), same.name.as_str())));
    }
    pairs
}

/// Whether a source reports about the others instead of reading events.
pub(super) fn observes(records: Records) -> bool {
    records == Records::Rows
}

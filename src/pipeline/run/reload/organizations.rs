//! What a reload means for the sources that are made from one template.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

use super::super::topology::Part;
use super::rig::{Numbers, Shared, config, notes};
use super::*;
use crate::component::{Input, InputSender, Source, SourceSettings};
use crate::event::Organization;
use crate::pipeline::SourceConfig;
use crate::telemetry::Telemetry;

/// The settings of a source that is never made.
#[derive(Debug)]
struct Listed(Option<Arc<Organization>>);

impl SourceSettings for Listed {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        unreachable!("only plans are made")
    }

    fn organization(&self) -> Option<&Arc<Organization>> {
        self.0.as_ref()
    }
}

/// A set at work: the sources `numbers@a` and `numbers@b` of one template, one source beside them, and a sink that reads all.
struct World {
    config: Config,
    parts: BTreeMap<Key, Part>,
    running: Running,
    telemetry: Telemetry,
    _sink: (InputSender, Input),
}

impl World {
    fn new() -> Self {
        let shared = Shared::default();
        let source = Numbers { shared: shared.clone(), goes_back: true };
        let mut config = config(source, vec![("sink", notes("sink", &shared))]);
        let template = config.sources.remove(0);
        for (name, feeds, organization) in [
            ("numbers@a", "numbers", Some(Arc::default())),
            ("numbers@b", "numbers", Some(Arc::default())),
            ("beside", "beside", None),
        ] {
            let (name, feeds, settings) = (name.to_owned(), feeds.to_owned(), Arc::new(Listed(organization)));
            config.sources.push(SourceConfig { name, feeds, settings, ..template.clone() });
        }
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        let (parts, running, telemetry) = Default::default();
        let mut world = Self { config, parts, running, telemetry, _sink: (sender, input) };
        for source in world.config.sources.clone() {
            world.spawn(ComponentKind::Source, &source.name, source.fingerprint, None);
        }
        let fingerprint = world.config.sinks[0].fingerprint;
        world.spawn(ComponentKind::Sink, "sink", fingerprint, Some(weak_input));
        world
    }

    fn spawn(
        &mut self,
        kind: ComponentKind,
        name: &str,
        fingerprint: crate::settings::Fingerprint,
        input: Option<crate::component::WeakInput>,
    ) {
        let id = self.running.spawn(self.telemetry.component(kind, name), input.clone(), pending());
        let (outputs, end) = (Vec::new(), CancellationToken::new());
        self.parts.insert((kind, name.to_owned()), Part { id, fingerprint, input, observes: false, outputs, end });
    }

    async fn fails(&mut self, name: &str) {
        let key = (ComponentKind::Source, name.to_owned());
        let failing = async { Err(ComponentError::new("another organization")) };
        let id = self.running.spawn(self.telemetry.component(key.0, name), None, failing);
        self.parts.get_mut(&key).expect("a part").id = id;
        let joined = self.running.tasks.join_next_with_id().await.expect("it ends");
        self.running.ended(joined);
    }

    fn begins(&self, anew: &[&str]) -> Vec<String> {
        let anew: Vec<String> = anew.iter().map(|&name| name.to_owned()).collect();
        let plan = Plan::of(&self.config, &self.parts, &self.running, &anew);
        plan.begin.into_iter().map(|(_, name)| name).collect()
    }
}

/// Its cause is cured elsewhere, such as in a file of secrets, and nobody wants to stop the others for it.
#[tokio::test]
async fn an_organization_that_has_failed_is_tried_again_by_a_reload_and_by_nothing_else() {
    let mut world = World::new();
    assert!(world.begins(&[]).is_empty());
    world.fails("numbers@a").await;
    world.fails("beside").await;
    assert_eq!(world.begins(&[]), ["numbers@a"]);
    assert_eq!(world.begins(&["numbers@b"]), ["numbers@b"], "another one goes back");
}

/// What the sink holds of the others would be dropped, and they would have to read it again.
#[tokio::test]
async fn one_organization_goes_back_and_its_readers_go_on() {
    let world = World::new();
    assert_eq!(world.begins(&["numbers@a"]), ["numbers@a"]);
    let mut alone = World::new();
    alone.config.sources.retain(|source| source.name != "beside");
    alone.parts.retain(|(_, name), _| name != "beside");
    assert_eq!(alone.begins(&["numbers@a", "numbers@b"]), ["numbers@a", "numbers@b", "sink"], "it reads nothing else");
}

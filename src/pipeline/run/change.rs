//! How one set becomes another: what begins is spawned, and each output gets the readers that it has from then on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Failure;
use super::open::Waiting;
use super::plan::{Key, observes};
use super::running::Running;
use super::topology::{Base, Opened, Part};
use super::transform;
use crate::component::{CHANNEL_CHUNKS_OF_ONE_SOURCE, ComponentError, Input, InputSender, Output, Takes, WeakInput};
use crate::pipeline::{Config, InputRef, SinkConfig, SourceConfig, TransformConfig};
use crate::telemetry::ComponentKind;

/// The pause between the starts of two sources: hundreds of them must not all connect in the same moment.
const STAGGER: Duration = Duration::from_millis(20);

/// The readers of each output.
type Readers = HashMap<InputRef, Vec<InputSender>>;

/// What a component that begins waits for: the ends of those before it.
#[derive(Default)]
struct Before(Vec<CancellationToken>);

impl Before {
    async fn ended(self) {
        for over in self.0 {
            over.cancelled().await;
        }
    }
}

/// One change of the set, while it is made.
pub(super) struct Change<'a> {
    pub base: &'a Base,
    pub running: &'a mut Running,
    pub begin: BTreeSet<Key>,
    /// What goes on, and what has begun.
    pub parts: BTreeMap<Key, Part>,
    readers: Readers,
    /// Before the first event.
    is_start: bool,
}

impl<'a> Change<'a> {
    /// A change of a set of which `parts` go on.
    pub fn new(
        base: &'a Base,
        running: &'a mut Running,
        begin: BTreeSet<Key>,
        parts: BTreeMap<Key, Part>,
        is_start: bool,
    ) -> Self {
        Self { base, running, begin, parts, readers: Readers::new(), is_start }
    }

    /// Spawns what begins, and tells every output its readers. Sources that begin do so after a pause.
    pub fn make(
        &mut self,
        config: &Config,
        opened: &mut HashMap<String, Opened>,
        pause: Duration,
    ) -> Result<(), Failure> {
        for sink in &config.sinks {
            self.sink(sink, opened.remove(&sink.name));
        }
        // From the last to the first: the readers of a transform's outputs are known before the transform is.
        for transform in config.transforms.iter().rev() {
            self.transform(transform)?;
        }
        // All of them are known before the first one runs: one of them reports about the others.
        for source in &config.sources {
            let component = self.base.telemetry.component(ComponentKind::Source, &source.name);
            component.set_type(source.component_type.name);
            if source.feeds != source.name {
                component.set_template(&source.feeds);
            }
        }
        let mut number = 0;
        for source in &config.sources {
            number += u32::from(self.source(source, pause + STAGGER * number)?);
        }
        Ok(())
    }

    fn begins(&self, key: &Key) -> bool {
        self.begin.contains(key)
    }

    fn sink(&mut self, sink: &SinkConfig, opened: Option<Opened>) {
        let key = (ComponentKind::Sink, sink.name.clone());
        if !self.begins(&key) {
            let input = self.parts.get(&key).and_then(|part| part.input.clone());
            return self.connect_again(&sink.inputs, input.as_ref(), sink.required, &sink.takes);
        }
        let is_of_one_source = sink.template.is_some();
        let (sender, input) =
            if is_of_one_source { Input::with_capacity(CHANNEL_CHUNKS_OF_ONE_SOURCE) } else { Input::new() };
        let weak_input = sender.weak_input();
        let component = self.base.telemetry.component(ComponentKind::Sink, &sink.name);
        component.set_type(sink.component_type.name);
        if let Some(template) = &sink.template {
            component.set_template(template);
        }
        self.connect(&sink.inputs, &sender, sink.required, &sink.takes);
        let resource = sink.settings.exclusive_resource();
        let before = self.before(&key, resource.as_ref());
        let mut context = self.base.context(component.clone());
        let opened = opened.map(|Opened { sink, end }| {
            context.shutdown = end;
            sink
        });
        let end = context.shutdown.clone();
        let patient = !self.is_start || is_of_one_source;
        let waiting = Waiting {
            settings: sink.settings.clone(),
            context,
            required: sink.required,
            patient,
            opens_when_needed: is_of_one_source,
        };
        let required = sink.required;
        let status = component.clone();
        let id = self.running.spawn(component, Some(weak_input.clone()), async move {
            if let Some(Some(sink)) = opened {
                return sink.run(input).await;
            }
            if patient {
                before.ended().await;
                status.status().begins_anew();
            }
            waiting.open_and_run(input).await
        });
        self.running.set_resource(id, resource);
        if !required {
            self.running.optional.insert(id);
        }
        let fingerprint = sink.fingerprint;
        let (input, outputs) = (Some(weak_input), Vec::new());
        self.parts.insert(key, Part { id, fingerprint, input, observes: false, outputs, end });
    }

    fn transform(&mut self, transform: &TransformConfig) -> Result<(), Failure> {
        let key = (ComponentKind::Transform, transform.name.clone());
        let all = (0..transform.outputs.len()).map(|output| {
            let output = InputRef { component: transform.name.clone(), output };
            self.readers_of(&key, &output)
        });
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let required = all.iter().flatten().any(InputSender::is_required);
        if !self.begins(&key) {
            let part = self.parts.get(&key);
            for (handle, senders) in part.iter().flat_map(|part| &part.outputs).zip(all) {
                handle.set_readers(senders);
            }
            let input = part.and_then(|part| part.input.clone());
            self.connect_again(&transform.inputs, input.as_ref(), required, &Takes::All);
            return Ok(());
        }
        let component = self.base.telemetry.component(ComponentKind::Transform, &transform.name);
        let outputs: Vec<Output> = all.into_iter().map(|senders| Output::new(senders, component.clone())).collect();
        let handles = outputs.iter().map(Output::handle).collect();
        let (sender, input) = Input::new();
        let weak_input = sender.weak_input();
        self.connect(&transform.inputs, &sender, required, &Takes::All);
        let before = self.before(&key, None);
        let context = self.base.context(component.clone());
        let (end, config) = (context.shutdown.clone(), transform.clone());
        let status = component.clone();
        let is_start = self.is_start;
        let id = self.running.spawn(component, Some(weak_input.clone()), async move {
            if !is_start {
                before.ended().await;
                status.status().begins_anew();
            }
            let transform = config.settings.build(context.telemetry.clone());
            transform::Running { transform, config, input, outputs, context }.run().await
        });
        let (fingerprint, input) = (transform.fingerprint, Some(weak_input));
        self.parts.insert(key, Part { id, fingerprint, input, observes: false, outputs: handles, end });
        Ok(())
    }

    /// Whether it begins.
    fn source(&mut self, source: &SourceConfig, pause: Duration) -> Result<bool, Failure> {
        let key = (ComponentKind::Source, source.name.clone());
        let senders = self.readers_of(&key, &source.output())?;
        if !self.begins(&key) {
            if let Some(handle) = self.parts.get(&key).and_then(|part| part.outputs.first()) {
                handle.set_readers(senders);
            }
            return Ok(false);
        }
        let component = self.base.telemetry.component(ComponentKind::Source, &source.name);
        let output = Output::new(senders, component.clone());
        let handle = output.handle();
        let resource = resource_of(source);
        let before = self.before(&key, resource.as_ref());
        let context = self.base.context(component.clone());
        let (end, shutdown) = (context.shutdown.clone(), context.shutdown.clone());
        let observes = observes(source.component_type.records);
        let (settings, telemetry) = (source.settings.clone(), self.base.telemetry.clone());
        let (status, is_start) = (component.clone(), self.is_start);
        let id = self.running.spawn(component, None, async move {
            if !is_start {
                before.ended().await;
                status.status().begins_anew();
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
            settings.build(&telemetry).run(context, output).await
        });
        self.running.set_resource(id, resource);
        if !observes {
            self.running.reading.insert(id);
        }
        let (fingerprint, outputs) = (source.fingerprint, vec![handle]);
        self.parts.insert(key, Part { id, fingerprint, input: None, observes, outputs, end });
        Ok(true)
    }

    /// Whom a component that begins has to wait for: nobody at the start.
    fn before(&self, key: &Key, resource: Option<&String>) -> Before {
        if self.is_start { Before::default() } else { Before(self.running.before(key, resource)) }
    }

    /// Adds a component as a reader of its inputs.
    fn connect(&mut self, inputs: &[InputRef], sender: &InputSender, required: bool, takes: &Takes) {
        for (index, input) in inputs.iter().enumerate() {
            let sender = sender.input(index).taking(takes.clone());
            let sender = if required { sender } else { sender.optional() };
            self.readers.entry(input.clone()).or_default().push(sender);
        }
    }

    /// The same for one that goes on. One that has seen the end of its input, and stays so, reads nothing.
    fn connect_again(&mut self, inputs: &[InputRef], weak_input: Option<&WeakInput>, required: bool, takes: &Takes) {
        for (index, input) in inputs.iter().enumerate() {
            let sender = weak_input.and_then(|weak_input| weak_input.sender(index, required));
            let sender = sender.map(|sender| sender.taking(takes.clone()));
            self.readers.entry(input.clone()).or_default().extend(sender);
        }
    }

    /// The readers of an output, which are those of each organization's source of a template. Without a reader, events would be lost
    /// silently: they would count as delivered.
    fn readers_of(&self, key: &Key, output: &InputRef) -> Result<Vec<InputSender>, Failure> {
        let (kind, name) = key;
        self.readers.get(output).cloned().ok_or_else(|| {
            let number = output.output;
            let error = ComponentError::new(format!("output {number} of the {} `{name}` has no reader", kind.as_str()))
                .hint("this is a defect of the program, which checks it before it starts: please report it");
            Failure { kind: *kind, name: name.clone(), error }
        })
    }
}

/// What no other source may use at the same time. One that has another name and the same state, as an organization that was
/// renamed, opens the state when the other one has ended.
fn resource_of(source: &SourceConfig) -> Option<String> {
    let state = || source.settings.state_key(&source.name).map(|key| format!("the state {}", key.id()));
    source.settings.exclusive_resource().or_else(state)
}

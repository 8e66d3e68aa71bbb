//! How the components are wired: every input exists, every output has a reader, nothing goes in circles.

use std::collections::BTreeSet;

use super::InputRef;
use super::draft::{Component, Draft, Input};
use crate::component::Records;
use crate::settings::nearest::{all_values, any_value, nearest};
use crate::settings::report::Report;
use crate::telemetry::ComponentKind;

/// The wiring of a draft, in the order of its components.
#[derive(Debug)]
pub(super) struct Graph {
    /// What each component reads; empty for sources.
    pub inputs: Vec<Vec<InputRef>>,
    /// The transforms' indices, each after those that it reads.
    pub transforms: Vec<usize>,
}

/// Checks the wiring and records what is wrong with it.
pub(super) fn check(draft: &Draft, report: &Report) -> Graph {
    let mut wiring = Wiring { draft, report, read: BTreeSet::new() };
    wiring.needs(ComponentKind::Source, "the pipeline has no source", "add a source: [sources.nordpass]");
    wiring.needs(ComponentKind::Sink, "the pipeline has no sink", "add a sink: [sinks.sentinel]");
    let resolved: Vec<Vec<(usize, usize, &Input)>> =
        draft.components.iter().map(|component| wiring.resolve_all(component)).collect();
    wiring.unread();
    wiring.rows(&resolved);
    let transforms = wiring.order(&resolved);
    let reference = |&(component, output, _): &(usize, usize, &Input)| InputRef {
        component: draft.components[component].name.clone(),
        output,
    };
    Graph { inputs: resolved.iter().map(|inputs| inputs.iter().map(reference).collect()).collect(), transforms }
}

/// The component and the output that an address means, or a message and a hint; `None` if the component's type is wrong,
/// which is an error already.
pub(super) fn resolve(
    draft: &Draft,
    report: &Report,
    address: &str,
) -> Result<Option<(usize, usize)>, (String, String)> {
    Wiring { draft, report, read: BTreeSet::new() }.resolve(None, address)
}

struct Wiring<'a> {
    draft: &'a Draft,
    report: &'a Report,
    /// The outputs that have a reader, or that a wrong input probably meant.
    read: BTreeSet<(usize, usize)>,
}

impl Graph {
    /// The sources that a component reads, also by way of transforms.
    pub fn sources_of(&self, draft: &Draft, component: usize) -> BTreeSet<usize> {
        let (mut sources, mut seen, mut left) = (BTreeSet::new(), BTreeSet::new(), vec![component]);
        while let Some(index) = left.pop() {
            if !seen.insert(index) {
                continue;
            }
            if draft.components[index].kind == ComponentKind::Source {
                sources.insert(index);
            }
            let names = self.inputs.get(index).into_iter().flatten().map(|input| &input.component);
            left.extend(names.filter_map(|name| draft.components.iter().position(|other| other.name == *name)));
        }
        sources
    }

    /// What a component reads.
    pub fn records_into(&self, draft: &Draft, component: usize) -> Records {
        let first = self.inputs.get(component).and_then(|inputs| inputs.first());
        let from = first.and_then(|input| draft.components.iter().position(|other| other.name == input.component));
        from.map_or(Records::Events, |from| records_from(draft, from))
    }
}

/// What a component's outputs hold.
pub(super) fn records_from(draft: &Draft, component: usize) -> Records {
    draft.components.get(component).map_or(Records::Events, |component| component.found.records)
}

/// An output as `inputs` address it.
pub(super) fn address(component: &Component, output: &str) -> String {
    super::resolved::address(&component.name, output)
}

impl<'a> Wiring<'a> {
    fn needs(&self, kind: ComponentKind, message: &str, hint: &str) {
        if !self.draft.components.iter().any(|component| component.kind == kind) {
            self.report.overall(message, hint);
        }
    }

    /// Everything that can be read, with its address.
    fn addresses(&self) -> Vec<(String, usize, usize)> {
        let components = self.draft.components.iter().enumerate();
        components
            .filter(|(_, component)| component.kind != ComponentKind::Sink)
            .flat_map(|(index, component)| {
                let outputs = component.outputs().iter().enumerate();
                outputs.map(move |(output, name)| (address(component, name), index, output))
            })
            .collect()
    }

    fn resolve_all(&mut self, component: &'a Component) -> Vec<(usize, usize, &'a Input)> {
        if component.kind == ComponentKind::Source {
            return Vec::new();
        }
        let Some(inputs) = &component.inputs else {
            let addresses = self.addresses();
            let known = addresses.iter().map(|(address, ..)| address.as_str());
            let hint = format!("add inputs = […] with one or more of {}", all_values(known));
            let path = format!("{}.inputs", component.path());
            self.report.error(&component.span, &path, format!("`{}` has no `inputs`", component.name), hint);
            return Vec::new();
        };
        let mut resolved = Vec::with_capacity(inputs.len());
        for (number, input) in inputs.iter().enumerate() {
            match self.resolve(Some(component), &input.text) {
                Ok(Some((from, output))) => {
                    self.read.insert((from, output));
                    resolved.push((from, output, input));
                }
                // Its type is unknown, which is an error already.
                Ok(None) => {}
                Err((message, hint)) => {
                    let path = format!("{}.inputs.{number}", component.path());
                    self.report.error(&input.span, &path, message, hint);
                }
            }
        }
        resolved
    }

    /// The component and output that an input means, or a message and a hint.
    fn resolve(&mut self, reader: Option<&Component>, text: &str) -> Result<Option<(usize, usize)>, (String, String)> {
        let (name, output) = text.split_once('.').map_or((text, None), |(name, output)| (name, Some(output)));
        let found = self.draft.components.iter().enumerate().find(|(_, component)| component.name == name);
        let Some((index, component)) = found else { return Err(self.unknown_input(reader, text)) };
        if component.kind == ComponentKind::Sink {
            return Err((format!("`{name}` is a sink: it has no output"), "read what the sink reads".into()));
        }
        if component.typed.is_none() {
            return Ok(None);
        }
        let outputs = component.outputs();
        let addresses: Vec<String> = outputs.iter().map(|output| address(component, output)).collect();
        let addresses = || addresses.iter().map(String::as_str);
        if let Some(found) = outputs.iter().position(|known| known == output.unwrap_or_default()) {
            return Ok(Some((index, found)));
        }
        match output {
            Some(_) if outputs == [""; 1] => {
                let message = format!("`{name}` has no such output: it has only one, without a name");
                self.read.insert((index, 0));
                Err((message, format!("write \"{name}\"")))
            }
            Some(output) => {
                let hint = match nearest(output, outputs.iter().map(String::as_str)) {
                    Some(near) => {
                        let meant = outputs.iter().position(|known| known == near).unwrap_or_default();
                        self.read.insert((index, meant));
                        format!("did you mean \"{name}.{near}\"?")
                    }
                    None => format!("its outputs are {}", all_values(addresses())),
                };
                Err((format!("`{name}` has no such output"), hint))
            }
            None => {
                let hint = format!("write {}", any_value(addresses()));
                self.read.extend((0..outputs.len()).map(|output| (index, output)));
                Err((format!("`{name}` has several outputs"), hint))
            }
        }
    }

    fn unknown_input(&mut self, reader: Option<&Component>, text: &str) -> (String, String) {
        let message = "no component has this name".to_owned();
        let mut addresses = self.addresses();
        // A component can't read its own output.
        let is_own = |index: usize| reader.is_some_and(|reader| self.draft.components[index].name == reader.name);
        addresses.retain(|(_, index, _)| !is_own(*index));
        let near = nearest(text, addresses.iter().map(|(address, ..)| address.as_str()));
        if near.is_none() {
            // Those whose type is wrong have no outputs yet. They can be meant all the same.
            let untyped = self.draft.components.iter().filter(|component| component.typed.is_none());
            let untyped = untyped.filter(|component| component.kind != ComponentKind::Sink);
            if let Some(near) = nearest(text, untyped.map(|component| component.name.as_str())) {
                return (message, format!("did you mean \"{near}\"?"));
            }
        }
        let hint = match near.and_then(|near| addresses.iter().find(|(address, ..)| address == near)) {
            Some((near, index, output)) => {
                self.read.insert((*index, *output));
                format!("did you mean \"{near}\"?")
            }
            None if addresses.is_empty() => "there is nothing to read: add a source".into(),
            None => format!("there is {}", all_values(addresses.iter().map(|(address, ..)| address.as_str()))),
        };
        (message, hint)
    }

    /// Outputs without a reader: their events would be fetched, paid for and silently lost.
    fn unread(&self) {
        for (address, index, output) in self.addresses() {
            if self.read.contains(&(index, output)) {
                continue;
            }
            let component = &self.draft.components[index];
            let message = format!("the output `{address}` has no reader");
            let hint = format!("add \"{address}\" to a sink's `inputs`; a sink of type \"blackhole\" drops it");
            self.report.error(&component.span, &component.path(), message, hint);
        }
    }

    /// Transforms that make rows read events. Those that shape records read either, but not both.
    fn rows(&self, resolved: &[Vec<(usize, usize, &Input)>]) {
        for (component, inputs) in self.draft.components.iter().zip(resolved) {
            if component.kind != ComponentKind::Transform {
                continue;
            }
            if component.typed.as_ref().is_some_and(|(component_type, _)| component_type.records == Records::AsInputs) {
                self.mixed(component, inputs);
                continue;
            }
            for (from, _, input) in inputs {
                let source = &self.draft.components[*from];
                if source.found.records == Records::Rows {
                    let read: Vec<&str> = resolved[*from].iter().map(|(.., input)| input.text.as_str()).collect();
                    self.report.error(
                        &input.span,
                        &format!("{}.inputs", component.path()),
                        format!("`{}` outputs table rows, but a transform reads events", input.text),
                        match source.kind {
                            ComponentKind::Transform => {
                                format!("read what `{}` reads: inputs = {read:?}", source.name)
                            }
                            _ => format!("put `{}` into a sink's `inputs` instead", input.text),
                        },
                    );
                }
            }
        }
    }

    fn mixed(&self, component: &Component, inputs: &[(usize, usize, &Input)]) {
        let records = |(from, ..): &(usize, usize, &Input)| self.draft.components[*from].found.records;
        let Some(first) = inputs.first() else { return };
        if let Some((.., input)) = inputs.iter().find(|input| records(input) != records(first)) {
            let [one, other] = match records(first) {
                Records::Rows => ["events", "table rows"],
                _ => ["table rows", "events"],
            };
            self.report.error(
                &input.span,
                &format!("{}.inputs", component.path()),
                format!("`{}` outputs {one}, but `{}` outputs {other}", input.text, first.2.text),
                format!("use one {} for the events and another one for the rows", component_word(component)),
            );
        }
    }

    /// The transforms, each after those that it reads. Cycles are errors, each reported once.
    fn order(&self, resolved: &[Vec<(usize, usize, &Input)>]) -> Vec<usize> {
        let is_transform = |index: &usize| self.draft.components[*index].kind == ComponentKind::Transform;
        let mut left: BTreeSet<usize> = (0..resolved.len()).filter(is_transform).collect();
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let ready = |index: &usize| resolved[*index].iter().all(|(from, ..)| !left.contains(from));
            if let Some(next) = left.iter().copied().find(ready) {
                left.remove(&next);
                order.push(next);
                continue;
            }
            let cycle = one_cycle(&left, resolved);
            self.report_cycle(&cycle, resolved);
            for index in cycle {
                left.remove(&index);
                order.push(index);
            }
        }
        order
    }

    fn report_cycle(&self, cycle: &[usize], resolved: &[Vec<(usize, usize, &Input)>]) {
        // In the direction of the data, from the component that comes first in the files.
        let mut forward: Vec<usize> = cycle.iter().rev().copied().collect();
        let first = forward.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(at, _)| at);
        forward.rotate_left(first);
        let (Some(&start), Some(&end)) = (forward.first(), forward.last()) else { return };
        let component = &self.draft.components[start];
        let input = resolved[start].iter().find(|(from, ..)| *from == end);
        let names = forward.iter().chain([&start]).map(|index| self.draft.components[*index].name.as_str());
        let circle = names.collect::<Vec<_>>().join(" -> ");
        self.report.error(
            input.map_or(&component.span, |(.., input)| &input.span),
            &format!("{}.inputs", component.path()),
            format!("these transforms form a cycle: {circle}"),
            format!(
                "remove \"{}\" from these `inputs`; events flow one way",
                input.map_or("", |(.., input)| &input.text)
            ),
        );
    }
}

fn component_word(component: &Component) -> &str {
    component.typed.as_ref().map_or("transform", |(component_type, _)| component_type.name)
}

/// One cycle among transforms of which each reads another one of them; each is followed by the one it reads.
fn one_cycle(left: &BTreeSet<usize>, resolved: &[Vec<(usize, usize, &Input)>]) -> Vec<usize> {
    let mut walked: Vec<usize> = Vec::new();
    let mut at = left.first().copied();
    while let Some(index) = at {
        if let Some(start) = walked.iter().position(|known| *known == index) {
            return walked.split_off(start);
        }
        walked.push(index);
        at = resolved[index].iter().map(|(from, ..)| *from).find(|from| left.contains(from));
    }
    walked
}

//! Reads `[[tests]]`, and finds the components and outputs that they name.

use std::path::Path;

use super::{Expected, Feed, TestCase, TestInput, TestOutput};
use crate::component::Records;
use crate::pipeline::InputRef;
use crate::pipeline::draft::Draft;
use crate::pipeline::dry_run::Entry;
use crate::pipeline::graph::{Graph, records_from, resolve};
use crate::settings::Section;
use crate::settings::nearest::{any_value, nearest};
use crate::settings::report::Report;
use crate::telemetry::ComponentKind;
use crate::transforms::program::{self, Purpose};

/// What a missing recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Recordings {
    /// A warning: the tests aren't run, and a service must start without their files.
    Optional,
    /// An error.
    Required,
}

/// Reads the tests of a set. What is wrong with them is recorded in their sections.
pub(in crate::pipeline) fn read(
    draft: &mut Draft,
    graph: &Graph,
    report: &Report,
    recordings: Recordings,
) -> Vec<TestCase> {
    let sections = std::mem::take(&mut draft.tests);
    let reader = Reader { draft, report, graph, recordings };
    sections.into_iter().map(|section| reader.test(section)).collect()
}

struct Reader<'a> {
    draft: &'a Draft,
    report: &'a Report,
    graph: &'a Graph,
    recordings: Recordings,
}

impl Reader<'_> {
    fn test(&self, mut section: Section) -> TestCase {
        let (file, line) = section.place();
        let folder = file.parent().unwrap_or(Path::new(""));
        let inputs = section.tables("inputs").into_iter().filter_map(|input| self.input(input, folder)).collect();
        let sections = section.tables("outputs");
        if sections.is_empty() && !section.has("outputs") && !section.has_error("outputs") {
            section.warning(
                "",
                "this test expects nothing",
                "add [[tests.outputs]], or run `nordpass-sentinel test --record` on this file",
            );
        }
        let outputs = sections.into_iter().filter_map(|output| self.output(output)).collect();
        let refused = usize::try_from(section.integer("refused")).unwrap_or_default();
        TestCase { name: section.text("name"), file, line, inputs, outputs, refused, end: section.end() }
    }

    fn input(&self, mut section: Section, folder: &Path) -> Option<TestInput> {
        let at = section.text("at");
        let entry = if at.is_empty() { None } else { self.entry(&mut section, &at) };
        let feed = match (section.has("event"), section.has("recording")) {
            (true, true) => {
                section.error("recording", "this input has both `event` and `recording`", "write an input for each");
                None
            }
            (true, false) => section.optional_object("event").map(|event| {
                // Without line ends: each line is a record.
                Feed::Event(serde_json::Value::Object(event).to_string())
            }),
            (false, true) => self.recording(&mut section, folder),
            (false, false) => {
                if !section.has_error("event") && !section.has_error("recording") {
                    let hint = "add event = { type = \"…\", action = \"…\" } or recording = \"FILE\"";
                    section.error("", "this input has neither `event` nor `recording`", hint);
                }
                None
            }
        };
        let (at, records) = entry?;
        Some(TestInput { at, records, feed: feed? })
    }

    fn recording(&self, section: &mut Section, folder: &Path) -> Option<Feed> {
        let path = folder.join(section.optional_text("recording")?);
        if !path.is_file() {
            let what = if path.exists() { "isn't a file" } else { "isn't there" };
            // Without its path: a value is never shown.
            let message = format!("the recording {what}");
            let hint = "the path is relative to the pipeline file";
            match self.recordings {
                Recordings::Required => section.error("recording", message, hint),
                Recordings::Optional if section.is_on_its_machine() => section.warning("recording", message, hint),
                Recordings::Optional => {}
            }
        }
        Some(Feed::Recording(path))
    }

    fn output(&self, mut section: Section) -> Option<TestOutput> {
        let address = section.text("from");
        let from = if address.is_empty() { None } else { self.from(&mut section, &address) };
        let expected = expected(&mut section);
        let (_, line) = section.place();
        Some(TestOutput { from: from?, address, line, end: section.end(), expected })
    }

    /// Where a test's events go in, and what goes in there. `None` after an error.
    fn entry(&self, section: &mut Section, at: &str) -> Option<(Entry, Records)> {
        let components = || self.draft.components.iter();
        if let Some(index) = components().position(|component| component.name == at) {
            let component = &self.draft.components[index];
            match component.kind {
                ComponentKind::Transform => {
                    if component.found.tables.len() > 1 {
                        let inputs = component.inputs.iter().flatten().map(|input| input.text.as_str());
                        let hint = format!("write {}", any_value(inputs));
                        section.error("at", format!("`{at}` reads rows of several tables"), hint);
                        return None;
                    }
                    let records = self.graph.records_into(self.draft, index);
                    return Some((Entry::Transform(at.to_owned()), records));
                }
                ComponentKind::Sink => {
                    let message = format!("`{at}` is a sink, and a test needs none");
                    section.error("at", message, "name the source or transform at which the events go in");
                    return None;
                }
                ComponentKind::Source => {}
            }
        } else if !at.contains('.') {
            let names = components().filter(|component| component.kind != ComponentKind::Sink);
            if let Some(near) = nearest(at, names.map(|component| component.name.as_str())) {
                section.error("at", "no component has this name", format!("did you mean \"{near}\"?"));
                return None;
            }
        }
        let (from, output) = self.found(section, "at", at)?;
        let records = records_from(self.draft, from);
        Some((Entry::Output(self.reference(from, output)), records))
    }

    fn from(&self, section: &mut Section, address: &str) -> Option<InputRef> {
        let (from, output) = self.found(section, "from", address)?;
        Some(self.reference(from, output))
    }

    /// The component and the output that an address names.
    fn found(&self, section: &mut Section, key: &str, address: &str) -> Option<(usize, usize)> {
        match resolve(self.draft, self.report, address) {
            // `Ok(None)`: its type is unknown, which is an error already.
            Ok(found) => found,
            Err((message, hint)) => {
                section.error(key, message, hint);
                None
            }
        }
    }

    fn reference(&self, component: usize, output: usize) -> InputRef {
        InputRef { component: self.draft.components[component].name.clone(), output }
    }
}

fn expected(section: &mut Section) -> Vec<Expected> {
    let mut expected = Vec::new();
    let is_none = section.flag("none");
    if section.has("none") && !is_none {
        section.error("none", "`none` can only be true", "leave it out, or write records = 1");
    }
    for other in ["records", "equals", "without", "vrl"] {
        if is_none && section.has(other) {
            section.error(other, format!("an output with `none` can't have `{other}`"), "remove one of them");
        }
    }
    if is_none {
        expected.push(Expected::Records(0));
    } else if let Some(records) = section.optional_integer("records") {
        expected.push(Expected::Records(usize::try_from(records).unwrap_or(usize::MAX)));
    }
    if let Some(object) = section.optional_object("equals") {
        if object.is_empty() {
            section.error("equals", "`equals` is empty", "add keys and values, or write records = 1");
        }
        expected.push(Expected::Each(object));
    } else if let Some(objects) = section.optional_objects("equals") {
        let stated = section.optional_integer("records").and_then(|records| usize::try_from(records).ok());
        if stated.is_some_and(|records| records != objects.len()) {
            let message = format!("`equals` describes {} records, and `records` is another number", objects.len());
            section.error("equals", message, "a list describes all records, one table for each");
        }
        expected.push(Expected::InOrder(objects));
    }
    if section.has("without") {
        expected.push(Expected::Without(section.list("without")));
    }
    if let Some(program) = program::read(section, "vrl", Purpose::Assertion) {
        expected.push(Expected::Holds(program));
    }
    expected
}

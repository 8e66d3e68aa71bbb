//! Sets, renames and removes fields of events or rows.
//!
//! The text is spliced: what stays is copied as it is spelled, and no tree of the JSON is built. An event's id is given at the
//! source and stays; a row's `EventOriginalUid` can't be changed.

mod edit;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use self::edit::{Edits, Plan};
use self::value::{Of, Template};
use super::shape::on_error::{self, Failures, OnError};
use super::shape::path;
use super::shape::rewrite::Rewrite;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Refused, Transform, TransformSettings};
use crate::event::Chunk;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};

/// The `modify` type.
pub static TYPE: ComponentType = ComponentType {
    name: "modify",
    doc: "Sets, renames and removes fields of events or table rows. First fields are removed and renamed, each as the record \
      came, then fields are set. A dot leads into an object: `AdditionalFields.Tenant`. An event's id never changes.",
    fields: FIELDS,
    outputs: Outputs::OfInputs,
    records: Records::AsInputs,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::optional("set", Kind::Map).doc(
        "Values by field, such as `set = { \"AdditionalFields.Tenant\" = \"acme\" }`. Objects on the way are made. \
         `{organization}` in a value is the organization's UUID; `{organization.name}` and `{organization.labels.KEY}` are what \
         the organizations file says of it; write `{{` for a plain brace.",
    ),
    Field::optional("rename", Kind::Map).doc(
        "New names by field, such as `rename = { \"user.email\" = \"user.mail\" }`. A missing field stays missing.",
    ),
    Field::optional("remove", Kind::List).doc("Fields to remove. A missing field is no error."),
    on_error::FIELD,
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    edits: Arc<Edits>,
    on_error: OnError,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let mut plan = Plan::default();
        if !["set", "rename", "remove"].iter().any(|name| section.has(name) || section.is_wrong(name)) {
            let hint = "add set = { FIELD = \"VALUE\" }, or remove this transform";
            section.error("set", "`modify` needs `set`, `rename` or `remove`", hint);
        }
        for (index, field) in section.list("remove").into_iter().enumerate() {
            let result = path::parse_changed(&field).and_then(|path| plan.remove(&path));
            report(section, &format!("remove.{index}"), result);
        }
        for (from, to) in section.map("rename") {
            let result = path::parse_changed(&from)
                .and_then(|from| Ok((from, path::parse_changed(&to)?)))
                .and_then(|(from, to)| plan.rename(&from, &to));
            report(section, &format!("rename.{from}"), result);
        }
        for (field, value) in section.map("set") {
            let result = path::parse_changed(&field)
                .and_then(|path| Ok((path, Template::parse(&value)?)))
                .and_then(|(path, value)| plan.set(&path, value));
            report(section, &format!("set.{field}"), result);
        }
        Self { edits: Arc::new(plan.done()), on_error: OnError::read(section) }
    }
}

fn report(section: &mut Section, at: &str, result: Result<(), (String, String)>) {
    if let Err((message, hint)) = result {
        section.error(at, message, hint);
    }
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        Box::new(Modify { edits: self.edits.clone(), failures: Failures::new(self.on_error), telemetry })
    }
}

struct Modify {
    edits: Arc<Edits>,
    failures: Failures,
    telemetry: ComponentReporter,
}

impl Transform for Modify {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        let mut rewrite = Rewrite::of(&chunk);
        for (number, record) in chunk.records.iter().enumerate() {
            let body = chunk.body(record);
            let of = Of { uuid: &record.organization, listed: chunk.organization.as_deref() };
            let done = rewrite.push(record, |text| self.edits.apply(body, of, text));
            if let Err(reason) = done
                && self.failures.add(number, &reason)
            {
                rewrite.keep(record);
            }
        }
        self.failures.settle(&chunk, &self.telemetry);
        out.extend(rewrite.finish().map(|chunk| (0, chunk)));
        chunk.ack.done();
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        self.failures.take()
    }
}

//! A fuzz target: an event's rows, in ASIM's tables and in the official connector's.

use std::collections::HashSet;

use super::{asim, event_log, modify, pseudonymize, route};
use crate::component::{ComponentType, ReadSettings, TransformSettings};
use crate::event::{
    Chunk, Identifier, MetadataEntries, Origin, Record, Span, Takeover, Text, event_time, parse_event_and, raw_entries,
};
use crate::fuzz::{is_json, text};
use crate::settings::{Environment, Section};
use crate::telemetry::ComponentReporter;
use nordpass_env::catalogue::{EVENT_LOG_TABLE, Schema, columns};

/// A row has its fixed parts, and each text of the event at most so often: in columns, in `AdditionalFields`, with escapes.
const TIMES: usize = 16;
const FIXED: usize = 4 << 10;

/// One event.
pub(crate) fn rows(data: &[u8]) {
    let json = text(data);
    let Some(chunk) = chunk(&json) else { return };
    for takeover in [None, Some(Takeover { cursor: i64::MAX, until: i64::MAX })] {
        let chunk = Chunk { takeover, ..chunk.clone() };
        let asim = made(&asim::Settings, &chunk, |output| Schema::ALL.get(output).map(|schema| schema.table()));
        let official = made(&event_log::Settings, &chunk, |_| Some(EVENT_LOG_TABLE));
        for row in [asim, official] {
            assert!(row.len() <= TIMES * json.len() + FIXED, "{} bytes of {}", row.len(), json.len());
        }
    }
}

/// One event, and the rows made of it, through each transform that shapes records.
pub(crate) fn shape(data: &[u8]) {
    let json = text(data);
    let Some(chunk) = chunk(&json) else { return };
    let mut rows = Vec::new();
    asim::Settings.build(ComponentReporter::detached()).transform(chunk.clone(), &mut rows);
    for chunk in rows.into_iter().map(|(_, rows)| rows).chain([chunk]) {
        for (component, settings) in SHAPING {
            let ReadSettings::Transform(read) = component.read else { panic!("no transform") };
            let mut section = Section::parse(settings, component.fields, Environment::default());
            let mut transform = read(&mut section).build(ComponentReporter::detached());
            let mut out = Vec::new();
            transform.transform(chunk.clone(), &mut out);
            let refused = transform.take_refused();
            let made: Vec<&Chunk> =
                out.iter().map(|(_, chunk)| chunk).chain(refused.iter().map(|refused| &refused.chunk)).collect();
            let records: Vec<_> =
                made.iter().flat_map(|chunk| chunk.records.iter().map(|record| (*chunk, record))).collect();
            let [(of, record)] = records[..] else { panic!("{} records of one: {json}", records.len()) };
            let body = of.body(record);
            assert_eq!(record.id, chunk.records[0].id, "another id: {body}");
            assert!(is_json(body) && body.trim_start().starts_with('{'), "no object: {body}");
            assert_eq!(of.events.is_some(), chunk.events.is_some());
            assert!(body.len() <= TIMES * json.len() + FIXED, "{} bytes of {}", body.len(), json.len());
        }
    }
}

static SHAPING: &[(&ComponentType, &str)] = &[
    (
        &modify::TYPE,
        "set = { \"metadata.t\" = \"{organization}\", \"AdditionalFields.t\" = \"x\" }\nrename = { action = \"metadata.action\" }\n\
         remove = [\"user.email\"]",
    ),
    (
        &pseudonymize::TYPE,
        "fields = [\"user.*\", \"metadata.*\", \"Actor*\", \"AdditionalFields.*.email\"]\nkey = \"0123456789abcdef0123456789abcdef\"",
    ),
    #[cfg(feature = "remap")]
    (
        &super::remap::TYPE,
        "source = '''\n.metadata = object(.metadata) ?? {}\n.Tenant = upcase(string(.action) ?? \"none\")\n'''",
    ),
    (&route::TYPE, "routes = { a = { include_users = [\"a*\"], include_addresses = [\"0.0.0.0/0\"] } }"),
];

/// The event as a source's chunk; `None` if it isn't one.
fn chunk(json: &str) -> Option<Chunk> {
    let text = Text::from(json.to_owned());
    let mut notes = MetadataEntries::default();
    let fields = parse_event_and(&text, &text, &mut notes).ok()?;
    let id = Identifier::default().identify(&text, &fields, &mut notes);
    let time = event_time(&text, &fields.timestamp).map_or(1_748_000_000, |(time, _)| time);
    let organization = text.at(fields.organization.span).into();
    notes.keep(&text);
    let body = Span::new(0, text.len());
    let origin = Origin { source: "fuzz".into(), run: 1, sequence: 0 };
    Some(Chunk::of_events(text, vec![Record { id, time, organization, body }], vec![fields], origin, None).0)
}

/// The one row that a transform makes.
fn made(settings: &dyn TransformSettings, chunk: &Chunk, table: impl Fn(usize) -> Option<&'static str>) -> String {
    let mut out = Vec::new();
    settings.build(ComponentReporter::detached()).transform(chunk.clone(), &mut out);
    let [(output, rows)] = &out[..] else { panic!("{} outputs for one event", out.len()) };
    let [record] = &*rows.records else { panic!("{} rows for one event", rows.records.len()) };
    let row = rows.body(record);
    assert!(!row.contains(['\n', '\r']), "more than one line: {row}");
    assert!(is_json(row), "not JSON: {row}");
    let known = columns(table(*output).expect("an output"));
    let names = unique_names(row);
    for name in &names {
        assert!(known.iter().any(|(column, _)| column == name), "{name} is no column: {row}");
    }
    row.to_owned()
}

/// The names of an object's entries, none of which is there twice. The names of `AdditionalFields` are unique, too.
fn unique_names(json: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let each = |key: &str, value: &str| {
        let name: String = serde_json::from_str(key).expect("a name is text");
        if name == "AdditionalFields" {
            unique_names(value);
        }
        assert!(names.insert(name), "{key} is there twice: {json}");
    };
    raw_entries(json, each).expect("an object");
    names
}

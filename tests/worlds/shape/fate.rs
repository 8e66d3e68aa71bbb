//! An event's way through the pipeline: where it arrives and as what, where it is left out, and where it can't be handled.

use std::collections::HashMap;

use nordpass_sentinel::component::Records;
use nordpass_sentinel::pipeline::{Chunks, DryRun, Entry, InputRef, Seen, load};
use nordpass_sentinel::settings::Environment;
use serde_json::Value;

use super::change::OnError;
use super::{Destination, Node, Shape, Step};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Event,
    /// A row of an ASIM table.
    Asim,
    /// A row of the official connector's table.
    Official,
}

/// A record on its way.
#[derive(Clone, Debug)]
pub struct Item {
    pub kind: Kind,
    /// Without its id.
    pub value: Value,
    /// It shows the id that is made with the key.
    pub hides_id: bool,
    /// What it held and mustn't hold any more.
    pub hidden: Vec<String>,
}

/// What becomes of an event.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// Where it arrives.
    pub arrives: Vec<(Destination, Item)>,
    /// The transforms that leave it out, and the reasons as they count them.
    pub dropped: Vec<(String, String)>,
    /// The transforms that can't handle it and keep it aside, by which input it came, and as what.
    pub refused: Vec<(String, String, Item)>,
    /// The transforms that can't handle it and pass it on.
    pub kept: Vec<String>,
}

impl Fate {
    /// As what it arrives there.
    pub fn at(&self, destination: Destination) -> Option<&Item> {
        self.arrives.iter().find(|(there, _)| *there == destination).map(|(_, item)| item)
    }
}

/// The product's mapping from events to rows, alone.
pub struct Mapping {
    dry_run: DryRun,
    chunks: Chunks,
}

const MAPPING: &str = r#"
[sources.in]
type = "stdin"
[transforms.asim]
type = "asim"
inputs = ["in"]
[transforms.event_log]
type = "event_log"
inputs = ["in"]
[sinks.out]
type = "blackhole"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management", "event_log"]
"#;

impl Mapping {
    pub fn new() -> Self {
        let files = [("mapping.toml".into(), MAPPING.to_owned())];
        let (config, _) = load(&files, &Environment::of::<&str, &str>([])).expect("a pipeline file");
        Self { dry_run: DryRun::new(&config), chunks: Chunks::default() }
    }

    /// The event's id, as the source gives it to the first of its twins.
    pub fn id(&mut self, event: &str) -> Option<u128> {
        let chunk = self.chunks.read(event.to_owned().into_bytes(), Records::Events).chunk?;
        chunk.records.first().map(|record| record.id.0)
    }

    /// The event's row, without its id, and its table.
    fn row(&mut self, transform: &str, event: &Value) -> Option<(String, Value)> {
        let chunk = self.chunks.read(event.to_string().into_bytes(), Records::Events).chunk?;
        let mut row = None;
        let entry = Entry::Output(InputRef { component: "in".to_owned(), output: 0 });
        self.dry_run.feed(&entry, &chunk, |seen| {
            let Seen::Given(output, chunk) = seen else { return };
            if output.component == transform
                && let Some(record) = chunk.records.first()
            {
                let table = ["audit_event", "authentication", "user_management"][output.output];
                row = serde_json::from_str(chunk.body(record)).ok().map(|row| (table.to_owned(), without_id(row)));
            }
        });
        row
    }
}

/// A row without its id.
pub fn without_id(mut row: Value) -> Value {
    if let Some(columns) = row.as_object_mut() {
        columns.remove("EventOriginalUid");
        columns.remove("event_id");
    }
    row
}

/// An output's address.
fn address(node: &Node, own: &str, table: &str) -> String {
    [&*node.name, own, table].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// Follows an event.
pub fn follow(shape: &Shape, mapping: &mut Mapping, event: &Value) -> Fate {
    let organization = event["organization_uuid"].as_str().unwrap_or_default();
    let mut fate = Fate::default();
    let mut outputs: HashMap<String, Vec<Item>> = HashMap::new();
    let first = Item { kind: Kind::Event, value: event.clone(), hides_id: false, hidden: Vec::new() };
    outputs.insert("nordpass".to_owned(), vec![first]);
    for node in &shape.nodes {
        for input in &node.inputs {
            for item in outputs.get(input).cloned().unwrap_or_default() {
                let table = match item.kind {
                    Kind::Asim => input.rsplit_once('.').map_or("", |(_, table)| table),
                    Kind::Event | Kind::Official => "",
                };
                for (own, table, item) in step(node, input, table, item, organization, mapping, &mut fate) {
                    outputs.entry(address(node, own, &table)).or_default().push(item);
                }
            }
        }
    }
    for (destination, output) in &shape.readers {
        let there = outputs.get(output).into_iter().flatten();
        fate.arrives.extend(there.map(|item| (*destination, item.clone())));
    }
    fate
}

/// What a transform makes of a record: its own output, the table, and the record.
fn step<'n>(
    node: &'n Node,
    input: &str,
    table: &str,
    mut item: Item,
    organization: &str,
    mapping: &mut Mapping,
    fate: &mut Fate,
) -> Vec<(&'n str, String, Item)> {
    let mut rows = |transform: &str, kind: Kind, item: &Item| {
        let row = mapping.row(transform, &item.value);
        row.map(|(table, value)| ("", table, Item { kind, value, ..item.clone() })).into_iter().collect::<Vec<_>>()
    };
    match &node.step {
        Step::Asim => return rows("asim", Kind::Asim, &item),
        Step::EventLog => {
            let rows = rows("event_log", Kind::Official, &item);
            return rows.into_iter().map(|(own, _, item)| (own, String::new(), item)).collect();
        }
        Step::Filter(conditions) => {
            if let Some(reason) = conditions.refusal(item.kind, &item.value) {
                fate.dropped.push((node.name.clone(), reason));
                return Vec::new();
            }
        }
        Step::Route { routes, all } => {
            let meets = |(_, conditions): &&(&str, super::conditions::Conditions)| {
                conditions.refusal(item.kind, &item.value).is_none()
            };
            let mut met: Vec<&'n str> = routes.iter().filter(meets).map(|(name, _)| *name).collect();
            if met.is_empty() {
                met.push("_unmatched");
            }
            met.truncate(if *all { usize::MAX } else { 1 });
            return met.into_iter().map(|own| (own, table.to_owned(), item.clone())).collect();
        }
        Step::Pseudonymize(hide) => {
            hide.apply(&mut item.value, &mut item.hidden);
            item.hides_id = true;
        }
        Step::Modify(modify) => match (modify.apply(&item.value, organization), modify.on_error) {
            (Ok(changed), _) => item.value = changed,
            (Err(_), OnError::Keep) => fate.kept.push(node.name.clone()),
            (Err(_), OnError::Drop) => {
                fate.dropped.push((node.name.clone(), "filtered: on_error = drop".to_owned()));
                return Vec::new();
            }
            (Err(_), OnError::DeadLetter) => {
                fate.refused.push((node.name.clone(), input.to_owned(), item));
                return Vec::new();
            }
        },
    }
    vec![("", table.to_owned(), item)]
}

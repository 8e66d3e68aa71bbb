//! A set of files as components with checked fields, before their wiring is checked.

use std::{net::SocketAddr, path::PathBuf};

use super::organizations;
use super::outputs::Found;
use super::registry::{KINDS, Registry, table_name};
use super::unit_test;
use crate::component::ComponentType;
use crate::settings::document::{Entry, Table, Value};
use crate::settings::nearest::{all_of, all_values, any_value, nearest};
use crate::settings::report::{Report, SourceSpan};
use crate::settings::section::Section;
use crate::settings::value::{Check, Checked, quote, shown_key};
use crate::settings::{Field, Kind, Presence};
use crate::state::{self, CheckpointSettings};
use crate::telemetry::ComponentKind;

/// Longer names make file names and metrics unreadable.
const LONGEST_NAME: usize = 64;

/// The keys beside the components.
pub(super) static TOP_FIELDS: &[Field] = &[
    Field::with_default("data_dir", Kind::Text, "./data").doc(
        "Folder for checkpoints and dead letters (unless `checkpoint` is set) and for the logs of `file` sinks. A \
         lock restricts it to one process at a time.",
    ),
    Field::optional("checkpoint", Kind::Table(state::FIELDS))
        .doc("Where to keep the sources' states and dead letters. Defaults to `data_dir`."),
    Field::with_default("core_dumps", Kind::Flag, "false").doc(
        "Whether a crash may leave a core dump, and other processes of the same user may read this one's memory. Both \
         show secrets. Linux only; elsewhere the system decides.",
    ),
    Field::optional("api", Kind::Table(API_FIELDS))
        .doc("Serves `/health`, `/ready`, `/metrics` and the status page. Off by default."),
    Field::optional("organizations", Kind::Table(organizations::FIELDS)).doc(
        "Reads many organizations with one source: the one without `endpoint` and `token` is the template of each \
         organization that the file lists.",
    ),
    Field::optional("tests", Kind::Tables(unit_test::FIELDS))
        .doc("Tests of the pipeline, which `nordpass-sentinel test` runs, and no other command."),
];

static API_FIELDS: &[Field] = &[
    Field::required("listen", Kind::Text).doc("Address and port to serve on, such as `127.0.0.1:8686`."),
    Field::optional("allowed_hosts", Kind::List).doc(
        "The host names it answers to, besides `localhost` and every IP address. Others get 421: a web page could have \
         its own name point here.",
    ),
];

/// `type`, which every component has. (`inputs` is read by hand, for the location of each element.)
pub(super) static TYPE_FIELD: Field = Field::required("type", Kind::Text).doc("The type of component.");

/// `inputs` of transforms and sinks.
pub(super) static INPUTS_FIELD: Field = Field::required("inputs", Kind::List)
    .doc("The components to read from, by name. For a transform with several outputs, use `name.output`.");

/// `required` of sinks.
pub(super) static REQUIRED_FIELD: Field = Field::with_default("required", Kind::Flag, "true").doc(
    "Whether the state waits for this sink. An optional sink never delays the others, and misses events while it \
     is full or can't open.",
);

pub(super) static COMMON_FIELDS: [&Field; 3] = [&TYPE_FIELD, &INPUTS_FIELD, &REQUIRED_FIELD];

/// The common keys of a kind of component.
pub(super) fn common_fields(kind: ComponentKind) -> &'static [&'static Field] {
    match kind {
        ComponentKind::Source => &COMMON_FIELDS[..1],
        ComponentKind::Transform => &COMMON_FIELDS[..2],
        ComponentKind::Sink => &COMMON_FIELDS,
    }
}

/// A set of files, read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub data_dir: Option<PathBuf>,
    pub core_dumps: bool,
    pub api_listen: Option<SocketAddr>,
    pub api_allowed_hosts: Vec<String>,
    /// The checkpoint's settings, and its table for errors about them.
    pub checkpoint: Option<(CheckpointSettings, Section)>,
    /// Where the organizations are listed.
    pub organizations: Option<Section>,
    /// Whether a file has `[organizations]`, or may have it: known before its components are read.
    pub may_have_templates: bool,
    pub components: Vec<Component>,
    /// The tests' tables.
    pub tests: Vec<Section>,
}

/// A component, read.
#[derive(Debug)]
pub(super) struct Component {
    pub kind: ComponentKind,
    pub name: String,
    pub span: SourceSpan,
    /// Its type and its fields; `None` after an error about the type.
    pub typed: Option<(&'static ComponentType, Section)>,
    /// `None` where a component that needs inputs has no such key, or a wrong one.
    pub inputs: Option<Vec<Input>>,
    pub required: bool,
    /// Whether each organization of the organizations file has this source for itself.
    pub is_template: bool,
    /// Its outputs; none before they are found.
    pub found: Found,
}

/// One element of `inputs`.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub text: String,
    pub span: SourceSpan,
}

impl Component {
    pub fn path(&self) -> String {
        format!("{}.{}", table_name(self.kind), shown_key(&self.name))
    }

    /// The names of its outputs.
    pub fn outputs(&self) -> &[String] {
        &self.found.names
    }
}

impl Draft {
    /// Adds one file's tables.
    pub fn add(&mut self, report: &Report, registry: &Registry, document: usize, table: Table) {
        let mut top = Table::new();
        for entry in table {
            let span = SourceSpan { document, span: entry.key_span.clone() };
            if let Some(kind) = KINDS.into_iter().find(|kind| table_name(*kind) == entry.key) {
                self.add_components(report, registry, kind, &span, entry);
            } else if TOP_FIELDS.iter().any(|field| field.name == entry.key) {
                top.push(entry);
            } else {
                let names = || KINDS.into_iter().map(table_name).chain(TOP_FIELDS.iter().map(|field| field.name));
                let hint = match nearest(&entry.key, names()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("a pipeline file contains {}", all_of(names())),
                };
                let key = shown_key(&entry.key);
                report.error(&span, &key, format!("unknown key `{key}`"), hint);
            }
        }
        self.add_top(report, document, &top);
    }

    fn add_top(&mut self, report: &Report, document: usize, top: &Table) {
        let start = SourceSpan { document, span: 0..0 };
        let mut section = Section::new(report.clone(), start, String::new(), TOP_FIELDS, top);
        if section.has("data_dir") {
            let data_dir = PathBuf::from(section.text("data_dir"));
            if self.data_dir.replace(data_dir).is_some() {
                section.error(
                    "data_dir",
                    "`data_dir` is set in two files",
                    "keep one of them: it applies to the whole set",
                );
            }
        }
        if section.has("checkpoint") {
            let mut table = section.table("checkpoint");
            if self.checkpoint.is_some() {
                let hint = "keep one of them: it applies to the whole set";
                table.error("kind", "`[checkpoint]` is set in two files", hint);
            } else {
                let settings = CheckpointSettings::read(&mut table);
                self.checkpoint = Some((settings, table));
            }
        }
        if section.has("organizations") {
            let mut table = section.table("organizations");
            if self.organizations.is_some() {
                let hint = "keep one of them: it applies to the whole set";
                table.table_error("`[organizations]` is set in two files", hint);
            } else {
                self.organizations = Some(table);
            }
        }
        self.core_dumps |= section.flag("core_dumps");
        self.tests.extend(section.tables("tests"));
        if section.has("api") {
            let mut api = section.table("api");
            let listen = api.text("listen");
            self.api_allowed_hosts.extend(api.list("allowed_hosts"));
            match listen.trim().parse() {
                Ok(address) if self.api_listen.is_none() => self.api_listen = Some(address),
                Ok(_) => {
                    api.error("listen", "`[api]` is set in two files", "keep one of them: it serves the whole set");
                }
                Err(_) => api.error(
                    "listen",
                    "`listen` must be an address and a port",
                    "write \"127.0.0.1:8686\" for this machine only, or \"0.0.0.0:8686\" for every machine that can \
                     reach it",
                ),
            }
        }
    }

    fn add_components(
        &mut self,
        report: &Report,
        registry: &Registry,
        kind: ComponentKind,
        span: &SourceSpan,
        entry: Entry,
    ) {
        let tables = match entry.node.value {
            Value::Table(tables) => tables,
            other => {
                let name = &entry.key;
                let message = format!("`{name}` must be a table, not {}", other.kind());
                return report.error(span, name, message, format!("write [{name}.NAME]"));
            }
        };
        for entry in tables {
            let span = SourceSpan { document: span.document, span: entry.key_span.clone() };
            if let Some(component) = self.component(report, registry, kind, span, entry) {
                self.components.push(component);
            }
        }
    }

    fn component(
        &self,
        report: &Report,
        registry: &Registry,
        kind: ComponentKind,
        span: SourceSpan,
        entry: Entry,
    ) -> Option<Component> {
        let (name, word) = (entry.key, kind.as_str());
        let path = format!("{}.{}", table_name(kind), shown_key(&name));
        let table = match entry.node.value {
            Value::Table(table) => table,
            other => {
                let message = format!("a {word} must be a table, not {}", other.kind());
                report.error(&span, &path, message, format!("write [{path}] and the {word}'s keys below it"));
                return None;
            }
        };
        check_name(report, &span, &path, &name);
        let taken = self.components.iter().find(|other| other.name == name);
        if let Some(other) = taken {
            let message = format!("the name `{}` is taken by {}", shown_key(&name), other.path());
            let hint = format!("rename one of them, and the `inputs` that read it ({})", location(report, &other.span));
            report.error(&span, &path, message, hint);
        }
        let found = Found::default();
        let is_template = self.may_have_templates;
        let mut component =
            Component { kind, name, span, typed: None, inputs: None, required: true, is_template, found };
        component.read(report, registry, &path, table);
        taken.is_none().then_some(component)
    }
}

impl Component {
    fn read(&mut self, report: &Report, registry: &Registry, path: &str, table: Table) {
        let word = self.kind.as_str();
        let at = |entry: &Entry| SourceSpan { document: self.span.document, span: entry.key_span.clone() };
        let mut own = Table::with_capacity(table.len());
        let mut type_entry = None;
        for entry in table {
            match (entry.key.as_str(), self.kind) {
                ("type", _) => type_entry = Some(entry),
                ("inputs", ComponentKind::Source) => report.error(
                    &at(&entry),
                    &format!("{path}.inputs"),
                    "a source has no `inputs`: events come from outside",
                    "remove the line; transforms and sinks name this source in their `inputs`",
                ),
                ("inputs", _) => self.inputs = Some(read_inputs(report, self.span.document, path, &entry)),
                ("required", ComponentKind::Sink) => {
                    let span = SourceSpan { document: self.span.document, span: entry.node.span.clone() };
                    let path = format!("{path}.required");
                    let check = Check { report, field: &REQUIRED_FIELD, span, path: &path };
                    self.required = !matches!(check.value(&entry), Checked::Flag(false));
                }
                ("required", _) => report.error(
                    &at(&entry),
                    &format!("{path}.required"),
                    format!("a {word} has no `required`"),
                    "remove the line; only sinks can be `required = false`",
                ),
                _ => own.push(entry),
            }
        }
        let types = registry.of(self.kind);
        let names = || types.iter().map(|component_type| component_type.name);
        let type_path = format!("{path}.type");
        let may_be_template = std::mem::take(&mut self.is_template);
        let Some(entry) = type_entry else {
            let hint = match own.iter().find(|entry| nearest(&entry.key, ["type"]).is_some()) {
                Some(entry) => format!("did you mean `type` with `{}`?", shown_key(&entry.key)),
                None => format!("add type = {}", any_value(names())),
            };
            return report.error(&self.span, &type_path, format!("`{}` has no `type`", shown_key(&self.name)), hint);
        };
        let span = SourceSpan { document: self.span.document, span: entry.node.span.clone() };
        let Value::Text(type_name) = &entry.node.value else {
            let message = format!("`type` must be a string, not {}", entry.node.value.kind());
            return report.error(&span, &type_path, message, format!("write type = {}", any_value(names())));
        };
        let Some(component_type) = types.iter().copied().find(|component_type| component_type.name == type_name) else {
            let known = format!("the types of {word} are {}", all_values(names()));
            let hint = match nearest(type_name, names()) {
                Some(name) => format!("did you mean \"{name}\"? {known}"),
                None => known,
            };
            return report.error(&span, &type_path, format!("there is no {word} of this type"), hint);
        };
        let (fields, common) = (component_type.fields, common_fields(self.kind));
        let mut given = fields.iter().filter(|field| matches!(field.presence, Presence::PerOrganization)).peekable();
        self.is_template = may_be_template && given.peek().is_some();
        self.is_template &= given.all(|field| own.iter().all(|entry| entry.key != field.name));
        let place = (self.span.clone(), path.to_owned());
        let section = Section::of_component(report.clone(), place, fields, common, &own, self.is_template);
        self.typed = Some((component_type, section));
    }
}

/// A location, for the middle of a sentence.
fn location(report: &Report, span: &SourceSpan) -> String {
    report.documents().get(span.document).map_or_else(String::new, |document| {
        format!("{}:{}", document.path().display(), document.position(span.span.start).0)
    })
}

fn check_name(report: &Report, span: &SourceSpan, path: &str, name: &str) {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(good) || name.starts_with('-') {
        report.error(
            span,
            path,
            format!("{} isn't a valid component name", quote(name)),
            "use letters, digits, `_` and `-`, and don't start with `-`",
        );
    } else if name.len() > LONGEST_NAME {
        let message = format!("a name of {} characters is too long", name.len());
        report.error(span, path, message, format!("use at most {LONGEST_NAME} characters"));
    }
}

fn read_inputs(report: &Report, document: usize, path: &str, entry: &Entry) -> Vec<Input> {
    let path = format!("{path}.inputs");
    let at = |span: &std::ops::Range<usize>| SourceSpan { document, span: span.clone() };
    let nodes = match &entry.node.value {
        Value::List(nodes) => nodes.as_slice(),
        other => {
            let message = format!("`inputs` must be a list, not {}", other.kind());
            report.error(&at(&entry.node.span), &path, message, "write inputs = [\"NAME\"]");
            // Wrong, but there: not reported as missing again.
            return Vec::new();
        }
    };
    if nodes.is_empty() {
        let hint = "name at least one source or transform, such as inputs = [\"nordpass\"]";
        report.error(&at(&entry.node.span), &path, "`inputs` is empty", hint);
    }
    let mut inputs: Vec<Input> = Vec::with_capacity(nodes.len());
    for (number, node) in nodes.iter().enumerate() {
        let (span, path) = (at(&node.span), format!("{path}.{number}"));
        match &node.value {
            Value::Text(text) if inputs.iter().any(|input| input.text == *text) => {
                report.error(&span, &path, "this input is listed twice", "remove one of them");
            }
            Value::Text(text) => inputs.push(Input { text: text.clone(), span }),
            other => {
                let message = format!("an input must be a string, not {}", other.kind());
                report.error(&span, &path, message, "write the name of a source or transform in quotes");
            }
        }
    }
    inputs
}

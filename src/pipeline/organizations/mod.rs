//! Organizations as data: a file lists them, and the pipeline file is the template of each.
//!
//! | file | what it does |
//! |---|---|
//! | [`rows`], [`csv`] | a file of TOML or with commas becomes rows: texts with their places |
//! | [`check`] | a row becomes an organization with its access, or is told to be wrong |
//! | [`destination`] | a row's destination becomes the settings of a sink of its own |
//! | [`secrets`] | a name becomes a file in the folder of secrets, and in no other |

mod check;
mod csv;
mod destination;
mod rows;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::KeptOut;
use super::draft::{Component, Draft};
use super::graph::Graph;
use super::load::Settings;
use super::resolved::OwnDestination;
use crate::component::OrganizationAccess;
use crate::settings::document::{Document, Value};
use crate::settings::report::{Report, SourceSpan};
use crate::settings::url::check_url;
use crate::settings::{Environment, Field, Kind, Section};
use crate::state::{CheckpointSettings, Shard};
use crate::telemetry::ComponentKind;

use check::{Checker, Destinations, Severity};
use destination::{DestinationsOf, Reader};
use rows::Row;
use secrets::Secrets;

/// The keys of `[organizations]`.
pub(super) static FIELDS: &[Field] = &[
    Field::required("file", Kind::Text).doc(
        "The file that lists the organizations: TOML, or CSV where it ends in `.csv`. Relative to the working directory. \
         It holds no secrets.",
    ),
    Field::required("secrets_dir", Kind::Text).doc(
        "The folder of the organizations' tokens, one file for each. The organizations file names the files; no name and no \
         link leads out of the folder.",
    ),
    Field::required("allowed_endpoints", Kind::List).doc(
        "The endpoints that organizations may have: whoever can write the organizations file can't send tokens elsewhere. \
         With a single one, entries need no `endpoint`.",
    ),
    Field::with_default("shard", Kind::Text, "0/1").doc(
        "This replica's index and how many replicas there are, such as `${POD_INDEX}/${REPLICAS}`, where several share a \
         checkpoint of kind `azure_blob`. Each reads its share of the organizations, and takes over those of a replica that is gone.",
    ),
    Field::with_default("on_error", Kind::Choice(&["skip", "refuse"]), "skip").doc(
        "What a wrong entry does. `skip` keeps this organization out (at a reload, it stays as it was) and warns. `refuse` \
         makes it an error of the whole set.",
    ),
];

/// The key of this replica's share.
static SHARD: &str = "shard";

/// More than any file of organizations needs, in bytes.
const LONGEST: usize = 64 << 20;

/// What the organizations file says.
#[derive(Debug, Default)]
pub(super) struct Organizations {
    /// The organizations whose entries are right, in the order of the file.
    pub entries: Vec<Entry>,
    /// The sink that organizations can have for themselves, by its place among the components.
    pub destinations_of: Option<usize>,
    /// Those whose entries are wrong.
    pub kept_out: KeptOut,
    /// This replica's share of them.
    pub shard: Shard,
}

/// An organization whose entry is right.
#[derive(Debug)]
pub(super) struct Entry {
    pub access: OrganizationAccess,
    /// Its own destination, if it has one.
    pub destination: Option<OwnDestination>,
}

/// Where a set has its organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationPlaces {
    /// The file that lists them.
    pub file: PathBuf,
    /// The folder of their secrets.
    pub secrets_dir: PathBuf,
}

impl OrganizationPlaces {
    /// What the pipeline files say, whatever else is wrong with them. `None` for a set without organizations.
    pub fn of(files: &[(PathBuf, String)], environment: &Environment) -> Option<Self> {
        let documents = files.iter().map(|(path, text)| Document::new(path.clone(), text.clone())).collect();
        let report = Report::new(documents, environment.clone());
        report.documents().iter().enumerate().find_map(|(document, file)| {
            let entry = file.parse().ok()?.into_iter().find(|entry| entry.key == "organizations")?;
            let Value::Table(table) = entry.node.value else { return None };
            let (span, path) = (SourceSpan { document, span: entry.key_span }, "organizations".to_owned());
            let mut section = Section::new(report.clone(), span, path, FIELDS, &table);
            let [file, secrets_dir] = ["file", "secrets_dir"].map(|key| PathBuf::from(section.text(key)));
            Some(Self { file, secrets_dir })
        })
    }
}

/// Reads the organizations file that a set names, if it names one.
pub(super) fn read(
    draft: &mut Draft,
    settings: &[Option<Settings>],
    graph: Option<&Graph>,
    report: &Report,
) -> Organizations {
    let Some(mut section) = draft.organizations.take() else { return Organizations::default() };
    let is_template = |component: &Component| component.is_template && component.kind == ComponentKind::Source;
    let templates: Vec<usize> =
        (0..draft.components.len()).filter(|index| is_template(&draft.components[*index])).collect();
    match templates.as_slice() {
        [] => section.table_error(
            "no source reads the organizations",
            "leave `endpoint` and `token` out of the source that is to read each of them: [sources.NAME] with type = \
             \"nordpass\"",
        ),
        [_] => {}
        [first, more @ ..] => {
            let first = draft.components[*first].path();
            for component in more.iter().map(|index| &draft.components[*index]) {
                let message = format!("`{}` would read the organizations that `{first}` reads", component.name);
                let hint = "give it an `endpoint` and a `token`, or let both readers read one source";
                report.error(&component.span, &component.path(), message, hint);
            }
        }
    }
    let is_shared = matches!(draft.checkpoint, Some((CheckpointSettings::AzureBlob(_), _)));
    let names = draft.components.iter().filter(|component| !component.is_template);
    let names = names.map(|component| component.name.clone()).collect();
    let file = PathBuf::from(section.text("file"));
    let folder = section.text("secrets_dir");
    let allowed = allowed_endpoints(&mut section);
    let shard = shard(&mut section, is_shared);
    let severity = if section.text("on_error") == "refuse" { Severity::Error } else { Severity::Warning };
    if file.as_os_str().is_empty() || folder.is_empty() || allowed.is_empty() {
        return Organizations { shard, ..Organizations::default() };
    }
    let secrets = Secrets::open(Path::new(&folder), report.environment().is_present());
    let secrets = match secrets {
        Ok(secrets) => secrets,
        Err((message, hint)) => {
            section.error("secrets_dir", message, hint);
            return Organizations::default();
        }
    };
    let Some(text) = text(&mut section, &file) else { return Organizations::default() };
    let is_csv = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let document = if is_csv { Document::csv(file, text) } else { Document::new(file, text) };
    let number = report.add_organizations(document);
    let Some(document) = report.document(number) else { return Organizations::default() };
    let rows = if is_csv { csv::read(document.text()) } else { rows::read(document) };
    let rows = match rows {
        Ok(rows) => rows,
        Err(errors) => {
            for error in errors {
                error.tell(report, number);
            }
            return Organizations::default();
        }
    };
    let is_empty = rows.is_empty();
    let of_sources = endpoints_of_sources(&allowed, &rows);
    let destinations = destinations(draft, settings, graph, &allowed, report);
    let mut checker = Checker::new(report, number, severity, &of_sources, destinations, secrets, names);
    for row in rows {
        checker.row(row);
    }
    let organizations = Organizations { shard, ..checker.finish(&mut section) };
    if is_empty {
        section.error(
            "file",
            "the organizations file lists no organization",
            "add one: [NAME] with its `id` and `token`",
        );
    } else if organizations.entries.is_empty() {
        section.error("file", "no entry of the organizations file can be used", "correct what the warnings name");
    }
    organizations
}

/// The endpoints that sources can have: one that is somebody's destination is none.
fn endpoints_of_sources(allowed: &[String], rows: &[Row]) -> Vec<String> {
    let destinations = rows.iter().flat_map(Row::destination).filter(|(key, _)| *key == destination::ENDPOINT);
    let destinations: HashSet<&str> = destinations.map(|(_, cell)| cell.text.trim_end_matches('/')).collect();
    let is_destination = |endpoint: &&String| destinations.contains(endpoint.trim_end_matches('/'));
    allowed.iter().filter(|endpoint| !is_destination(endpoint)).cloned().collect()
}

/// The sink that organizations can have for themselves: of those that get their records the one without a destination of its own,
/// or the only one of its kind.
fn destinations<'s>(
    draft: &'s Draft,
    settings: &'s [Option<Settings>],
    graph: Option<&Graph>,
    allowed: &'s [String],
    report: &Report,
) -> Destinations<'s> {
    let is_of_organizations = |index: usize| {
        let is_template = |source: usize| draft.components[source].is_template;
        graph.is_none_or(|graph| graph.sources_of(draft, index).into_iter().any(is_template))
    };
    let components = draft.components.iter().zip(settings).enumerate();
    let sinks = components.filter_map(|(index, (component, settings))| match settings {
        Some(Settings::Sink(settings)) if !settings.destination_fields().is_empty() && is_of_organizations(index) => {
            let (settings, is_template) = (settings.as_ref(), component.is_template);
            Some(DestinationsOf { index, name: &component.name, settings, is_template })
        }
        _ => None,
    });
    let (templates, others): (Vec<_>, Vec<_>) = sinks.partition(|sink| sink.is_template);
    let mut sinks = if templates.is_empty() { others } else { templates };
    match (sinks.len(), sinks.pop()) {
        (1, Some(of)) => Destinations::Of(Reader::new(of, allowed, report.environment())),
        (_, None) => {
            let hint = "remove it, or add a sink of type \"sentinel\"";
            Destinations::None("no sink of this set can have a destination for each organization".to_owned(), hint)
        }
        (count, Some(_)) => {
            let hint =
                "leave `endpoint` and `dcr_immutable_id` out of the one sink that each organization has for itself";
            Destinations::None(format!("`destination` could be for each of {count} sinks"), hint)
        }
    }
}

/// A sink without a destination of its own gets what organizations send, and nothing else.
pub(super) fn check_destinations(draft: &Draft, graph: &Graph, report: &Report) {
    for (index, sink) in draft.components.iter().enumerate() {
        if sink.kind != ComponentKind::Sink || !sink.is_template || draft.organizations.is_none() {
            continue;
        }
        let feeds = graph.sources_of(draft, index);
        for source in feeds.into_iter().map(|source| &draft.components[source]).filter(|source| !source.is_template) {
            let message = format!(
                "what `{}` sends belongs to no organization, and `{}` has no destination for it",
                source.name, sink.name
            );
            let hint = "let it read the organizations' source alone, and add a sink of its own for this source";
            report.error(&sink.span, &format!("{}.inputs", sink.path()), message, hint);
        }
    }
}

/// This replica's share. Without a shared checkpoint, no other replica would know what it reads.
fn shard(section: &mut Section, is_shared: bool) -> Shard {
    let text = section.text(SHARD);
    let shard = match Shard::parse(&text) {
        Ok(shard) => shard,
        // A variable that is set on the pod only.
        Err(_) if !section.is_on_its_machine() => Shard::default(),
        Err((message, hint)) => {
            section.error(SHARD, message, hint);
            Shard::default()
        }
    };
    if shard.count > 1 && !is_shared {
        let hint = "add [checkpoint] with kind = \"azure_blob\", or leave `shard` out";
        section.error(SHARD, "several replicas share organizations only by a checkpoint that they share", hint);
    }
    if shard.is_beyond() {
        let message = format!(
            "`shard = \"{shard}\"`: the index is beyond the count, so this replica has no organizations of its own"
        );
        section.warning(
            SHARD,
            message,
            "it stands by, and reads those of replicas that are gone; the index begins at 0",
        );
    }
    shard
}

/// The allowed endpoints, each of which can be one.
fn allowed_endpoints(section: &mut Section) -> Vec<String> {
    let allowed: Vec<String> = section.list("allowed_endpoints").iter().map(|text| text.trim().to_owned()).collect();
    for (number, endpoint) in allowed.iter().enumerate() {
        if let Err((message, hint)) = check_url("allowed_endpoints", endpoint) {
            section.error(&format!("allowed_endpoints.{number}"), message, hint);
        }
    }
    allowed
}

/// The file's text. `None` after an error, or where it may be missing.
fn text(section: &mut Section, file: &Path) -> Option<String> {
    let read = nordpass_env::read_bounded(file, LONGEST).map_err(|error| error.to_string());
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it isn't UTF-8 text".to_owned()));
    match text {
        Ok(text) => Some(text),
        Err(_) if !section.is_on_its_machine() => None,
        Err(reason) => {
            let hint = "check that the path is right and that this user may read it";
            section.error("file", format!("can't read the organizations file: {reason}"), hint);
            None
        }
    }
}

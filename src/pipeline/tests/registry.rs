//! A registry for the loader's own tests: like the built-in one, but it stays when a component gets a field more.

use std::sync::Arc;

use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::pipeline::registry::Registry;
use crate::settings::{Field, Kind, Presence, http_fields};
use crate::sources::omitted::Omitted;

pub(super) fn registry() -> Registry {
    Registry([SOURCES, TRANSFORMS, SINKS])
}

const fn field(name: &'static str, kind: Kind, presence: Presence) -> Field {
    Field { name, kind, presence, doc: "What it is for." }
}

const fn component(
    name: &'static str,
    fields: &'static [Field],
    outputs: &'static [&'static str],
    read: ReadSettings,
) -> ComponentType {
    let outputs = Outputs::Named(outputs);
    ComponentType { name, doc: "What it does.", fields, outputs, records: Records::Events, read }
}

const fn source(name: &'static str, fields: &'static [Field]) -> ComponentType {
    component(name, fields, &[""], ReadSettings::Source(|_| Arc::new(Omitted)))
}

const fn transform(
    name: &'static str,
    fields: &'static [Field],
    outputs: &'static [&'static str],
    records: Records,
) -> ComponentType {
    ComponentType { records, ..component(name, fields, outputs, crate::transforms::filter::TYPE.read) }
}

const fn sink(name: &'static str, fields: &'static [Field]) -> ComponentType {
    component(name, fields, &[], crate::sinks::blackhole::TYPE.read)
}

static SOURCES: &[&ComponentType] = &[
    &source(
        "nordpass",
        &[
            field("endpoint", Kind::Text, Presence::Required),
            field("token", Kind::Secret, Presence::Required),
            field("poll_interval", Kind::Duration { min: "1s", max: "1d" }, Presence::Default("60s")),
            field("page_size", Kind::Integer { min: 1, max: 1000 }, Presence::Default("100")),
            field("initial_lookback", Kind::Duration { min: "0s", max: "90d" }, Presence::Default("7d")),
            http_fields::TLS,
            http_fields::PROXY,
            http_fields::REQUEST_TIMEOUT,
        ],
    ),
    &source("file", &[field("paths", Kind::List, Presence::Required)]),
    &source("stdin", &[]),
];

static TRANSFORMS: &[&ComponentType] = &[
    &transform("asim", &[], &["audit_event", "authentication", "user_management"], Records::Rows),
    &transform("event_log", &[], &[""], Records::Rows),
    &transform("filter", &[field("include", Kind::List, Presence::Optional)], &[""], Records::Events),
];

static BATCH: &[Field] = &[
    field("max_bytes", Kind::Integer { min: 1_000, max: 1_048_576 }, Presence::Default("1000000")),
    field("timeout", Kind::Duration { min: "10ms", max: "5m" }, Presence::Default("5s")),
];

static CREDENTIAL: &[Field] = &[
    field("kind", Kind::Choice(&["client_secret", "managed_identity", "token"]), Presence::Required),
    field("tenant_id", Kind::Text, Presence::Optional),
    field("client_id", Kind::Text, Presence::Optional),
    field("client_secret", Kind::Secret, Presence::Optional),
    field("token", Kind::Secret, Presence::Optional),
];

static SINKS: &[&ComponentType] = &[
    &sink(
        "sentinel",
        &[
            field("endpoint", Kind::Text, Presence::Required),
            field("dcr_immutable_id", Kind::Text, Presence::Required),
            field("streams", Kind::Map, Presence::Required),
            field("credential", Kind::Table(CREDENTIAL), Presence::Required),
            field("batch", Kind::Table(BATCH), Presence::Optional),
        ],
    ),
    &sink("file", &[field("path", Kind::Text, Presence::Required)]),
    &sink("console", &[]),
    &sink("blackhole", &[]),
];

//! The rows: one for each source and sink, with the columns that the catalogue lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use crate::component::Context;
use crate::event::{AckReceiver, Chunk, EventId, Origin, Record, Span, Text};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry, TokenState};
use nordpass_env::Env;

/// A row of `NordPassConnectorHealth_CL`. Only our own words and numbers: no event, no token, no address.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    time_generated: String,
    component: &'a str,
    component_kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component_type: Option<&'static str>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_wire: Option<u64>,
    dead_letters: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gaps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_to: Option<String>,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_state: Option<&'static str>,
    version: &'static str,
    instance: &'a str,
    run_id: &'a str,
}

/// Makes rounds of rows.
pub(super) struct Reporter {
    /// The telemetry of the whole set.
    pub everybody: Telemetry,
    env: Env,
    source: Arc<str>,
    instance: String,
    run: u64,
    run_id: String,
    sequence: AtomicU64,
}

impl Reporter {
    /// For one run of the program.
    pub fn new(everybody: Telemetry, context: &Context, instance: String) -> Self {
        let run = context.env.random.next_u64();
        Self {
            everybody,
            env: context.env.clone(),
            source: context.name.clone(),
            instance,
            run,
            run_id: format!("{run:016x}"),
            sequence: AtomicU64::new(0),
        }
    }

    /// The rows as of now, and the receipt of their delivery.
    pub fn round(&self) -> (Chunk, AckReceiver) {
        let now = self.env.clock.now();
        let (mut text, mut records) = (String::new(), Vec::new());
        for component in self.everybody.components() {
            // A transform computes: it can neither wait nor fail.
            if component.kind() == ComponentKind::Transform {
                continue;
            }
            let begin = text.len();
            text.push_str(&self.row(&component, now));
            let random = &self.env.random;
            records.push(Record {
                id: EventId(u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())),
                time: now.as_second(),
                organization: "".into(),
                body: Span::new(begin, text.len()),
            });
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { source: self.source.clone(), run: self.run, sequence };
        Chunk::of_rows(Text::from(text), records, origin, None)
    }

    fn row(&self, component: &ComponentReporter, now: Timestamp) -> String {
        let (state, totals, lately) =
            (component.status().get(), component.numbers().totals(), component.numbers().lately());
        let is_source = component.kind() == ComponentKind::Source;
        let cursor = component.numbers().cursor().filter(|_| is_source);
        let row = Row {
            time_generated: written(now),
            component: component.name(),
            component_kind: component.kind().as_str(),
            component_type: lately.type_name,
            state: state.as_str(),
            reason: state.reason(),
            waiting_since: state.since().map(written),
            next_try: state.next_try().map(written),
            #[expect(clippy::cast_possible_truncation, reason = "a time in seconds")]
            cursor: cursor.and_then(|cursor| at(cursor as i64)),
            lag_seconds: component.numbers().lag(now).filter(|_| is_source),
            last_success: lately.success.map(written),
            last_error_kind: lately.error_kind.as_deref(),
            last_error: lately.error.map(written),
            events: totals.received,
            rows: (!is_source).then_some(totals.sent),
            bytes: (!is_source).then_some(totals.bytes_json),
            bytes_wire: (!is_source).then_some(totals.bytes_wire),
            dead_letters: totals.dead_letters,
            gaps: is_source.then_some(totals.gaps),
            gap_from: lately.gap.as_ref().and_then(|gap| at(gap.start)),
            gap_to: lately.gap.as_ref().and_then(|gap| at(gap.end)),
            errors: totals.errors,
            token_state: lately.token.map(TokenState::as_str),
            version: env!("CARGO_PKG_VERSION"),
            instance: &self.instance,
            run_id: &self.run_id,
        };
        // Texts and numbers always make JSON.
        serde_json::to_string(&row).unwrap_or_default()
    }
}

/// A Unix time, as [`written`].
fn at(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(written)
}

/// RFC 3339 in UTC, with milliseconds.
fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

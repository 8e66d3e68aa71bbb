//! The rows: one for each source and sink, with the columns that the catalogue lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::Serializer;
use serde_json::Value;

use crate::component::Context;
use crate::event::{AckReceiver, Chunk, EventId, Origin, Record, Span, Text};
use crate::telemetry::{ComponentKind, ComponentReporter, Telemetry, TokenState};
use nordpass_env::Env;

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

    /// The rows as of now, and what resolves when they are delivered.
    pub fn round(&self) -> (Chunk, AckReceiver) {
        let now = self.env.clock.now();
        let (mut text, mut records) = (Vec::new(), Vec::new());
        for component in self.everybody.components() {
            // A transform computes: it can neither wait nor fail.
            if component.kind() == ComponentKind::Transform {
                continue;
            }
            let begin = text.len();
            self.row(&component, now, &mut text);
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
        Chunk::of_rows(Text::from_bytes(text).0, records, origin, None)
    }

    /// A row of `NordPassConnectorHealth_CL`, without the columns that don't apply. Only our own words and numbers: no
    /// event, no token, no address.
    fn row(&self, component: &ComponentReporter, now: Timestamp, out: &mut Vec<u8>) {
        let numbers = component.numbers();
        let (state, totals, lately) = (component.status().get(), numbers.totals(), numbers.lately());
        let is_source = component.kind() == ComponentKind::Source;
        #[expect(clippy::cast_possible_truncation, reason = "a time in seconds")]
        let cursor = numbers.cursor().filter(|_| is_source).and_then(|cursor| at(cursor as i64));
        // Files that don't count are nobody's trouble but the program's: this source speaks for it.
        let reload = || {
            let trouble = self.everybody.reload_trouble().filter(|_| is_source && component.name() == &*self.source)?;
            Some(format!("the changed pipeline files aren't used: {}", trouble.reason))
        };
        let reason = state.reason().map(str::to_owned).or_else(reload);
        let columns: [(&str, Value); 26] = [
            ("TimeGenerated", written(now).into()),
            ("Component", component.name().into()),
            ("ComponentKind", component.kind().as_str().into()),
            ("ComponentType", lately.type_name.into()),
            ("State", state.as_str().into()),
            ("Reason", reason.into()),
            ("WaitingSince", state.since().map(written).into()),
            ("NextTry", state.next_try().map(written).into()),
            ("Cursor", cursor.into()),
            ("LagSeconds", numbers.lag(now).filter(|_| is_source).into()),
            ("LastSuccess", lately.success.map(written).into()),
            ("LastErrorKind", lately.error_kind.into()),
            ("LastError", lately.error.map(written).into()),
            ("Events", totals.received.into()),
            ("Rows", (!is_source).then_some(totals.sent).into()),
            ("Bytes", (!is_source).then_some(totals.bytes_json).into()),
            ("BytesWire", (!is_source).then_some(totals.bytes_wire).into()),
            ("DeadLetters", totals.dead_letters.into()),
            ("Gaps", is_source.then_some(totals.gaps).into()),
            ("GapFrom", lately.gap.as_ref().and_then(|gap| at(gap.start)).into()),
            ("GapTo", lately.gap.as_ref().and_then(|gap| at(gap.end)).into()),
            ("Errors", totals.errors.into()),
            ("TokenState", lately.token.map(TokenState::as_str).into()),
            ("Version", env!("CARGO_PKG_VERSION").into()),
            ("Instance", self.instance.as_str().into()),
            ("RunId", self.run_id.as_str().into()),
        ];
        // Writing to memory can't fail.
        let _ = serde_json::Serializer::new(out).collect_map(columns.into_iter().filter(|(_, value)| !value.is_null()));
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

//! Events as rows of the official connector's table.
//!
//! `NordPassEventLogs_CL` as the official connector fills it, column by column, so that the official rules and the
//! workbook keep working; and `event_id` and `event_time`, which it doesn't have. MSP staff replace the user, as there.
//!
//! The official connector drops what it has no column for. This transform keeps it in one more entry of `metadata`,
//! `connector`: the member whom MSP staff replaced, new fields, an unusable timestamp, and the mark of an event that the official
//! connector may have delivered before this one took over. Nearly all events have none of these and keep their metadata.

use super::asim::fields_of_rows;
use super::asim::json::{self, Out};
use super::asim::metadata::Metadata;
use super::asim::people::scalar;
use crate::component::{ComponentType, Outputs, ReadSettings, Records, Transform, TransformSettings};
use crate::event::{Chunk, Event, Record, Shape, Span, buffers, event_time};
use crate::telemetry::{ComponentReporter, metrics};
use std::sync::Arc;

/// The `event_log` type.
pub static TYPE: ComponentType = ComponentType {
    name: "event_log",
    doc: "Turns NordPass events into rows of the official table `NordPassEventLogs_CL`: the same nine columns, filled \
      the same way, so the official rules and workbook keep working, plus `event_id` and `event_time`.",
    fields: &[],
    outputs: Outputs::ONE,
    records: Records::Rows,
    read: ReadSettings::Transform(|_| Arc::new(Settings)),
};

/// Checked settings: there are none.
#[derive(Debug)]
pub struct Settings;

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        Box::new(EventLog { size: 0, telemetry })
    }
}

struct EventLog {
    /// The bytes of the last chunk: the capacity of the next one.
    size: usize,
    telemetry: ComponentReporter,
}

impl Transform for EventLog {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let mut metadata = Metadata::default();
        let mut text = buffers::take_text(self.size + self.size / 8);
        let mut records = Vec::with_capacity(chunk.records.len());
        let parsed = fields_of_rows(&chunk);
        let shown = chunk.shown_records();
        let fields = chunk.events.as_deref().unwrap_or(&parsed);
        for ((record, shown), fields) in chunk.records.iter().zip(&*shown).zip(fields) {
            let event = Event { text: &chunk.text, record: shown, fields };
            metadata.read(&event);
            if !records.is_empty() {
                // Separated as in an array, so that a batch can append the chunk at once.
                text.push(',');
            }
            let start = text.len();
            write(&mut Out::new(&mut text, event.body()), &event, &metadata, chunk.mark(record));
            let body = Span::new(start, text.len());
            records.push(Record { id: record.id, time: record.time, organization: record.organization.clone(), body });
        }
        self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
        if !records.is_empty() {
            self.size = text.len();
            out.push((0, chunk.rows(text, records)));
        }
        chunk.ack.done();
    }
}

fn write(out: &mut Out<'_>, event: &Event<'_>, metadata: &Metadata<'_>, mark: Option<&str>) {
    let fields = event.fields;
    let time = json::time(event.record.time);
    let time = json::ascii(&time);
    out.field(r#"{"TimeGenerated":""#, time);
    out.field(r#","event_time":""#, time);
    out.push_str(r#","timestamp":"#);
    out.push_str(&event.record.time.to_string());
    out.field(r#","event_id":""#, json::ascii(&event.record.id.hex()));
    let mut optional = |opening: &str, content: &str| {
        if !content.is_empty() {
            out.field(opening, content);
        }
    };
    optional(r#","event_type":""#, &event.quoted_content(&fields.kind));
    optional(r#","action":""#, &event.quoted_content(&fields.action));
    optional(r#","initiator":""#, &event.quoted_content(&fields.initiator));
    optional(r#","organization_uuid":""#, &event.quoted_content(&fields.organization));
    // Each of the two is replaced on its own, as in the official connector.
    let msp = metadata.msp.unwrap_or_default();
    let or = |staff, member| if str::is_empty(staff) { member } else { staff };
    let (uuid, email) = (scalar(event, &fields.user_uuid), scalar(event, &fields.user_email));
    optional(r#","user_uuid":""#, or(msp.uuid, uuid));
    optional(r#","user_email":""#, or(msp.email, email));
    let replaced = (!uuid.is_empty() && !msp.uuid.is_empty()) || (!email.is_empty() && !msp.email.is_empty());
    write_metadata(out, event, metadata, replaced, mark);
    out.push_str("}");
}

fn write_metadata(out: &mut Out<'_>, event: &Event<'_>, metadata: &Metadata<'_>, replaced: bool, mark: Option<&str>) {
    let fields = event.fields;
    let there = !matches!(fields.metadata.shape, Shape::Missing | Shape::Null);
    let raw = event.json_of(&fields.metadata);
    let odd_user = !fields.odd_user.is_blank()
        || fields.user_uuid.shape == Shape::Other
        || fields.user_email.shape == Shape::Other;
    let odd_time = fields.timestamp.shape != Shape::Missing
        && event_time(event.text, &fields.timestamp) != Some((event.record.time, true));
    if !replaced && !odd_user && !odd_time && fields.unknown.is_empty() && mark.is_none() {
        if there {
            out.push_str(r#","metadata":"#);
            out.value(raw);
        }
        return;
    }
    let mut name = String::from("connector");
    out.push_str(r#","metadata":{"#);
    if metadata.is_object {
        for entry in &metadata.entries {
            out.field("\"", entry.key);
            out.push_str(":");
            out.value(entry.value);
            out.push_str(",");
        }
        while metadata.entries.iter().any(|entry| entry.name() == name.as_str()) {
            name.push('_');
        }
    } else if there {
        out.push_str(r#""metadata":"#);
        out.value(raw);
        out.push_str(",");
    }
    out.field("\"", &name);
    out.push_str(":{");
    let mut separator = "";
    let mut part = |name: &str, value: &str| {
        out.push_str(separator);
        separator = ",";
        out.field("\"", name);
        out.push_str(":");
        out.value(value);
    };
    if !fields.odd_user.is_blank() {
        part("user", event.json_of(&fields.odd_user));
    } else if replaced || odd_user {
        part("user_uuid", event.json_of(&fields.user_uuid));
        part("user_email", event.json_of(&fields.user_email));
    }
    if let Some(mark) = mark {
        part("delivered_before", &format!("\"{mark}\""));
    }
    if odd_time {
        part("timestamp", event.json_of(&fields.timestamp));
    }
    // A list of single entries: the names come from outside, and may repeat.
    if !fields.unknown.is_empty() {
        let mut list = String::from("[");
        let mut separator = "{";
        for (name, value) in &fields.unknown {
            let mut entry = Out::mending(&mut list);
            entry.push_str(std::mem::replace(&mut separator, ",{"));
            entry.field("\"", event.text.at(name.span));
            entry.push_str(":");
            entry.value(event.json_of(value));
            entry.push_str("}");
        }
        list.push(']');
        part("fields", &list);
    }
    out.push_str("}}");
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde_json::{Map, Value, json};

    use super::super::asim::tests::generator::{Generator, chunk};
    use super::*;
    use crate::event::Takeover;
    use nordpass_env::catalogue::{ColumnType, EVENT_LOG_TABLE, columns};

    fn rows(events: &[String]) -> Vec<Map<String, Value>> {
        let mut out = Vec::new();
        Settings.build(ComponentReporter::detached()).transform(chunk(events), &mut out);
        assert!(out.len() <= 1 && out.iter().all(|(index, _)| *index == 0));
        let parse = |body| serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        out.iter().flat_map(|(_, rows)| rows.records.iter().map(|record| parse(rows.body(record)))).collect()
    }

    fn row(event: &str) -> Map<String, Value> {
        rows(&[event.to_owned()]).pop().expect("one row")
    }

    /// The event of the official connector's own test, in the API's nesting.
    const INVITED: &str = r#"{"type":"invites","action":"user_invited","timestamp":1738255186,"organization_uuid":"o",
        "user":{"uuid":"u","email":"actor@example.com"},"initiator":"",
        "metadata":{"emails":["invitee@example.com"],"msp":{"user_email":"msp@example.com","user_role":"admin","user_uuid":"m"}}}"#;

    #[test]
    fn the_official_columns_with_the_msp_in_the_users_place() {
        let mut row = row(INVITED);
        let id = row.remove("event_id").expect("an id");
        assert_eq!(id.as_str().map(str::len), Some(32));
        assert_eq!(
            Value::Object(row),
            json!({
                "TimeGenerated": "2025-01-30T16:39:46Z",
                "event_time": "2025-01-30T16:39:46Z",
                "timestamp": 1_738_255_186,
                "event_type": "invites",
                "action": "user_invited",
                "organization_uuid": "o",
                "user_uuid": "m",
                "user_email": "msp@example.com",
                "metadata": {
                    "emails": ["invitee@example.com"],
                    "msp": {"user_email": "msp@example.com", "user_role": "admin", "user_uuid": "m"},
                    "connector": {"user_uuid": "u", "user_email": "actor@example.com"},
                },
            })
        );
    }

    #[test]
    fn a_plain_event_has_its_metadata_as_it_came() {
        let metadata = r#"{"platform": "web","n":1.50,"connector":"theirs"}"#;
        let event = format!(
            r#"{{"type":"lock","action":"master_failed","timestamp":5,"user":{{"uuid":"u","email":"e"}},"metadata":{metadata},"initiator":"azure_ad"}}"#
        );
        let mut out = Vec::new();
        Settings.build(ComponentReporter::detached()).transform(chunk(&[event]), &mut out);
        let rows = &out[0].1;
        let body = rows.body(&rows.records[0]);
        assert!(body.contains(metadata) && body.contains(r#""initiator":"azure_ad""#), "{body}");
    }

    #[test]
    fn what_has_no_column_is_kept_in_the_metadata() {
        let row =
            row(r#"{"type":"a","action":"b","timestamp":"soon","user":7,"new":1,"new":2,"metadata":{"connector":3}}"#);
        assert_eq!(
            row["metadata"],
            json!({"connector": 3, "connector_": {"user": 7, "timestamp": "soon", "fields": [{"new": 1}, {"new": 2}]}})
        );
        let row = self::row(r#"{"type":"a","action":"b","timestamp":5,"new":1,"metadata":"text"}"#);
        assert_eq!(row["metadata"], json!({"metadata": "text", "connector": {"fields": [{"new": 1}]}}));
    }

    #[test]
    fn what_the_official_connector_may_have_delivered_is_marked() {
        let event = |time| format!(r#"{{"type":"a","action":"b","timestamp":{time},"metadata":{{"x":1}}}}"#);
        let mut chunk = chunk(&[event(5), event(6), event(7)]);
        chunk.takeover = Some(Takeover { cursor: 5, until: 7 });
        let mut out = Vec::new();
        Settings.build(ComponentReporter::detached()).transform(chunk, &mut out);
        let rows = &out[0].1;
        let metadata: Vec<Value> = rows
            .records
            .iter()
            .map(|record| serde_json::from_str::<Value>(rows.body(record)).expect("a row")["metadata"].clone())
            .collect();
        assert_eq!(
            metadata,
            [
                json!({"x": 1, "connector": {"delivered_before": "likely"}}),
                json!({"x": 1, "connector": {"delivered_before": "possible"}}),
                json!({"x": 1}),
            ]
        );
    }

    #[test]
    fn generated_events_fit_the_columns() {
        let types: HashMap<&str, ColumnType> = columns(EVENT_LOG_TABLE).iter().copied().collect();
        let generator = Generator::new(7);
        let events: Vec<String> = (0..5_000).map(|_| generator.event()).collect();
        let rows = rows(&events);
        assert_eq!(rows.len(), events.len());
        let mut used: HashSet<String> = HashSet::new();
        for row in rows {
            for (name, value) in &row {
                let right = match types.get(name.as_str()).expect("a column of the list") {
                    ColumnType::String => value.as_str().is_some_and(|text| !text.is_empty()),
                    ColumnType::Long | ColumnType::Int => value.is_i64(),
                    ColumnType::Real => value.is_number(),
                    ColumnType::Datetime => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
                    ColumnType::Boolean => value.is_boolean(),
                    ColumnType::Dynamic => !value.is_null(),
                };
                assert!(right, "{name}: {value}");
                used.insert(name.clone());
            }
        }
        assert_eq!(used.len(), types.len(), "every column of the list is used");
    }
}

//! A fuzz target: an event's fields and its id.

use super::{EventFields, EventId, Identifier, MetadataEntries, Text, event_time, parse_event, parse_event_and};
use crate::fuzz::{is_json, spelling::respelled, text};

/// One event.
pub(crate) fn event(data: &[u8]) {
    let json = text(data);
    let parsed = parsed(&json);
    let is_object = json.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') && is_json(&json);
    assert!(parsed.is_none() || is_object, "only a JSON object is an event");
    let Some((whole, fields, id)) = parsed else {
        // The bound on fields can't be reached in fewer bytes.
        return assert!(!is_object || json.len() > 4_096 * 5, "an object is an event");
    };
    let time = event_time(&whole, &fields.timestamp);
    assert!(time.is_none_or(|(seconds, _)| seconds > 0));
    for seed in 0..3 {
        let Some(again) = respelled(&json, seed) else { return };
        let (_, _, respelled_id) = self::parsed(&again).unwrap_or_else(|| panic!("is no event any more: {again}"));
        assert_eq!(id, respelled_id, "another id for another spelling: {again}");
    }
}

/// The fields and the id, whose spans are inside the text; the same with and without notes of the metadata.
fn parsed(json: &str) -> Option<(Text, EventFields, EventId)> {
    let whole = Text::from(json.to_owned());
    let mut notes = MetadataEntries::default();
    let noted = parse_event_and(&whole, &whole, &mut notes);
    let plain = parse_event(&whole, &whole);
    assert_eq!(noted.is_ok(), plain.is_ok());
    let (noted, plain) = (noted.ok()?, plain.ok()?);
    let named = [&noted.kind, &noted.action, &noted.timestamp, &noted.organization, &noted.user_uuid, &noted.metadata];
    let unknown = noted.unknown.iter().flat_map(|(name, value)| [name, value]);
    for field in named.into_iter().chain([&noted.user_email, &noted.initiator, &noted.odd_user]).chain(unknown) {
        assert!(whole.get(field.span.start as usize..field.span.end as usize).is_some(), "a span outside the text");
    }
    let mut identifier = Identifier::default();
    let id = identifier.identify(&whole, &noted, &mut notes);
    assert_eq!(id, identifier.identify(&whole, &plain, &mut MetadataEntries::default()), "notes change the id");
    Some((whole, noted, id))
}

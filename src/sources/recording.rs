//! From lines to events: what the `file` and `stdin` sources share.
//!
//! A line is a raw event, or a whole page of the API (`{"data":[…],"metadata":{…}}`) with the events in it. A line, or
//! an element of a page, that is no JSON object becomes a dead letter.
//!
//! **Ids.** Events that say exactly the same in one second get occurrence numbers, so that none of them vanishes as
//! a copy of another. Identical events lie close together in a recording, so the counts are kept for a window of the
//! text: a line is counted with the lines that begin in the same or the preceding [`WINDOW`] bytes. That bounds the
//! memory; and since windows are counted from the text's beginning, not from where reading began, a restart that reads
//! again from the beginning of the preceding window ([`Parser::rebuild_from`]) gives every event the number, and so the
//! id, that it would have had without the restart. Each text (file) is counted by itself: the same event in two
//! recordings has one id.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde_json::value::RawValue;

use crate::component::DeadLetter;
use crate::event::{
    EventFields, EventId, Field, IdSet, Identifier, MetadataEntries, Record, Shape, Span, Text, event_time,
    parse_event_and, unescape,
};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Clock;

/// Identical events are told apart within one to two windows of this many bytes.
pub const WINDOW: u64 = 4 << 20;

/// The longest line of a recording, in bytes: it may be a whole page of the API, and no longer answer is read from that.
pub const LONGEST_LINE: usize = 32 << 20;

/// Few events are shorter than this, in bytes.
const SHORT_EVENT: usize = 200;

/// Organizations whose names are shared between records.
const ORGANIZATIONS: usize = 1024;

/// What surrounds a line without being part of it. Zeros are what a file has where it was cut while somebody wrote.
const AROUND: [char; 5] = [' ', '\t', '\r', '\n', '\0'];

/// A line without what surrounds it: white space, zeros, a byte order mark (files that were put together have it in
/// the middle).
pub fn trimmed(line: &str) -> &str {
    let line = line.trim_start_matches('\0');
    line.strip_prefix('\u{feff}').unwrap_or(line).trim_matches(AROUND)
}

/// How far a text has been read: whole lines, in bytes, and events of the line that follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Bytes.
    pub offset: u64,
    /// Events.
    pub events: u64,
}

/// What a block of lines holds.
#[derive(Debug)]
pub struct Parsed {
    /// The block.
    pub text: Text,
    /// The events.
    pub records: Vec<Record>,
    /// Their fields.
    pub fields: Vec<EventFields>,
    /// The position after each event.
    pub positions: Vec<Position>,
    /// The position after the block.
    pub end: Position,
    /// What isn't an event.
    pub dead_letters: Vec<DeadLetter>,
}

/// Parses blocks of one text after another.
pub struct Parser {
    identifier: Identifier,
    occurrences: Occurrences,
    organizations: HashMap<String, Arc<str>>,
    /// The last one.
    organization: Option<Arc<str>>,
    clock: Arc<dyn Clock>,
    telemetry: ComponentReporter,
}

impl Parser {
    /// A parser at the beginning of a text.
    pub fn new(clock: Arc<dyn Clock>, telemetry: ComponentReporter) -> Self {
        Self {
            identifier: Identifier::default(),
            occurrences: Occurrences::default(),
            organizations: HashMap::new(),
            organization: None,
            clock,
            telemetry,
        }
    }

    /// Another text begins.
    pub fn restart(&mut self) {
        self.occurrences = Occurrences::default();
    }

    /// Where the lines begin that have to be parsed again so that what comes after `offset` is numbered rightly.
    pub fn rebuild_from(offset: u64) -> u64 {
        (offset / WINDOW).saturating_sub(1) * WINDOW
    }

    /// Parses a block of whole lines that begins at `offset` of the text. Events before `from` only count for the
    /// occurrence numbers.
    pub fn parse(&mut self, bytes: Vec<u8>, offset: u64, from: Position) -> Parsed {
        // Line ends in the bytes: bytes that aren't UTF-8 make the text longer, but never touch a line end.
        let raw_ends = line_ends(&bytes);
        let length = bytes.len() as u64;
        let (text, replaced) = Text::from_bytes(bytes);
        let text_ends = if replaced { line_ends(text.as_bytes()) } else { raw_ends.clone() };
        if replaced {
            self.telemetry.add_labelled(&metrics::ODD_EVENTS, "not UTF-8", 1);
        }
        let end = Position { offset: offset + length, events: 0 };
        // Most lines are an event each; a block of empty ones needs no room.
        let events = text_ends.len().min(text.len() / SHORT_EVENT);
        let mut block = Block {
            parser: self,
            parsed: Parsed {
                text,
                records: Vec::with_capacity(events),
                fields: Vec::with_capacity(events),
                positions: Vec::with_capacity(events),
                end,
                dead_letters: Vec::new(),
            },
            from,
            seen: Vec::with_capacity(events),
            line: 0,
            next_line: 0,
            now: 0,
        };
        block.now = block.parser.clock.now_seconds();
        let text = block.parsed.text.clone();
        let mut metadata = MetadataEntries::default();
        let (mut raw_start, mut text_start) = (0, 0);
        for (raw_end, text_end) in raw_ends.into_iter().zip(text_ends) {
            block.line = offset + raw_start as u64;
            block.next_line = offset + raw_end as u64;
            let line = text.get(text_start..text_end).unwrap_or_default();
            block.line(&text, trimmed(line), &mut metadata);
            (raw_start, text_start) = (raw_end, text_end);
        }
        metadata.keep(&text);
        block.number();
        let parsed = block.parsed;
        let (events, bad) = (parsed.records.len() as u64, parsed.dead_letters.len() as u64);
        self.telemetry.add(&metrics::RECEIVED, events + bad);
        self.telemetry.progress().events.fetch_add(events, std::sync::atomic::Ordering::Relaxed);
        parsed
    }

    fn organization(&mut self, text: &Text, field: &Field) -> Arc<str> {
        let value = match field.shape {
            Shape::Missing | Shape::Null => "".into(),
            Shape::Plain | Shape::Other => Cow::Borrowed(text.at(field.span)),
            Shape::Escaped => unescape(text.at(field.span)),
        };
        // Nearly always the one before.
        if let Some(last) = self.organization.as_ref().filter(|last| ***last == *value) {
            return last.clone();
        }
        let shared = self.intern(value);
        self.organization = Some(shared.clone());
        shared
    }

    fn intern(&mut self, value: Cow<'_, str>) -> Arc<str> {
        if let Some(known) = self.organizations.get(value.as_ref()) {
            return known.clone();
        }
        if self.organizations.len() >= ORGANIZATIONS {
            self.organizations.clear();
        }
        let shared: Arc<str> = value.as_ref().into();
        self.organizations.insert(value.into_owned(), shared.clone());
        shared
    }
}

/// The ends of the lines, the last of which may lack its line end.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends: Vec<usize> = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1).collect();
    if ends.last().copied().unwrap_or(0) < bytes.len() {
        ends.push(bytes.len());
    }
    ends
}

/// A block while it is parsed.
struct Block<'p> {
    parser: &'p mut Parser,
    parsed: Parsed,
    from: Position,
    /// Each event, in its order.
    seen: Vec<Observation>,
    /// Where the current line begins in the whole text, and where it ends.
    line: u64,
    next_line: u64,
    now: i64,
}

/// An event that has to be counted.
struct Observation {
    id: EventId,
    /// Where its line begins.
    line: u64,
    /// Whether it is among the records: others were read before, and only count.
    wanted: bool,
}

impl Block<'_> {
    /// Gives the records their occurrence numbers. All at once: a look into a table is a wait for memory, and one by one
    /// they would add up, where here the processor has several of them under way.
    fn number(&mut self) {
        let mut records = self.parsed.records.iter_mut();
        for &Observation { id, line, wanted } in &self.seen {
            let number = self.parser.occurrences.count(id, line);
            if let Some(record) = wanted.then(|| records.next()).flatten() {
                record.id = id.occurrence(number);
            }
        }
    }

    fn line<'t>(&mut self, text: &'t Text, line: &'t str, metadata: &mut MetadataEntries<'t>) {
        if line.is_empty() {
            return;
        }
        let Ok(fields) = parse_event_and(text, line, metadata) else {
            return self.bad(line, 0);
        };
        match page(text, &fields) {
            None => self.event(text, line, fields, metadata, 0, true),
            Some(elements) => {
                let last = elements.len();
                for (number, element) in elements.into_iter().enumerate() {
                    let (element, number, is_last) = (element.get(), number as u64, number + 1 == last);
                    match parse_event_and(text, element, metadata) {
                        Ok(fields) => self.event(text, element, fields, metadata, number, is_last),
                        Err(_) => self.bad(element, number),
                    }
                }
            }
        }
    }

    fn event(
        &mut self,
        text: &Text,
        body: &str,
        fields: EventFields,
        metadata: &mut MetadataEntries<'_>,
        number: u64,
        last: bool,
    ) {
        let id = self.parser.identifier.identify(text, &fields, metadata);
        let wanted = Position { offset: self.line, events: number } >= self.from;
        self.seen.push(Observation { id, line: self.line, wanted });
        if !wanted {
            return;
        }
        let telemetry = &self.parser.telemetry;
        let time = match event_time(text, &fields.timestamp) {
            Some((time, true)) => time,
            Some((time, false)) => {
                telemetry.add_labelled(&metrics::ODD_EVENTS, "timestamp spelling", 1);
                time
            }
            None => {
                telemetry.add_labelled(&metrics::ODD_EVENTS, "no usable timestamp", 1);
                self.now
            }
        };
        let organization = self.parser.organization(text, &fields.organization);
        self.parsed.records.push(Record { id, time, organization, body: Span::of(text, body) });
        self.parsed.fields.push(fields);
        self.parsed.positions.push(if last {
            Position { offset: self.next_line, events: 0 }
        } else {
            Position { offset: self.line, events: number + 1 }
        });
    }

    fn bad(&mut self, record: &str, number: u64) {
        if (Position { offset: self.line, events: number }) < self.from {
            return;
        }
        self.parser.telemetry.add_labelled(&metrics::ODD_EVENTS, "not a JSON object", 1);
        self.parsed.dead_letters.push(DeadLetter {
            id: EventId::of_bytes(record.as_bytes()),
            shown_id: None,
            organization: None,
            stream: None,
            reason: "not a JSON object".to_owned(),
            status: None,
            code: None,
            request_id: None,
            time: self.now,
            record: record.to_owned(),
        });
    }
}

/// The elements of a page; `None` for an event. A page has `data`, a list or `null`, and nothing that an event has.
fn page<'t>(text: &'t Text, fields: &EventFields) -> Option<Vec<&'t RawValue>> {
    if ![&fields.kind, &fields.action, &fields.timestamp].iter().all(|field| field.shape == Shape::Missing) {
        return None;
    }
    let data = fields.unknown.iter().find(|(name, _)| text.at(name.span) == "data").map(|(_, data)| data)?;
    match data.shape {
        Shape::Null => Some(Vec::new()),
        Shape::Other => serde_json::from_str(text.at(data.span)).ok(),
        _ => None,
    }
}

/// How often each id has been seen in the current window and the one before.
#[derive(Default)]
struct Occurrences {
    window: u64,
    current: Seen,
    previous: Seen,
}

impl Occurrences {
    /// How many like this one came before it.
    fn count(&mut self, id: EventId, offset: u64) -> u32 {
        let window = offset / WINDOW;
        if window != self.window {
            std::mem::swap(&mut self.previous, &mut self.current);
            self.current.clear();
            if window != self.window + 1 {
                self.previous.clear();
            }
            self.window = window;
        }
        let short = id.short();
        self.previous.count(short).saturating_add(self.current.add(short))
    }
}

/// Ids, and how often those came that came more than once. Each is looked for at random places of a table, so the table
/// is kept small: half an id tells it from the few thousand others, and hardly any comes twice.
#[derive(Default)]
struct Seen {
    once: IdSet,
    further: HashMap<u64, u32>,
}

impl Seen {
    fn count(&self, id: u64) -> u32 {
        if self.once.contains(&id) { self.further.get(&id).map_or(1, |further| further.saturating_add(1)) } else { 0 }
    }

    /// Counts it. Returns how often it was there before.
    fn add(&mut self, id: u64) -> u32 {
        if self.once.insert(id) {
            return 0;
        }
        let further = self.further.entry(id).or_insert(0);
        *further = further.saturating_add(1);
        *further
    }

    fn clear(&mut self) {
        self.once.clear();
        self.further.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::TestClock;

    fn parser() -> Parser {
        let clock = TestClock::starting_at("2025-01-30T16:39:46Z".parse().unwrap());
        Parser::new(Arc::new(clock), ComponentReporter::detached())
    }

    fn parse(text: &str) -> Parsed {
        parser().parse(text.as_bytes().to_vec(), 0, Position::default())
    }

    fn bodies(parsed: &Parsed) -> Vec<&str> {
        parsed.records.iter().map(|record| parsed.text.at(record.body)).collect()
    }

    const EVENT: &str = r#"{"type":"a","action":"b","timestamp":1738255186,"organization_uuid":"o"}"#;

    #[tokio::test]
    async fn events_blank_lines_and_what_is_no_event() {
        let parsed = parse(&format!(
            "\u{feff}{EVENT}\r\n\n  \n5\n\0\0\u{feff}{{\"x\":1}}\r\n\0\0\n{{\"broken\":\n[{EVENT}]\nlast"
        ));
        assert_eq!(bodies(&parsed), [EVENT, r#"{"x":1}"#]);
        assert_eq!((parsed.records[0].time, parsed.records[0].organization.as_ref()), (1_738_255_186, "o"));
        assert_eq!(parsed.records[1].time, 1_738_255_186, "the time of reading");
        let dead_letters: Vec<_> = parsed.dead_letters.iter().map(|dead_letter| dead_letter.record.as_str()).collect();
        assert_eq!(dead_letters, ["5", "{\"broken\":", &format!("[{EVENT}]"), "last"]);
    }

    #[tokio::test]
    async fn pages_give_their_events() {
        let page = format!(r#"{{"data":[{EVENT}, 7, {EVENT},{{"type":"z"}}],"metadata":{{"total":3}}}}"#);
        let parsed =
            parse(&format!("{page}\n{{\"data\":null,\"metadata\":{{}}}}\n{{\"data\":[],\"metadata\":{{}}}}\n"));
        assert_eq!(bodies(&parsed), [EVENT, EVENT, r#"{"type":"z"}"#]);
        assert_eq!(parsed.dead_letters.len(), 1);
        let first = parsed.records[0].id;
        assert_eq!(parsed.records[1].id, first.occurrence(1));
        let next = page.len() as u64 + 1;
        let position = |offset, events| Position { offset, events };
        assert_eq!(parsed.positions, [position(0, 1), position(0, 3), position(next, 0)]);
        // An event may have a field of that name.
        assert_eq!(parse(r#"{"type":"a","data":[{}]}"#).records.len(), 1);
    }

    #[tokio::test]
    async fn positions_are_those_of_the_bytes_even_if_they_are_no_text() {
        let mut bytes = b"{\"a\":\"\xff\xfe\"}\n".to_vec();
        let first = bytes.len() as u64;
        bytes.extend(EVENT.as_bytes());
        let length = bytes.len() as u64;
        let parsed = parser().parse(bytes, 100, Position::default());
        assert_eq!(bodies(&parsed), ["{\"a\":\"\u{fffd}\u{fffd}\"}", EVENT]);
        let offsets: Vec<u64> = parsed.positions.iter().map(|position| position.offset).collect();
        assert_eq!(offsets, [100 + first, 100 + length]);
    }

    #[tokio::test]
    async fn a_restart_anywhere_gives_the_same_ids() {
        let page = format!(r#"{{"data":[{EVENT},{EVENT},{{"type":"z"}}]}}"#);
        let text = format!("{EVENT}\n{page}\n5\n{EVENT}\n");
        let whole = parse(&text);
        for (index, position) in whole.positions.iter().enumerate() {
            let rest = parser().parse(text.as_bytes().to_vec(), 0, *position);
            let ids = |records: &[Record]| records.iter().map(|record| record.id).collect::<Vec<_>>();
            assert_eq!(ids(&rest.records), ids(&whole.records[index + 1..]));
        }
        assert!(parser().parse(text.into_bytes(), 0, whole.end).dead_letters.is_empty());
    }

    #[test]
    fn identical_events_are_told_apart_within_a_window() {
        let (a, b) = (EventId(1), EventId(2));
        let mut occurrences = Occurrences::default();
        let counts = [(a, 0), (b, 1), (a, WINDOW - 1), (a, WINDOW), (a, 2 * WINDOW), (b, 2 * WINDOW), (a, 5 * WINDOW)]
            .map(|(id, offset)| occurrences.count(id, offset));
        assert_eq!(counts, [0, 0, 1, 2, 1, 0, 0]);
        assert_eq!(Parser::rebuild_from(5), 0);
        assert_eq!(Parser::rebuild_from(2 * WINDOW + 5), WINDOW);
    }
}

//! Test events: chunks from JSON text, and a seeded generator of odd ones.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::event::{
    Chunk, EventFields, Identifier, MetadataEntries, NotAnObject, Origin, Record, Span, Text, event_time, parse_event,
    parse_event_and,
};
use nordpass_env::catalogue::{Entry, entries};
use nordpass_env::{Random, SeededRandom};

/// What stands in for the time of an event that has no usable one.
pub const READ_AT: i64 = 1_800_000_000;

/// A chunk whose text has no notes of its metadata's entries.
pub fn chunk(events: &[String]) -> Chunk {
    parsed(events, |text, body, _| parse_event(text, body))
}

/// A chunk as a source makes it.
pub fn noted_chunk(events: &[String]) -> Chunk {
    parsed(events, |text, body, notes| parse_event_and(text, body, notes))
}

fn parsed(
    events: &[String],
    parse: impl for<'t> Fn(&'t Text, &'t str, &mut MetadataEntries<'t>) -> Result<EventFields, NotAnObject>,
) -> Chunk {
    let mut whole = String::new();
    let mut places = Vec::new();
    for event in events {
        let start = whole.len();
        whole.push_str(event);
        places.push(Span::new(start, whole.len()));
        whole.push('\n');
    }
    let text = Text::from(whole);
    let (mut identifier, mut notes) = (Identifier::default(), MetadataEntries::default());
    let (mut records, mut fields) = (Vec::new(), Vec::new());
    for body in places {
        let parsed = parse(&text, text.at(body), &mut notes).expect("an object");
        let time = event_time(&text, &parsed.timestamp).map_or(READ_AT, |(time, _)| time);
        let organization = Arc::from(text.at(parsed.organization.span));
        records.push(Record { id: identifier.identify(&text, &parsed, &mut notes), time, organization, body });
        fields.push(parsed);
    }
    notes.keep(&text);
    Chunk::of_events(text, records, fields, Origin { source: Arc::from("test"), run: 1, sequence: 0 }, None).0
}

/// A plain event of a pair, with every metadata key that has been seen for it.
pub fn typical(entry: &Entry, number: usize) -> String {
    let mut metadata = Vec::new();
    for key in &entry.metadata {
        metadata.push(match *key {
            "platform" => r#""platform":"windows""#.to_owned(),
            "ip_address" => r#""ip_address":"203.0.113.7""#.to_owned(),
            "provider" => r#""provider":"azure_ad""#.to_owned(),
            "status" => r#""status":"suspended""#.to_owned(),
            "emails" => r#""emails":["new.member@example.com"]"#.to_owned(),
            "items" => r#""items":["7a0f4c1e-4a43-4f0e-9d55-0a8d4f0f6b11"]"#.to_owned(),
            // MSP staff are the exception, not the typical case.
            key if key.starts_with("msp.") => continue,
            other => panic!("a value for the metadata key {other}"),
        });
    }
    format!(
        r#"{{"type":"{}","action":"{}","timestamp":{},"organization_uuid":"3e7c0f62-0a3f-4f6c-8f0f-5d7a52a2f0c1","user":{{"uuid":"5b1d9a9e-6c1b-4f4e-9a44-0c8f7a3f2b10","email":"anna.maier@example.com"}},"metadata":{{{}}},"initiator":""}}"#,
        entry.kind,
        entry.action,
        1_738_255_186 + number,
        metadata.join(","),
    )
}

/// Makes events of every odd shape, the same ones for the same seed.
pub struct Generator {
    random: SeededRandom,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: SeededRandom::new(seed) }
    }

    fn below(&self, limit: usize) -> usize {
        usize::try_from(self.random.next_u64() % limit as u64).expect("small")
    }

    fn one<'a>(&self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// One event; fields in any order, sometimes missing, sometimes spread over lines.
    pub fn event(&self) -> String {
        let known = &entries()[self.below(entries().len())];
        let mut fields = Vec::new();
        if self.below(10) > 0 {
            fields.push(format!(r#""type":"{}""#, known.kind));
            fields.push(format!(r#""action":"{}""#, known.action));
        } else {
            fields.push(format!(r#""type":{}"#, self.one(ODD)));
            fields.push(format!(r#""action":{}"#, self.one(ODD)));
        }
        let time = format!("{}", 1_700_000_000 + self.below(100_000_000));
        let timestamp = if self.below(8) > 0 { &time } else { self.one(TIMES) };
        fields.push(format!(r#""timestamp":{timestamp}"#));
        fields.push(format!(r#""user":{}"#, self.user()));
        fields.push(format!(r#""organization_uuid":{}"#, self.one(ORGANIZATIONS)));
        fields.push(format!(r#""initiator":{}"#, self.one(INITIATORS)));
        fields.push(format!(
            r#""metadata":{}"#,
            if self.below(12) > 0 { self.metadata() } else { self.one(ODD).to_owned() }
        ));
        for _ in 0..self.below(12).saturating_sub(9) {
            fields.push(format!("{}:{}", self.one(KEYS), self.one(ODD)));
        }
        for _ in 0..self.below(12).saturating_sub(10) {
            let gone = self.below(fields.len());
            fields.swap_remove(gone);
        }
        let place = self.below(fields.len());
        fields.swap(0, place);
        let separator = if self.below(20) == 0 { " ,\r\n " } else { "," };
        format!("{{{}}}", fields.join(separator))
    }

    fn user(&self) -> String {
        match self.below(10) {
            0..6 => format!(r#"{{"uuid":{},"email":{}}}"#, self.one(UUIDS), self.one(EMAILS)),
            6 => format!(r#"{{"uuid":{},"email":{},"name":"Anna"}}"#, self.one(UUIDS), self.one(EMAILS)),
            7 => "null".to_owned(),
            8 => r#"{"email":"only@example.com"}"#.to_owned(),
            _ => self.one(ODD).to_owned(),
        }
    }

    fn metadata(&self) -> String {
        let mut metadata = String::from("{");
        let number = if self.below(200) == 0 { 40 } else { self.below(7) };
        for entry in 0..number {
            if entry > 0 {
                metadata.push_str(self.one(&[",", ", ", ",\n  "]));
            }
            let (key, value) = match self.below(14) {
                0 => (r#""platform""#, self.one(&[r#""web""#, r#""iOS""#, r#""windows""#, r#""fridge""#, "5", "null"])),
                1 => (r#""ip_address""#, self.one(ADDRESSES)),
                2 => {
                    (r#""status""#, self.one(&[r#""suspended""#, r#""deleted""#, r#""Active""#, r#""new""#, "{}", "7"]))
                }
                3 => (r#""msp""#, self.one(MSPS)),
                4 => {
                    (r#""emails""#, self.one(&[r#"["a@example.com"]"#, r#"["a@b.c","d@e.f"]"#, "[]", "[7]", "[null]"]))
                }
                5 => (r#""items""#, self.one(&[r#"["i"]"#, r#"[{"uuid":"i"}]"#, "[[]]", "[1,2]", "{}"])),
                6 => (r#""group_uuid""#, self.one(UUIDS)),
                7 => (r#""groups""#, self.one(&[r#"[{"uuid":"g","name":"n"}]"#, r#"["g"]"#, "[1,2]", "5"])),
                8 => (r#""user_uuid""#, self.one(UUIDS)),
                9 => (r#""provider""#, self.one(&[r#""azure_ad""#, r#""okta""#, "null"])),
                _ => (self.one(KEYS), self.one(ODD)),
            };
            if self.below(10) == 0 {
                let _ = write!(metadata, r#""key_{}":{value}"#, self.below(20));
            } else {
                let _ = write!(metadata, "{key}:{value}");
            }
        }
        metadata.push('}');
        metadata
    }
}

const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-1.50",
    "123456789012345678901234567890",
    r#""""#,
    r#""plain""#,
    r#""with \"quotes\" and \\ and \n and \u00e9""#,
    r#""żółć 😀 \ud83d\ude00""#,
    r#""half \ud83d of a pair""#,
    r#""{\"not\":\"an object\"}""#,
    "[]",
    "[ 1,\n 2 ]",
    r#"["a",{"b":null}]"#,
    "{}",
    r#"{"deep":{"er":[{"x":"y"}]}}"#,
    "{\n\t\"spread\": \"over\\nlines\"\r\n}",
];

const KEYS: &[&str] = &[
    r#""OriginalTime""#,
    r#""OriginalTimestamp""#,
    r#""Organization""#,
    r#""User""#,
    r#""Initiator""#,
    r#""Metadata""#,
    r#""MetadataCollisions""#,
    r#""UnknownFields""#,
    r#""UnknownFieldCollisions""#,
    r#""\u004friginalTime""#,
    r#""note""#,
    r#""n\u006fte""#,
    r#""ключ""#,
    r#""with \"quotes\"""#,
    r#""""#,
    r#""folder_uuid""#,
    r#""TimeGenerated""#,
];

const UUIDS: &[&str] =
    &[r#""5b1d9a9e-6c1b-4f4e-9a44-0c8f7a3f2b10""#, r#""""#, "null", "17", r#""id \"with\" escapes""#, "[]", "{}"];

const EMAILS: &[&str] = &[
    r#""anna@example.com""#,
    r#""b\u0040example.com""#,
    r#""no address""#,
    r#""zoë@example.com""#,
    r#""""#,
    "null",
    "5",
    "{}",
];

const ORGANIZATIONS: &[&str] = &[
    r#""3e7c0f62-0a3f-4f6c-8f0f-5d7a52a2f0c1""#,
    r#""3e7c0f62-0a3f-4f6c-8f0f-5d7a52a2f0c1""#,
    r#""""#,
    "null",
    "9",
    "{}",
];

const INITIATORS: &[&str] = &[
    r#""""#,
    "null",
    r#""azure_ad""#,
    r#""anna@example.com""#,
    r#"{"kind":"scim","name":"okta"}"#,
    "42",
    "[1]",
    "false",
    r#""with \"quotes\"""#,
];

const TIMES: &[&str] = &[
    "0",
    "-7",
    "null",
    r#""1738255186""#,
    "1738255186000",
    "1738255186.5",
    r#""2025-01-30T16:39:46Z""#,
    r#""soon""#,
    "{}",
];

const ADDRESSES: &[&str] = &[
    r#""203.0.113.7""#,
    r#""2001:db8::7""#,
    r#""192.0.\u0032.1""#,
    r#""::ffff:192.0.2.1""#,
    r#""203.0.113.7:443""#,
    r#""fe80::1%eth0""#,
    r#""unknown""#,
    r#""""#,
    "null",
    "3405803783",
];

const MSPS: &[&str] = &[
    r#"{"user_email":"staff@msp.example","user_role":"admin","user_uuid":"9d0c"}"#,
    r#"{"user_email":"staff@msp.example"}"#,
    r#"{"user_uuid":"9d0c","user_role":"tech \"lead\""}"#,
    r#"{"user_role":"admin"}"#,
    "{}",
    "null",
    r#""staff@msp.example""#,
    r#"{"user_email":"","user_uuid":""}"#,
];

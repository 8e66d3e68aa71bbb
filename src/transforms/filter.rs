//! Keeps or drops events by type and action.
//!
//! Kept events stay raw and in their chunk: no text is copied, only the lists of records and fields become shorter. Dropped
//! events count as done, so they don't hold up the state.

use std::{borrow::Cow, sync::Arc};

use super::asim::fields_of_rows;
use crate::component::{ComponentType, ReadSettings, Records, Transform, TransformSettings};
use crate::event::{Chunk, Event};
use crate::settings::nearest::nearest;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::catalogue::entries;

/// The `filter` type.
pub static TYPE: ComponentType = ComponentType {
    name: "filter",
    doc: "Keeps or drops events by their type and action. An event passes if a pattern of `include` matches it (or \
      there is no `include`) and no pattern of `exclude` does. Events that pass stay unchanged.",
    fields: FIELDS,
    outputs: &[""],
    records: Records::Events,
    read: ReadSettings::Transform(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::optional("include", Kind::List).doc(
        "Patterns `type.action` of events to keep, such as `login.*` or `item_access.vault_exported`; `*` matches \
         any characters. By default all events are kept.",
    ),
    Field::optional("exclude", Kind::List)
        .doc("Patterns `type.action` of events to drop; takes precedence over `include`."),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: all events.
    include: Option<Vec<Pattern>>,
    exclude: Vec<Pattern>,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        if !section.has("include") && !section.has("exclude") {
            section.error(
                "include",
                "a filter needs `include` or `exclude`",
                "list the events, as in include = [\"login.*\"], or remove the filter",
            );
        }
        let include = section.has("include").then(|| patterns(section, "include"));
        if include.as_ref().is_some_and(Vec::is_empty) {
            section.error(
                "include",
                "an empty `include` would drop every event",
                "remove `include` to keep all events, or connect the input to a blackhole to drop them",
            );
        }
        let exclude = if section.has("exclude") { patterns(section, "exclude") } else { Vec::new() };
        Self { include, exclude }
    }

    fn keeps(&self, kind: &str, action: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(kind, action));
        self.include.as_deref().is_none_or(any) && !any(&self.exclude)
    }
}

fn patterns(section: &mut Section, name: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (number, text) in (1..).zip(section.list(name)) {
        match Pattern::parse(&text) {
            Ok(pattern) => {
                if !entries().iter().any(|entry| pattern.matches(entry.kind, entry.action)) {
                    let hint = match pattern.nearest() {
                        Some(known) => format!("did you mean `{known}`? Ignore this warning for newer events"),
                        None => {
                            "the events reference lists the known ones; ignore this warning for newer events".into()
                        }
                    };
                    section.warning(name, format!("pattern {number} of `{name}` matches no known event"), hint);
                }
                patterns.push(pattern);
            }
            Err(problem) => section.error(
                name,
                format!("pattern {number} of `{name}` {problem}"),
                "write a type and an action with a dot between them, such as `item_access.*` or `*.user_login_failed`",
            ),
        }
    }
    patterns
}

/// `type.action`, each part with any number of `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    kind: String,
    action: String,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (kind, action) = text.split_once('.').ok_or("has no dot between type and action")?;
        if action.contains('.') {
            return Err("has more than one dot");
        }
        if kind.is_empty() || action.is_empty() {
            return Err("has an empty part beside its dot");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("contains white space");
        }
        if text.contains(['?', '[', ']', '{', '}', '(', ')', '|', ',', '\\', '/', '^', '$', '+', '"', '\'']) {
            return Err("contains a sign that no type or action has; only `*` is special");
        }
        Ok(Self { kind: kind.to_owned(), action: action.to_owned() })
    }

    /// The pattern that this one was probably meant to be: its type corrected, then its action.
    fn nearest(&self) -> Option<String> {
        let kinds = entries().iter().map(|entry| entry.kind);
        let kind = correct(&self.kind, kinds)?;
        let actions = entries().iter().filter(|entry| glob(kind, entry.kind)).map(|entry| entry.action);
        Some(format!("{kind}.{}", correct(&self.action, actions)?))
    }

    fn matches(&self, kind: &str, action: &str) -> bool {
        glob(&self.kind, kind) && glob(&self.action, action)
    }
}

/// The pattern itself if it matches any of the words, otherwise the nearest word.
fn correct<'a>(pattern: &'a str, words: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if words.clone().any(|word| glob(pattern, word)) { Some(pattern) } else { nearest(pattern, words) }
}

/// Whether a pattern with `*` matches the whole text. Each piece between two `*` is matched at its first occurrence: a later one
/// could only leave less text for the rest.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

impl TransformSettings for Settings {
    fn build(&self, telemetry: ComponentReporter) -> Box<dyn Transform> {
        Box::new(Filter { settings: self.clone(), telemetry })
    }
}

struct Filter {
    settings: Settings,
    telemetry: ComponentReporter,
}

impl Transform for Filter {
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>) {
        let total = chunk.records.len();
        self.telemetry.add(&metrics::RECEIVED, total as u64);
        let parsed = fields_of_rows(&chunk);
        let fields = chunk.events.as_deref().unwrap_or(&parsed);
        let kept: Vec<usize> = (0..total.min(fields.len()))
            .filter(|&index| {
                let event = Event { text: &chunk.text, record: &chunk.records[index], fields: &fields[index] };
                let text = |field| -> Cow<'_, str> { event.text_of(field) };
                self.settings.keeps(&text(&event.fields.kind), &text(&event.fields.action))
            })
            .collect();
        let dropped = (total - kept.len()) as u64;
        if dropped == 0 {
            out.push((0, chunk));
            return;
        }
        self.telemetry.add_labelled(&metrics::DISCARDED, "filtered", dropped);
        if kept.is_empty() {
            chunk.ack.done();
            return;
        }
        let records = kept.iter().map(|&index| chunk.records[index].clone()).collect();
        let events = kept.iter().map(|&index| fields[index].clone()).collect();
        out.push((0, Chunk { records, events: Some(events), ..chunk }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::asim::tests::generator::{chunk, typical};
    use super::*;
    use crate::event::AckOutcome;

    fn settings(include: Option<&[&str]>, exclude: &[&str]) -> Settings {
        let parse = |list: &[&str]| list.iter().map(|text| Pattern::parse(text).expect(text)).collect();
        Settings { include: include.map(parse), exclude: parse(exclude) }
    }

    #[test]
    fn patterns() {
        for (pattern, kind, action, expected) in [
            ("item_access.*", "item_access", "item_viewed", true),
            ("item_access.*", "item_access", "", true),
            ("item_access.*", "item_share", "item_viewed", false),
            ("*.item_viewed", "sharing_hub", "item_viewed", true),
            ("item_access.item_viewed", "item_access", "item_viewed_twice", false),
            ("*.*", "", "", true),
            ("totp.2fa_*_item", "totp", "2fa_added_to_item", true),
            ("totp.2fa_*_item", "totp", "2fa_removed_from_items", false),
            ("a.*b*b", "a", "bb", true),
            ("a.*b*b", "a", "b", false),
            ("a.x*x", "a", "x", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).expect(pattern).matches(kind, action),
                expected,
                "{pattern} {kind}.{action}"
            );
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["", "login", "*", ".x", "x.", ".", "a.b.c", "a b.c", "item_{a,b}.c", "login.user?", " login.*"]
        {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_typing_mistake_in_a_pattern_gets_the_nearest_known_event() {
        for (wrong, right) in [
            ("item_acess.*", Some("item_access.*")),
            ("item_access.item_veiwed", Some("item_access.item_viewed")),
            ("*.user_login_faild", Some("*.user_login_failed")),
            ("Item-Access.vault_exportd", Some("item_access.vault_exported")),
            ("weather.*", None),
            ("item_access.weather", None),
        ] {
            assert_eq!(Pattern::parse(wrong).expect(wrong).nearest().as_deref(), right, "{wrong}");
        }
    }

    #[test]
    fn exclude_wins_over_include() {
        let settings = settings(Some(&["item_access.*"]), &["*.item_viewed"]);
        assert!(settings.keeps("item_access", "vault_exported"));
        assert!(!settings.keeps("item_access", "item_viewed"));
        assert!(!settings.keeps("lock", "master_failed"));
        assert!(self::settings(None, &["a.b"]).keeps("", ""));
    }

    #[tokio::test]
    async fn a_part_of_a_chunk_stays_raw_and_acknowledges() {
        let events: Vec<String> = entries().iter().enumerate().map(|(number, entry)| typical(entry, number)).collect();
        let whole = chunk(&events);
        let (records, fields) = (whole.records.to_vec(), whole.events.as_deref().expect("events").to_vec());
        let (whole, ack_receiver) = Chunk::of_events(whole.text.clone(), records, fields, whole.origin.clone(), None);
        let mut out = Vec::new();
        settings(Some(&["lock.*"]), &[]).build(ComponentReporter::detached()).transform(whole, &mut out);
        let (index, kept) = out.pop().expect("some");
        assert_eq!((index, kept.records.len()), (0, 3));
        for event in kept.events() {
            assert_eq!(event.text_of(&event.fields.kind), "lock");
            assert!(events.iter().any(|raw| raw == event.body()));
        }
        kept.ack.done();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }

    #[tokio::test]
    async fn a_chunk_of_which_nothing_is_kept_is_dealt_with() {
        let whole = chunk(&[typical(&entries()[0], 0)]);
        let (records, fields) = (whole.records.to_vec(), whole.events.as_deref().expect("events").to_vec());
        let (whole, ack_receiver) = Chunk::of_events(whole.text.clone(), records, fields, whole.origin.clone(), None);
        let mut out = Vec::new();
        settings(None, &["*.*"]).build(ComponentReporter::detached()).transform(whole, &mut out);
        assert!(out.is_empty());
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    }
}

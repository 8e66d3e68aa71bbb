//! Recorded logs as the events of the simulated API.
//!
//! A recording is JSON values one after the other: raw events (NDJSON), whole API pages (objects with `data`), or
//! arrays of either. This reader is the simulators' own: the product's `file` source has another one.

use std::io::Read as _;
use std::path::Path;

use serde_json::value::RawValue;

use super::event::{SimulatedEvent, plausible};
use super::judge::decoder;
use super::probe::Object;
use nordpass_env::Disk;

/// Reads a recording; `.gz` and `.zst` by their ending. Events without a usable time are filed beside their
/// neighbours, or at `otherwise`.
pub async fn read(disk: &dyn Disk, path: &Path, otherwise: i64) -> Result<Vec<SimulatedEvent>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let data = disk.read(path).await.map_err(failed)?;
    let mut text = String::new();
    decoder(path, &data).and_then(|mut reader| reader.read_to_string(&mut text)).map_err(failed)?;
    parse(&text, otherwise).map_err(|error| format!("{}: {error}", path.display()))
}

/// The events of a recording's text.
pub fn parse(text: &str, otherwise: i64) -> Result<Vec<SimulatedEvent>, String> {
    let mut raw = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        collect(value.map_err(|error| format!("not JSON: {error}"))?.get(), &mut raw);
    }
    let time = |json: &str| {
        let stamp = Object::read(json)?.get("timestamp")?.get().parse().ok()?;
        plausible(stamp).then_some(stamp)
    };
    let mut latest = raw.iter().find_map(|json| time(json)).unwrap_or(otherwise);
    let events = raw.into_iter().map(|json| {
        let event = SimulatedEvent::from_json(json, latest);
        latest = event.timestamp;
        event
    });
    Ok(events.collect())
}

fn collect<'a>(json: &'a str, out: &mut Vec<&'a str>) {
    if json.starts_with('[')
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json)
    {
        return elements.iter().for_each(|element| collect(element.get(), out));
    }
    let object = Object::read(json);
    let data = object.as_ref().filter(|object| object.get("type").is_none()).and_then(|object| object.get("data"));
    match data.and_then(|data| serde_json::from_str::<Vec<&RawValue>>(data.get()).ok()) {
        // The elements of a page are taken as they are: an array among them is an odd event.
        Some(elements) => out.extend(elements.iter().map(|element| element.get())),
        None => out.push(json),
    }
}

/// The same events, later by so much that the newest happens at `newest`: an old recording is of no use to a reader
/// that asks for the last days. Times that the events state oddly stay as they are.
pub fn ending_at(events: &[SimulatedEvent], newest: i64) -> Vec<SimulatedEvent> {
    let by = newest - events.iter().map(|event| event.timestamp).max().unwrap_or(newest);
    let later = events.iter().map(|event| {
        let json = event.json();
        let stated = Object::read(json).and_then(|object| object.get("timestamp")).map(RawValue::get);
        let moved = stated.filter(|raw| raw.parse() == Ok(event.timestamp)).map(|raw| {
            let begin = (raw.as_ptr() as usize).saturating_sub(json.as_ptr() as usize);
            format!("{}{}{}", &json[..begin], event.timestamp + by, &json[begin + raw.len()..])
        });
        let moved = SimulatedEvent::from_json(moved.as_deref().unwrap_or(json), event.timestamp + by);
        moved.visible_at(event.visible_at + by)
    });
    later.collect()
}

#[cfg(test)]
mod tests {
    use nordpass_env::{SystemDisk, catalogue};
    use serde_json::Value;

    use super::*;
    use crate::generator::{Generator, Options};

    #[test]
    fn raw_events_pages_and_arrays() {
        let text = r#"{"type":"a","timestamp":1738255186,"data":[1]}
            {"data":[{"type":"b","timestamp":1738255190},null,[1],{"type":"c","timestamp":-5}],"metadata":{"total":4}}
            [{"type":"d","timestamp":1738255200}]
            {"data":null,"metadata":{}}"#;
        let events = parse(text, 7).expect("a recording");
        let times: Vec<_> = events.iter().map(|event| event.timestamp - 1_738_255_186).collect();
        assert_eq!(times, [0, 4, 4, 4, 4, 14, 14]);
        assert_eq!(events[2].json(), "null");
        assert!(parse("{\"a\":1}\n{", 7).expect_err("broken").contains("line 2"));
        assert_eq!(parse("5", 7).expect("a recording")[0].timestamp, 7);
    }

    async fn fixture(name: &str) -> Vec<SimulatedEvent> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recorded").join(name);
        read(&SystemDisk, &path, 1_794_816_000).await.expect("a recording")
    }

    #[tokio::test]
    async fn the_fixtures_hold_what_their_readme_says() {
        let known = catalogue::entries().len();
        for (name, events, probes) in [
            ("every-pair.ndjson", known, known),
            ("metadata-shapes.ndjson", 76, 67),
            ("addresses.ndjson", 44, 44),
            ("hostile-names.ndjson", 189, 189),
            ("unknown-pairs.ndjson", 12, 12),
            ("odd-types.ndjson", 35, 34),
            ("odd-timestamps.ndjson", 25, 25),
            ("unicode.ndjson", 22, 22),
            ("long-values.ndjson", 7, 7),
            ("twins.ndjson", 74, 74),
            ("not-events.ndjson", 8, 1),
            ("pages.ndjson", 50, 50),
            ("odd-pages.ndjson", 14, 5),
            ("page-pretty.json", 10, 10),
        ] {
            let recorded = fixture(name).await;
            let with_probe = recorded.iter().filter(|event| event.probe().is_some()).count();
            assert_eq!((recorded.len(), with_probe), (events, probes), "{name}");
        }
    }

    /// To add what is new in the catalogue: `BLESS=1 cargo test -p nordpass-simulator --lib golden`.
    #[test]
    fn the_golden_recording_has_every_pair_of_the_catalogue_in_its_order() {
        const FROM: i64 = 1_794_816_000;
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/recorded/every-pair.ndjson");
        let recorded = std::fs::read_to_string(path).expect("the recording");
        let entries = catalogue::entries();
        let generated = Generator::new(1, Options::default()).history(FROM, FROM + 3600, entries.len());
        let complete = entries.iter().map(|entry| {
            let is_this = |line: &&str| {
                let event: Value = serde_json::from_str(line).expect("JSON");
                event["type"] == entry.kind && event["action"] == entry.action
            };
            let line = recorded.lines().find(is_this);
            let line = line.or_else(|| generated.iter().map(SimulatedEvent::json).find(is_this));
            format!("{}\n", line.expect("the generator makes every pair"))
        });
        let complete: String = complete.collect();
        #[expect(clippy::disallowed_methods, reason = "asks the person who runs the tests; no part of the product")]
        if std::env::var("BLESS").is_ok() {
            std::fs::write(path, complete).expect("writable");
        } else {
            assert_eq!(recorded, complete, "to add what is new: BLESS=1 cargo test -p nordpass-simulator --lib golden");
        }
    }

    #[test]
    fn an_old_recording_becomes_a_new_one() {
        let events = parse(
            r#"{"n":1738255100,"timestamp" : 1738255186 ,"metadata":{"timestamp":1738255186}} {"timestamp":"1738255186"}
            {"timestamp":1738255187}"#,
            0,
        );
        let events = ending_at(&events.expect("a recording"), 1_800_000_001);
        assert_eq!(
            events[0].json(),
            r#"{"n":1738255100,"timestamp" : 1800000000 ,"metadata":{"timestamp":1738255186}}"#
        );
        assert_eq!(events[1].json(), r#"{"timestamp":"1738255186"}"#);
        let times: Vec<_> = events.iter().map(|event| (event.timestamp, event.visible_at)).collect();
        assert_eq!(
            times,
            [(1_800_000_000, 1_800_000_000), (1_800_000_000, 1_800_000_000), (1_800_000_001, 1_800_000_001)]
        );
        assert!(ending_at(&[], 5).is_empty());
    }
}

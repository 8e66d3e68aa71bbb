use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::*;

/// Monday, 2026-11-16, midnight UTC.
const MONDAY: i64 = 1_794_787_200;
const DAY: i64 = 86_400;

fn history(seed: u64, count: usize) -> Vec<SimulatedEvent> {
    Generator::new(seed, Options::default()).history(MONDAY, MONDAY + 7 * DAY, count)
}

fn parsed(event: &SimulatedEvent) -> Value {
    serde_json::from_str(event.json()).unwrap_or_else(|error| panic!("{error}: {}", event.json()))
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(history(7, 500), history(7, 500));
    assert_ne!(history(7, 500), history(8, 500));
}

#[test]
fn every_event_has_the_documented_shape() {
    for event in history(1, 3000) {
        let value = parsed(&event);
        let keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys.len(), 7, "{keys:?}");
        assert_eq!(value["timestamp"].as_i64(), Some(event.timestamp));
        assert_eq!(value["organization_uuid"].as_str().map(str::len), Some(36));
        assert!(
            value["user"]["uuid"].is_string() && value["user"]["email"].is_string() && value["initiator"].is_string()
        );
        assert_eq!(value["metadata"]["probe"].as_str(), event.probe().map(|probe| &**probe));
        let read = SimulatedEvent::from_json(event.json(), 0);
        assert_eq!(read, event, "what the generator says of an event is what the event says");
    }
}

#[test]
fn every_pair_occurs_in_a_small_history() {
    let pairs = |count| {
        let events = history(3, count);
        assert_eq!(events.len(), count);
        let pairs = events.iter().map(parsed).map(|value| (value["type"].to_string(), value["action"].to_string()));
        pairs.collect::<HashSet<_>>().len()
    };
    let known = catalogue::entries().len();
    assert_eq!((pairs(known), pairs(2000)), (known, known));
}

#[test]
fn every_metadata_shape_known_occurs() {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let (mut machines, mut initiators) = (0, HashSet::new());
    for value in history(2, 20_000).iter().map(parsed) {
        for (key, content) in value["metadata"].as_object().expect("an object") {
            *seen.entry(key.clone()).or_default() += 1;
            if let Some(inner) = content.as_object() {
                inner.keys().for_each(|name| *seen.entry(format!("{key}.{name}")).or_default() += 1);
            }
        }
        machines += usize::from(value["user"]["uuid"] == "");
        initiators.insert(value["initiator"].to_string());
    }
    for key in [
        "platform",
        "ip_address",
        "provider",
        "items",
        "status",
        "emails",
        "msp",
        "msp.user_uuid",
        "msp.user_email",
        "msp.user_role",
        "role",
        "group_uuid",
        "group_name",
        "domain",
        "setting",
    ] {
        assert!(seen.contains_key(key), "no metadata.{key} in {seen:?}");
    }
    assert!(machines > 0 && initiators.contains("\"azure_ad\"") && initiators.contains("\"\""));
}

#[test]
fn twins_are_identical_and_the_only_ones_that_share_a_probe() {
    let events = history(5, 20_000);
    let mut by_probe: HashMap<&str, Vec<&SimulatedEvent>> = HashMap::new();
    for event in &events {
        by_probe.entry(event.probe().expect("a probe")).or_default().push(event);
    }
    let twins: Vec<_> = by_probe.values().filter(|events| events.len() > 1).collect();
    assert!(twins.len() > 20, "{}", twins.len());
    for group in twins {
        assert!(group.iter().all(|event| event.json() == group[0].json()));
    }
}

#[test]
fn people_work_in_office_hours() {
    let events = history(4, 20_000);
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    let at = |hours: std::ops::Range<i64>| {
        events.iter().filter(|event| hours.contains(&(event.timestamp % DAY / 3600))).count()
    };
    assert!(at(9..12) > 10 * at(1..4), "{} and {}", at(9..12), at(1..4));
    let weekend = events.iter().filter(|event| event.timestamp >= MONDAY + 5 * DAY).count();
    assert!(weekend * 8 < events.len(), "{weekend}");
    assert!(events.iter().all(|event| (MONDAY..MONDAY + 7 * DAY).contains(&event.timestamp)));
}

#[test]
fn a_trickle_keeps_its_rate() {
    let mut generator = Generator::new(1, Options::default());
    let mut count = 0;
    for second in 0..1000 {
        let events = generator.live(MONDAY + second, MONDAY + second + 1, 0.3);
        assert!(events.iter().all(|event| event.timestamp == MONDAY + second));
        count += events.len();
    }
    assert!((299..=300).contains(&count), "{count}");
}

#[test]
fn late_events_show_later_than_they_happen() {
    let options = Options { late: 0.5, late_by: 60, ..Options::default() };
    let events = Generator::new(1, options).history(MONDAY, MONDAY + DAY, 1000);
    let late = events.iter().filter(|event| event.visible_at > event.timestamp).count();
    assert!((300..700).contains(&late), "{late}");
    assert!(events.iter().all(|event| (0..=60).contains(&(event.visible_at - event.timestamp))));
}

#[test]
fn only_addresses_and_names_for_documentation() {
    for event in history(6, 3000) {
        let json = event.json();
        for part in json.split('"').filter(|part| part.contains('@')) {
            let domain = part.rsplit('@').next().unwrap_or_default();
            let known = ["example.com", "example.org", "example.net", "example.edu"];
            assert!(known.iter().any(|known| domain.ends_with(known)), "{domain}");
        }
        if let Some(address) = parsed(&event)["metadata"]["ip_address"].as_str() {
            let known = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
            assert!(known.iter().any(|known| address.starts_with(known)), "{address}");
        }
    }
}

/// The demo and the workbook show the seven days before now, whichever day that is: each of them has to have something of
/// everything, and nothing outside.
#[test]
fn seven_days_before_any_day_show_everything() {
    let hour = 3_600;
    let weekdays = (0..7).map(|day| MONDAY + day * DAY + 15 * hour);
    // The ends of a month, of a year and of February in a leap year and in another one; midnight and a second beside it.
    let ends = ["2026-11-30", "2026-12-31", "2027-01-01", "2027-02-28", "2027-03-01", "2028-02-29", "2028-03-01"];
    let ends = ends.into_iter().flat_map(|date| {
        let midnight = format!("{date}T00:00:00Z").parse::<jiff::Timestamp>().expect("a time").as_second();
        [midnight - 1, midnight, midnight + 12 * hour, midnight + DAY - 1]
    });
    for now in weekdays.chain(ends) {
        let events = Generator::new(7, Options::default()).history(now - 7 * DAY + 600, now, 2_000);
        let (mut pairs, mut members, mut platforms, mut days) =
            <(HashSet<_>, HashSet<_>, HashSet<_>, HashSet<_>)>::default();
        for event in &events {
            assert!((now - 7 * DAY..now).contains(&event.timestamp), "{} isn't before {now}", event.timestamp);
            let value = parsed(event);
            pairs.insert(format!("{} {}", value["type"], value["action"]));
            members.insert(value["user"]["email"].to_string());
            platforms.insert(value["metadata"]["platform"].to_string());
            days.insert(event.timestamp.div_euclid(DAY));
        }
        assert_eq!((events.len(), pairs.len()), (2_000, catalogue::entries().len()), "{now}");
        assert!(members.len() > 2 && platforms.len() > 2, "the pickers have something to choose: {now}");
        assert!(days.len() >= 7, "no day is empty: {now}");
    }
}

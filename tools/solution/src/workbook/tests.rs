use std::collections::BTreeSet;

use nordpass_env::catalogue::entries;
use serde_json::Value;

use super::source::{Source, View};
use super::*;

fn source() -> Source {
    source::read().expect("the workbook's source")
}

/// Collects all objects below a value.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match value {
        Value::Object(object) => {
            found.push(object);
            object.values().for_each(|value| objects(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn every_event_of_the_catalogue_is_in_exactly_one_of_the_three_lists() {
    let lists = lists::parameters();
    let list = |name: &str| lists.iter().find(|(found, _)| *found == name).map(|(_, text)| text.as_str()).expect(name);
    let three = [list("AdminActions"), list("VaultActions"), list("LoginActions")];
    for entry in entries() {
        let name = format!("\"{}.{}\"", entry.kind, entry.action);
        assert_eq!(three.iter().filter(|list| list.split(',').any(|found| found == name)).count(), 1, "{name}");
        assert!(list("Catalogue").contains(&format!("{name},\"{}\",", entry.severity)), "{name}");
    }
}

#[test]
fn the_guides_three_tabs_and_six_tiles_are_there_by_name() {
    let source = source();
    for (tab, tiles) in [
        ("Administrative actions", ["Actions", "Actions count by user"]),
        ("Vault activity", ["Item actions", "Item actions by platform"]),
        ("Login actions", ["Login access", "By platform"]),
    ] {
        let tab = source.tabs.iter().find(|found| found.label == tab).expect(tab);
        for title in tiles {
            assert!(tab.tiles.iter().any(|tile| tile.title == title), "{title}");
        }
    }
}

#[test]
fn no_parameter_is_used_that_the_workbook_does_not_have() {
    let template = template(&source());
    let mut found = Vec::new();
    objects(&template, &mut found);
    let text = |object: &serde_json::Map<String, Value>, key: &str| object.get(key)?.as_str().map(str::to_owned);
    let mut known: BTreeSet<String> = found.iter().filter_map(|object| text(object, "exportParameterName")).collect();
    known.extend(
        found.iter().filter(|object| object.get("version").is_some()).filter_map(|object| text(object, "name")),
    );
    let queries: Vec<_> = found.iter().filter_map(|object| text(object, "query")).collect();
    assert!(queries.len() > 50, "{}", queries.len());
    for query in &queries {
        for part in query.split('{').skip(1) {
            let Some((name, _)) = part.split_once('}') else { continue };
            let name = name.split(':').next().unwrap_or_default();
            // The body of a function is in braces, too.
            if name.starts_with(' ') {
                continue;
            }
            assert!(known.contains(name), "{{{name}}} in {query}");
        }
    }
}

/// A name in the rows may be written by somebody hostile, and a value in a query could be code.
#[test]
fn nothing_from_rows_or_people_stands_in_a_query_but_as_a_hash_or_escaped() {
    let source = source();
    for picker in &source.pickers.looked_up {
        let query = source.choices(picker);
        assert!(query.contains("project value = hash_sha256("), "{}", picker.name);
    }
    let template = template(&source);
    let mut found = Vec::new();
    objects(&template, &mut found);
    let texts = |key: &str| found.iter().filter_map(|object| object.get(key)?.as_str()).collect::<Vec<_>>();
    let typed: Vec<_> =
        source.tabs.iter().flat_map(|tab| &tab.parameters).map(|parameter| &parameter["name"]).collect();
    assert!(typed.len() >= 2 && texts("exportFieldName").len() >= 4);
    assert!(texts("exportFieldName").iter().all(|column| *column == "Key"));
    for query in texts("query") {
        assert!(!query.contains(" Key = ") || query.contains("Key = hash_sha256("), "{query}");
        for name in typed.iter().filter_map(|name| name.as_str()) {
            assert!(!query.contains(&format!("{{{name}}}")), "{name} unescaped in {query}");
        }
    }
}

#[test]
fn names_and_ids_are_unique_and_tiles_fill_their_rows() {
    let source = source();
    let template = template(&source);
    let mut found = Vec::new();
    objects(&template, &mut found);
    for key in ["id", "name"] {
        let values: Vec<_> = found.iter().filter_map(|object| object.get(key)?.as_str()).collect();
        let unique: BTreeSet<_> = values.iter().collect();
        assert_eq!(unique.len(), values.len(), "a {key} is there twice");
    }
    for tab in &source.tabs {
        let mut row = 0;
        for tile in &tab.tiles {
            row += u32::from(tile.width);
            assert!(row <= 100, "{}: {} doesn't fit", tab.id, tile.title);
            row %= 100;
        }
        assert_eq!(row, 0, "{}: the last row isn't full", tab.id);
    }
}

#[test]
fn a_query_that_reads_events_honours_every_picker() {
    let source = source();
    for tab in &source.tabs {
        for tile in &tab.tiles {
            let query = source.query(tab, tile);
            assert!(query.contains("{TimeRange:startISO}"), "{}", tile.title);
            if tile.view(tab) == View::Events {
                for picker in ["{Tables}", "{Organization}", "{User}", "{Platform}"] {
                    assert!(query.contains(picker), "{}: {picker}", tile.title);
                }
                assert!(tile.query.trim().starts_with("Events\n"), "{}: reads something else", tile.title);
            }
        }
    }
}

#[test]
fn nothing_of_somebodys_workspace_is_left_in_the_template() {
    let text = text().expect("the template");
    for word in ["/subscriptions/", "sentinel-UserWorkbook", "fallbackResourceIds"] {
        assert!(!text.contains(word), "{word}");
    }
}

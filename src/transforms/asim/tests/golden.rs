//! Every pair's row, checked in.
//!
//! `tests/fixtures/asim/golden.json` shows for each pair its meaning, a raw event and the row made of it, so that a
//! reader can judge the mapping and a change of it shows in review. To write it anew after a wanted change:
//! `BLESS=1 cargo test --lib golden`.

use std::path::Path;

use serde_json::{Value, json};

use super::generator::typical;
use super::support::rows;
use nordpass_env::catalogue::entries;

static GOLDEN: &str = include_str!("../../../../tests/fixtures/asim/golden.json");

#[test]
fn every_pair_has_its_golden_row() {
    let mut all = Vec::new();
    for (number, entry) in entries().iter().enumerate() {
        let raw = typical(entry, number);
        let (schema, row) = rows(std::slice::from_ref(&raw)).pop().expect("one row");
        let event: Value = serde_json::from_str(&raw).expect("JSON");
        all.push(json!({
            "event": format!("{}.{}", entry.kind, entry.action),
            "meaning": entry.meaning,
            "raw": event,
            "table": schema.table(),
            "row": row,
        }));
    }
    let now = format!("{}\n", serde_json::to_string_pretty(&all).expect("JSON"));
    #[expect(clippy::disallowed_methods, reason = "asks whoever runs the tests; no part of the product")]
    let bless = std::env::var("BLESS").is_ok();
    if bless {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/asim/golden.json");
        std::fs::write(path, now).expect("writable");
        return;
    }
    let golden: Vec<Value> = serde_json::from_str(GOLDEN).expect("JSON");
    assert_eq!(golden.len(), all.len(), "pairs; to write the file anew: BLESS=1 cargo test --lib golden");
    for (golden, now) in golden.iter().zip(&all) {
        assert_eq!(golden, now, "to write the file anew: BLESS=1 cargo test --lib golden");
    }
}

use serde_json::json;

use super::data::{Preview, Tile};
use super::*;

fn tile(visualization: &str, columns: &[&str], rows: &serde_json::Value) -> Tile {
    serde_json::from_value(json!({
        "tab": "T", "title": "A <tile>", "width": 100, "columns": columns, "rows": rows,
        "content": {"visualization": visualization, "gridSettings": {"formatters": [
            {"columnMatch": "^(Time|Last)$", "formatter": 6}, {"columnMatch": "^Count$", "formatter": 3}, {"columnMatch": "^State$", "formatter": 18},
        ]}},
    }))
    .expect("a tile")
}

#[test]
fn what_comes_from_events_is_text_and_never_a_tag() {
    let row = json!([["<script>alert(1)</script>", 5]]);
    for (view, columns) in
        [("table", ["User", "Count"]), ("piechart", ["User", "Count"]), ("tiles", ["Name", "Number"])]
    {
        let preview = Preview {
            tabs: vec![serde_json::from_value(json!({"id": "T", "label": "T", "about": ""})).expect("a tab")],
            tiles: vec![tile(view, &columns, &row)],
            from: String::new(),
            to: String::new(),
        };
        let page = page::whole(&preview);
        assert!(page.contains("&lt;script&gt;alert") && !page.contains("<script"), "{view}");
        assert!(page.contains("A &lt;tile&gt;"), "{view}");
    }
}

#[test]
fn a_step_without_a_row_is_drawn_as_nothing_and_many_series_as_others() {
    let mut rows: Vec<_> =
        (0..20).map(|number| json!(["2026-11-01T00:00:00Z", format!("s{number:02}"), 100 - number])).collect();
    rows.push(json!(["2026-11-02T00:00:00Z", "s00", 7]));
    let chart = series::read(&tile("timechart", &["Time", "Series", "Count"], &json!(rows)));
    assert_eq!(chart.times.len(), 2);
    assert_eq!(chart.series.len(), 9);
    assert_eq!(chart.series[0].values, [100.0, 7.0]);
    assert_eq!(chart.series[1].values, [99.0, 0.0]);
    let others = &chart.series[8];
    assert_eq!(
        (others.name.as_str(), others.total),
        ("12 others", (8..20).map(|number| f64::from(100 - number)).sum())
    );
}

#[test]
fn bars_are_as_long_as_their_share_and_states_have_their_colour() {
    let html = table::table(&tile("table", &["User", "Count"], &json!([["a", 40], ["b", 10]])));
    assert!(html.contains("width:90.0%") && html.contains("width:22.5%"), "{html}");
    let html = table::table(&tile(
        "table",
        &["State", "Last"],
        &json!([["waiting", "2026-11-01T10:20:30Z"], ["silent", null]]),
    ));
    assert!(
        html.contains("class=\"warning\"") && html.contains("class=\"bad\"") && html.contains("2026-11-01 10:20<"),
        "{html}"
    );
}

#[test]
fn axes_end_at_round_numbers() {
    for (largest, top) in [(0.0, 1.0), (1.0, 1.0), (37.0, 40.0), (101.0, 200.0), (999.0, 1000.0), (0.03, 0.04)] {
        assert!((series::ceiling(largest) - top).abs() < 1e-9, "{largest}: {}", series::ceiling(largest));
    }
    assert_eq!(data::amount(1_234_567.0), "1 234 567");
    assert_eq!(data::amount(0.5), "0.500");
}

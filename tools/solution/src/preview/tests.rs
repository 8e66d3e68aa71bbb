use serde_json::json;

use super::data::{Preview, Tile};
use super::*;

fn tile(visualization: &str, columns: &[&str], rows: &serde_json::Value) -> Tile {
    serde_json::from_value(json!({
        "tab": "T", "title": "A <tile>", "width": 100, "columns": columns, "rows": rows,
        "content": {"visualization": visualization, "gridSettings": {"formatters": [
            {"columnMatch": "^(Time|Last)$", "formatter": 6}, {"columnMatch": "^Count$", "formatter": 3}, {"columnMatch": "^State$", "formatter": 18},
            {"columnMatch": "^Key$", "formatter": 5},
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
        let page = page::page(&preview, &preview.tabs, "white");
        assert!(page.contains("&lt;script&gt;alert") != page.contains("\\u003cscript>alert"), "{view}");
        assert!(!page.contains("<script>alert") && !page.contains("1)</script"), "{view}");
        assert!(page.contains("A &lt;tile&gt;"), "{view}");
    }
}

#[test]
fn a_column_for_queries_alone_is_not_drawn() {
    let html = table::table(&tile("table", &["Key", "User"], &json!([["0a1b", "anna"]])));
    assert!(html.contains("anna") && !html.contains("0a1b") && !html.contains("Key"), "{html}");
}

#[test]
fn a_chart_without_rows_or_numbers_is_none() {
    for rows in [json!([]), json!([["a", 0]])] {
        assert!(chart::pie(&tile("piechart", &["Name", "Count"], &rows)).is_none());
    }
    assert!(chart::over_time(&tile("timechart", &["Time", "Series", "Count"], &json!([])), 600, false).is_none());
}

#[test]
fn counts_without_a_row_are_zero_and_states_stay_as_they_were() {
    let rows = json!([["2026-11-01T00:00:00Z", "a", 1], ["2026-11-01T00:00:01Z", "b", 600]]);
    let spec = |column| {
        chart::over_time(&tile("timechart", &["Time", "Series", column], &rows), 600, false).expect("a chart").spec
    };
    let (counts, states) = (spec("Count"), spec("Lag"));
    assert!(counts["transform"].to_string().contains("impute") && !states["transform"].to_string().contains("impute"));
    assert_eq!(
        (&counts["mark"]["interpolate"], &states["mark"]["interpolate"]),
        (&json!("linear"), &json!("step-after"))
    );
}

#[test]
fn bars_are_as_long_as_their_share_and_states_have_their_colour() {
    let html = table::table(&tile("table", &["User", "Count"], &json!([["a", 40], ["b", 10]])));
    assert!(html.contains("width:90.0%") && html.contains("width:22.5%"), "{html}");
    let states = json!([["waiting", "2026-11-01T10:20:30Z"], ["silent", null]]);
    let html = table::table(&tile("table", &["State", "Last"], &states));
    assert!(
        html.contains("class=\"warning\"") && html.contains("class=\"bad\"") && html.contains("2026-11-01 10:20<"),
        "{html}"
    );
}

#[test]
fn numbers_are_grouped() {
    for (number, text) in [(1_234_567.0, "1 234 567"), (0.5, "0.500"), (-123.0, "-123"), (1234.56, "1 234.6")] {
        assert_eq!(data::amount(number), text);
    }
}

/// Red, green and blue of a colour, as the eye weighs their light.
fn light(colour: &str) -> ([f64; 3], f64) {
    let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour"));
    let rgb = [part(1), part(3), part(5)];
    let [red, green, blue] = rgb.map(|value| (value / 255.0).powf(2.2));
    (rgb, 0.2126 * red + 0.7152 * green + 0.0722 * blue)
}

#[test]
fn twelve_colours_can_be_told_apart_on_both_cards() {
    for (place, colour) in chart::COLOURS.iter().enumerate() {
        let (rgb, own) = light(colour);
        for card in ["#ffffff", "#1b1e21"] {
            let (_, card) = light(card);
            let contrast = (own.max(card) + 0.05) / (own.min(card) + 0.05);
            assert!(contrast > 2.0, "{colour}: {contrast}");
        }
        for other in &chart::COLOURS[..place] {
            let (there, _) = light(other);
            let apart: f64 = rgb.iter().zip(there).map(|(one, two)| (one - two).powi(2)).sum::<f64>().sqrt();
            assert!(apart > 40.0, "{colour} and {other}");
        }
    }
}

#[test]
fn a_narrow_legend_has_more_lines() {
    let rows: Vec<_> = (0..12)
        .map(|number| json!(["2026-11-01T00:00:00Z", format!("a series of number {number}"), 100 - number]))
        .collect();
    let tile = tile("barchart", &["Time", "Series", "Count"], &json!(rows));
    let height = |width| chart::over_time(&tile, width, true).expect("a chart").height;
    assert!(height(400) > height(1300));
}

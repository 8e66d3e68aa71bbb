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
    assert_eq!(chart.series.len(), 12);
    assert_eq!(chart.series[0].values, [100.0, 7.0]);
    assert_eq!(chart.series[1].values, [99.0, 0.0]);
    let others = &chart.series[11];
    assert_eq!(
        (others.name.as_str(), others.total),
        ("9 others", (11..20).map(|number| f64::from(100 - number)).sum())
    );
}

#[test]
fn a_state_without_a_row_is_what_it_was() {
    let rows = json!([
        ["2026-11-01T00:00:00Z", "a", 1],
        ["2026-11-01T00:00:01Z", "b", 600],
        ["2026-11-01T00:00:02Z", "a", 3],
        ["2026-11-01T00:00:03Z", "b", 700],
    ]);
    let chart = series::read(&tile("timechart", &["Time", "Source", "Lag"], &rows));
    let of = |name: &str| chart.series.iter().find(|series| series.name == name).expect(name).values.clone();
    assert_eq!(of("a"), [1.0, 1.0, 3.0, 3.0]);
    assert_eq!(of("b"), [600.0, 600.0, 600.0, 700.0]);
}

#[test]
fn bars_are_as_long_as_their_share_and_states_have_their_colour() {
    let html = table::table(&tile("table", &["User", "Count"], &json!([["a", 40], ["b", 10]])), 600.0);
    assert!(html.contains("width:90.0%") && html.contains("width:22.5%"), "{html}");
    let states = json!([["waiting", "2026-11-01T10:20:30Z"], ["silent", null]]);
    let html = table::table(&tile("table", &["State", "Last"], &states), 600.0);
    assert!(
        html.contains("class=\"warning\"") && html.contains("class=\"bad\"") && html.contains("2026-11-01 10:20<"),
        "{html}"
    );
}

#[test]
fn axes_have_steps_that_people_count_in() {
    for (largest, counts, step, steps) in [
        (0.0, true, 1.0, 1),
        (1.0, true, 1.0, 1),
        (7.0, true, 2.0, 4),
        (37.0, true, 10.0, 4),
        (110.0, true, 25.0, 5),
        (203.0, true, 50.0, 5),
        (815.0, true, 200.0, 5),
        (999.0, true, 200.0, 5),
        (24_119.0, true, 5000.0, 5),
        (0.03, false, 0.01, 3),
        (2.2, false, 0.5, 5),
        (5.07, false, 2.0, 3),
    ] {
        let (found, count) = series::axis(largest, counts);
        assert!((found - step).abs() < 1e-9 && count == steps, "{largest}: {found} times {count}");
    }
    for largest in 1..3000 {
        let (step, steps) = series::axis(f64::from(largest), true);
        let top = step * f64::from(steps);
        assert!(step.fract() == 0.0 && top >= f64::from(largest) && steps <= 5, "{largest}: {step} times {steps}");
    }
    assert_eq!(data::amount(1_234_567.0), "1 234 567");
    assert_eq!(data::amount(0.5), "0.500");
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
    let rows: Vec<_> = (0..15).map(|number| json!([format!("p{number}"), 100 - number])).collect();
    let html = chart::pie(&tile("piechart", &["Platform", "Count"], &json!(rows)));
    for colour in chart::COLOURS {
        assert_eq!(html.matches(&format!("stroke=\"{colour}\"")).count(), 1, "{colour}");
    }
    assert!(html.contains("4 others"), "{html}");
}

#[test]
fn a_wide_table_is_cut_in_its_texts_and_never_at_its_edge() {
    let long = "a-name-that-goes-on-and-on@staff.example.org";
    let row = json!(["2026-11-01T10:20:30Z", long, long, long, 12, "Success"]);
    let tile = tile("table", &["Time", "By", "Whom", "Organization", "Count", "Result"], &json!([row]));
    for room in [520.0, 700.0, 1300.0] {
        let widths = table::widths(&tile, room);
        assert!(widths.iter().sum::<f64>() <= room + 1.0, "{room}: {widths:?}");
        assert!(widths.iter().all(|width| *width >= 60.0), "{room}: {widths:?}");
    }
}

#[test]
fn a_chart_takes_the_room_it_has_and_its_legend_stays_inside() {
    let rows: Vec<_> = (0..12)
        .map(|number| json!(["2026-11-01T00:00:00Z", format!("a series of number {number}"), 100 - number]))
        .collect();
    let tile = tile("barchart", &["Time", "Series", "Count"], &json!(rows));
    assert!(chart::needed(&tile, 400.0) > chart::needed(&tile, 1300.0), "a narrow legend has more lines");
    let high = |html: &str| {
        let text = html.split("height=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a height");
        text.parse::<f64>().expect("a number")
    };
    let least = f64::from(chart::needed(&tile, 600.0));
    let (small, large) =
        (chart::over_time(&tile, 600.0, least, true), chart::over_time(&tile, 600.0, least + 100.0, true));
    assert!((high(&large) - high(&small) - 100.0).abs() < 1.0, "{} {}", high(&small), high(&large));
}

//! Charts as Vega-Lite specifications, which Vega draws in the page.

use serde_json::{Value, json};

use super::data::{Tile, shown};

/// Colours that are easy to distinguish, on white and on black.
pub const COLOURS: [&str; 12] = [
    "#2f7ed8", "#e8853d", "#3fa66b", "#9a6fd0", "#d1495b", "#17a2a6", "#c2a33a", "#7f8fa6", "#c77aa8", "#9c6b45",
    "#8fb82f", "#5fbdf2",
];
/// The height of a plot without its legend, of a line of the legend, and the width of a letter in it, in pixels.
const PLOT: usize = 240;
const LEGEND_LINE: usize = 19;
const LETTER: usize = 7;

/// A chart: its specification, and the least height in pixels that it needs.
pub struct Chart {
    /// For Vega-Lite.
    pub spec: Value,
    /// In pixels.
    pub height: usize,
}

/// Draws columns of time, series and number, as lines or as stacked bars. Returns `None` if there is nothing to draw.
pub fn over_time(tile: &Tile, width: usize, stacked: bool) -> Option<Chart> {
    let times: Vec<_> = tile.rows.iter().filter_map(|row| row.first()?.as_str()).collect();
    let (first, last) = (times.iter().min()?, times.iter().max()?);
    // The day alone says nothing where everything is of one day.
    let format = if first.get(..10) == last.get(..10) { "%H:%M:%S" } else { "%m-%d %H:%M" };
    let (mark, x) = if stacked {
        let label = format!("utcFormat(toDate(datum.value), '{format}')");
        let axis = json!({"labelExpr": label, "labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 12});
        (json!({"type": "bar"}), json!({"type": "ordinal", "axis": axis}))
    } else {
        // A state, such as a lag, is what it was until the next row; counts without a row are nothing.
        let interpolate = if tile.adds_up() { "linear" } else { "step-after" };
        let mark = json!({"type": "line", "interpolate": interpolate, "point": first == last});
        (mark, json!({"type": "temporal", "scale": {"type": "utc"}, "axis": {"format": format, "tickCount": 8}}))
    };
    let columns = width / (LETTER * (longest(tile, 1) + 12));
    let legend = json!({"orient": "bottom", "columns": columns.max(1)});
    let mut spec = spec(tile, [Some(0), Some(1), Some(2)], &legend);
    if !stacked && tile.adds_up() {
        let zero = json!({"impute": "value", "key": "time", "groupby": ["label", "order"], "value": 0});
        spec["transform"].as_array_mut()?.push(zero);
    }
    spec["mark"] = mark;
    spec["height"] = json!("container");
    spec["encoding"]["x"] = x;
    spec["encoding"]["x"]["field"] = json!("time");
    let step = if whole(tile, 2) { 1.0 } else { 0.0 };
    spec["encoding"]["y"] =
        json!({"field": "value", "type": "quantitative", "axis": {"tickMinStep": step, "tickCount": 5}});
    if stacked {
        spec["encoding"]["order"] = json!({"field": "order"});
    }
    let lines = distinct(tile, 1).min(COLOURS.len()).div_ceil(columns.max(1));
    Some(Chart { spec, height: PLOT + LEGEND_LINE * lines })
}

/// Draws columns of name and number as a ring. Returns `None` if there is nothing to draw.
pub fn pie(tile: &Tile) -> Option<Chart> {
    let total: f64 = tile.rows.iter().filter_map(|row| row.get(1)?.as_f64()).sum();
    if total <= 0.0 {
        return None;
    }
    let mut spec = spec(tile, [None, Some(0), Some(1)], &json!({"orient": "right"}));
    let encoding = std::mem::take(&mut spec["encoding"]);
    spec["height"] = json!(PLOT);
    spec["layer"] = json!([
        {
            "mark": {"type": "arc", "innerRadius": 63, "outerRadius": 98, "padAngle": 0.01},
            "encoding": {"theta": {"field": "value", "type": "quantitative", "stack": true}, "color": encoding["color"], "order": {"field": "order"}},
        },
        {
            "mark": {"type": "text", "fontSize": 19, "fontWeight": 600, "fill": "var(--text)"},
            "encoding": {"text": {"field": "value", "aggregate": "sum", "format": ",.3~f"}},
        },
    ]);
    Some(Chart { spec, height: PLOT })
}

/// What all charts share: the rows, the largest series first, those without a colour of their own as one, and a legend that says each
/// one's number. Counts add up; anything else is as it was at the end.
fn spec(tile: &Tile, columns: [Option<usize>; 3], legend: &Value) -> Value {
    let cell = |row: &[Value], column: Option<usize>| column.and_then(|at| row.get(at)).cloned().unwrap_or_default();
    let [time, series, value] = columns;
    let values: Vec<_> = tile
        .rows
        .iter()
        .map(|row| json!({"time": cell(row, time), "series": shown(&cell(row, series)), "value": cell(row, value)}))
        .collect();
    let kept = COLOURS.len() - 1;
    let name = format!(
        "datum.count > {} && datum.rank > {kept} ? (datum.count - {kept}) + ' others' : datum.series",
        COLOURS.len()
    );
    let number = if time.is_none() || tile.adds_up() { "datum.total" } else { "datum.last.value" };
    json!({
        "width": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        "transform": [
            {"joinaggregate": [{"op": "sum", "field": "value", "as": "sum"}], "groupby": ["series"]},
            {"window": [{"op": "dense_rank", "as": "rank"}], "sort": [{"field": "sum", "order": "descending"}, {"field": "series"}]},
            {"joinaggregate": [{"op": "distinct", "field": "series", "as": "count"}]},
            {"calculate": name, "as": "name"},
            {"calculate": format!("min(datum.rank, {})", COLOURS.len()), "as": "order"},
            {"aggregate": [{"op": "sum", "field": "value", "as": "value"}], "groupby": ["time", "name", "order"]},
            {"joinaggregate": [{"op": "sum", "field": "value", "as": "total"}, {"op": "argmax", "field": "time", "as": "last"}], "groupby": ["name"]},
            {"calculate": format!("datum.name + '  ' + format({number}, ',.3~f')"), "as": "label"},
        ],
        "encoding": {
            "color": {
                "field": "label",
                "type": "nominal",
                "sort": {"field": "order", "op": "min"},
                "scale": {"range": COLOURS},
                "legend": legend,
            },
        },
    })
}

fn distinct(tile: &Tile, column: usize) -> usize {
    let names: std::collections::BTreeSet<_> = tile.rows.iter().filter_map(|row| row.get(column)).map(shown).collect();
    names.len()
}

fn longest(tile: &Tile, column: usize) -> usize {
    tile.rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(|value| shown(value).chars().count())
        .max()
        .unwrap_or_default()
}

fn whole(tile: &Tile, column: usize) -> bool {
    tile.rows.iter().filter_map(|row| row.get(column)?.as_f64()).all(|number| number.fract() == 0.0)
}

//! Charts as Vega-Lite specifications, which Vega draws in the page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::data::{Tile, shown};
use crate::data;

/// Colours that are easy to distinguish, on white and on black. `chart.json` knows their number.
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
    let series: BTreeSet<_> = tile.rows.iter().filter_map(|row| row.get(1)).map(shown).collect();
    let longest = series.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let columns = width / (LETTER * (longest + 12));
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
    let mut numbers = tile.rows.iter().filter_map(|row| row.get(2)?.as_f64());
    let step = if numbers.all(|number| number.fract() == 0.0) { 1.0 } else { 0.0 };
    spec["encoding"]["y"] =
        json!({"field": "value", "type": "quantitative", "axis": {"tickMinStep": step, "tickCount": 5}});
    if stacked {
        spec["encoding"]["order"] = json!({"field": "order"});
    }
    let lines = series.len().min(COLOURS.len()).div_ceil(columns.max(1));
    Some(Chart { spec, height: PLOT + LEGEND_LINE * lines })
}

/// Draws columns of name and number as a ring. Returns `None` if there is nothing to draw.
pub fn pie(tile: &Tile) -> Option<Chart> {
    let total: f64 = tile.rows.iter().filter_map(|row| row.get(1)?.as_f64()).sum();
    if total <= 0.0 {
        return None;
    }
    let mut spec = spec(tile, [None, Some(0), Some(1)], &json!({"orient": "right"}));
    spec["height"] = json!(PLOT);
    spec["layer"] = data(include_str!("ring.json"));
    spec["layer"][0]["encoding"]["color"] = spec["encoding"]["color"].take();
    spec["encoding"] = Value::Null;
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
    let number = if time.is_none() || tile.adds_up() { "datum.total" } else { "datum.last.value" };
    let label = json!({"calculate": format!("datum.name + '  ' + format({number}, ',.3~f')"), "as": "label"});
    let mut spec: Value = data(include_str!("chart.json"));
    spec["data"] = json!({"values": values});
    if let Some(steps) = spec["transform"].as_array_mut() {
        steps.push(label);
    }
    spec["encoding"]["color"]["scale"] = json!({"range": COLOURS});
    spec["encoding"]["color"]["legend"] = legend.clone();
    spec
}

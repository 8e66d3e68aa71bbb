//! Rows of time, series and number as what a chart draws.

use serde_json::Value;

use super::data::Tile;

/// The most series that have a colour of their own; the rest is drawn as one.
const MOST: usize = 9;

/// A chart's numbers.
pub struct Chart {
    /// The steps, in order, RFC 3339.
    pub times: Vec<String>,
    /// The largest first.
    pub series: Vec<Series>,
}

/// One line, or one colour of the bars.
pub struct Series {
    pub name: String,
    /// At each time.
    pub values: Vec<f64>,
    pub total: f64,
}

/// Reads a tile whose columns are time, series, number. A step without a row is a step with nothing.
pub fn read(tile: &Tile) -> Chart {
    let cell = |row: &[Value], place: usize| row.get(place).cloned().unwrap_or_default();
    let mut times: Vec<String> = Vec::new();
    for row in &tile.rows {
        let time = cell(row, 0).as_str().unwrap_or_default().to_owned();
        if !times.contains(&time) {
            times.push(time);
        }
    }
    times.sort();
    let mut series: Vec<Series> = Vec::new();
    for row in &tile.rows {
        let (time, name) = (cell(row, 0), cell(row, 1));
        let (time, name) = (time.as_str().unwrap_or_default(), name.as_str().unwrap_or_default());
        let number = cell(row, 2).as_f64().unwrap_or_default();
        let place = series.iter().position(|found| found.name == name).unwrap_or_else(|| {
            series.push(Series { name: name.to_owned(), values: vec![0.0; times.len()], total: 0.0 });
            series.len() - 1
        });
        if let (Some(found), Ok(step)) = (series.get_mut(place), times.binary_search(&time.to_owned())) {
            found.values[step] += number;
            found.total += number;
        }
    }
    series.sort_by(|one, other| other.total.total_cmp(&one.total).then_with(|| one.name.cmp(&other.name)));
    if series.len() > MOST {
        let rest = series.split_off(MOST - 1);
        let values = (0..times.len()).map(|step| rest.iter().map(|series| series.values[step]).sum()).collect();
        let total = rest.iter().map(|series| series.total).sum();
        series.push(Series { name: format!("{} others", rest.len()), values, total });
    }
    Chart { times, series }
}

/// A round number at or above the largest, for the axis.
pub fn ceiling(largest: f64) -> f64 {
    if largest <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(largest.log10().floor());
    [1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|top| *top >= largest)
        .unwrap_or(largest)
}

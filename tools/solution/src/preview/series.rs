//! Rows of time, series and number as what a chart draws.

use serde_json::Value;

use super::data::Tile;

/// The most series that have a colour of their own; the rest is drawn as one.
const MOST: usize = 12;

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
    /// Whether there was a row.
    seen: Vec<bool>,
    pub total: f64,
}

impl Series {
    /// Gives each step without a row the value before it, or the first one.
    fn hold(&mut self) {
        let first = self.seen.iter().position(|seen| *seen).unwrap_or_default();
        let mut last = self.values.get(first).copied().unwrap_or_default();
        for (value, seen) in self.values.iter_mut().zip(&self.seen) {
            if *seen {
                last = *value;
            }
            *value = last;
        }
    }
}

/// Reads a tile whose columns are time, series, number. A step without a row is a step with nothing where numbers add up; a
/// state, such as a lag, is what it was before.
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
            series.push(Series {
                name: name.to_owned(),
                values: vec![0.0; times.len()],
                seen: vec![false; times.len()],
                total: 0.0,
            });
            series.len() - 1
        });
        if let (Some(found), Ok(step)) = (series.get_mut(place), times.binary_search(&time.to_owned())) {
            found.values[step] += number;
            found.total += number;
            found.seen[step] = true;
        }
    }
    if !tile.adds_up() {
        series.iter_mut().for_each(Series::hold);
    }
    series.sort_by(|one, other| other.total.total_cmp(&one.total).then_with(|| one.name.cmp(&other.name)));
    if series.len() > MOST {
        let rest = series.split_off(MOST - 1);
        let values = (0..times.len()).map(|step| rest.iter().map(|series| series.values[step]).sum()).collect();
        let total = rest.iter().map(|series| series.total).sum();
        series.push(Series { name: format!("{} others", rest.len()), values, seen: vec![true; times.len()], total });
    }
    Chart { times, series }
}

/// An axis from 0 to a number at or above the largest: the step between its lines, and how many steps there are. Steps are 1, 2
/// or 5 times a power of ten, or 25 times one; counts have whole ones.
pub fn axis(largest: f64, counts: bool) -> (f64, u32) {
    if largest <= 0.0 {
        return (1.0, 1);
    }
    let first = (largest / 50.0).log10().floor();
    let first = if counts { first.max(0.0) } else { first };
    for power in 0..6 {
        let unit = 10_f64.powf(first + f64::from(power));
        for step in [1.0, 2.0, 2.5, 5.0].map(|factor| factor * unit) {
            // 2.5 itself is no step for people, 25 is.
            let odd = step < 10.0 && (step / unit - 2.5).abs() < 1e-9;
            let steps = (largest / step - 1e-9).ceil();
            if steps <= 5.0 && !odd {
                return (step, (1..=5).find(|count| f64::from(*count) >= steps).unwrap_or(5));
            }
        }
    }
    (largest, 1)
}

//! When things happen: a week whose office hours and working days are busy.

/// 2026-11-16T00:00:00Z, a Monday, in Unix seconds.
const START: f64 = 1_794_787_200.0;
const HOURS: u16 = 24 * 7;

/// Goes through the week.
pub struct Hours {
    /// The share of the week's events that come before each hour, and 1.
    edges: Vec<f64>,
    hour: usize,
}

impl Hours {
    /// At the beginning.
    pub fn new() -> Self {
        let mut sum = 0.0;
        let mut edges = vec![0.0];
        edges.extend((0..HOURS).map(|number| {
            let busy = match number % 24 {
                8..18 => 9.0,
                6..22 => 2.5,
                _ => 0.6,
            };
            sum += busy * if number / 24 < 5 { 1.0 } else { 0.25 };
            sum
        }));
        for edge in &mut edges {
            *edge /= sum;
        }
        Self { edges, hour: 0 }
    }

    /// The Unix second at which `share` of the events have happened. `share` never goes back.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a second of the year 2026")]
    pub fn second(&mut self, share: f64) -> u64 {
        while self.hour + 2 < self.edges.len() && share >= self.edges[self.hour + 1] {
            self.hour += 1;
        }
        let (begin, end) = (self.edges[self.hour], self.edges[self.hour + 1]);
        (START + 3600.0 * (self.hour as f64 + (share - begin) / (end - begin))) as u64
    }
}

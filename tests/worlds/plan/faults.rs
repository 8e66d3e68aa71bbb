//! How a world's API behaves, and what goes wrong at an endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use nordpass_simulator::Endpoint;
use nordpass_simulator::faults::{Effect, Fault, RetryAfter, When};
use nordpass_simulator::nordpass::{Bound, Order, PageLimit, RateLimit, Settings, Total};

use super::{Drawer, Plan};

impl Plan {
    pub fn plan_faults(&mut self, draw: &mut Drawer) {
        for _ in 0..draw.size(0, 6) {
            let endpoint = draw.of(&[
                Endpoint::Nordpass,
                Endpoint::Nordpass,
                Endpoint::Ingestion,
                Endpoint::Ingestion,
                Endpoint::Entra,
            ]);
            self.plan_fault(draw, endpoint);
        }
        // The first that fits a request happens to it. One that is only slow must not slip through a refusal of all.
        self.faults.sort_by_key(|(name, _)| *name != "400");
    }

    /// One thing that goes wrong at an endpoint for a while.
    pub fn plan_fault(&mut self, draw: &mut Drawer, endpoint: Endpoint) {
        let (name, effect, mut delay) = effect(draw);
        let from = draw.between(0, self.chaos);
        let until = from + draw.between(1, self.chaos - from + 1);
        let mut when = When {
            endpoint: Some(endpoint),
            after: Some(Duration::from_secs(from)),
            before: Some(Duration::from_secs(until)),
            ..When::default()
        };
        match draw.between(0, 3) {
            0 => when.probability = Some(0.5),
            1 => when.probability = Some(0.1),
            2 => when.times = Some(draw.between(1, 4)),
            // All of them, for that time.
            _ => {}
        }
        // A 400 for a single record now and again would be a destination that refuses records by name: only the
        // poisoned record may be. A destination that refuses everything for a while is another thing.
        if name == "400" && endpoint == Endpoint::Ingestion {
            (when.probability, when.times) = (None, None);
        }
        if name == "slow" {
            delay = Duration::from_secs(draw.between(1, 40));
        }
        self.faults.push((name, Fault { when, effect, delay }));
    }
}

/// The API behind the documentation's silence.
pub fn api(draw: &mut Drawer, seed: u64) -> Settings {
    let total = draw.of(&[
        Total::Right,
        Total::Right,
        Total::Right,
        Total::Right,
        Total::Missing,
        Total::Wrong(3),
        Total::Wrong(-2),
    ]);
    let order = if total == Total::Right {
        draw.of(&[Order::Ascending, Order::Descending, Order::UnstableWithinSecond, Order::Unstable])
    } else {
        draw.of(&[Order::Ascending, Order::Descending])
    };
    Settings {
        order,
        from: draw.of(&[Bound::Inclusive, Bound::Exclusive]),
        to: draw.of(&[Bound::Inclusive, Bound::Exclusive]),
        total,
        max_page_size: draw.of(&[10, 50, 100, 100, 1000]),
        page_limit: draw.of(&[PageLimit::Cap, PageLimit::Cap, PageLimit::Refuse]),
        clock_ahead: draw.of(&[0, 0, 0, -3, 4, 90, -90]),
        rate_limit: draw.chance(0.2).then(|| RateLimit {
            requests: draw.between(20, 100),
            per: Duration::from_secs(10),
            retry_after: draw.chance(0.7),
        }),
        reveal_per_request: 1,
        seed,
        ..Settings::default()
    }
}

pub fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Effect::Status { status, body: String::new(), headers: BTreeMap::new(), retry_after }
}

fn throttled(shape: Option<&RetryAfter>) -> &'static str {
    match shape {
        None => "429",
        Some(RetryAfter::Seconds(_)) => "429, Retry-After in seconds",
        Some(RetryAfter::Date(_)) => "429, Retry-After a date",
        Some(RetryAfter::Past) => "429, Retry-After a date that has passed",
        Some(RetryAfter::Huge) => "429, Retry-After of years",
        Some(RetryAfter::Junk) => "429, Retry-After that is junk",
    }
}

/// One thing that can happen to a request, its name in the report, and a delay.
fn effect(draw: &mut Drawer) -> (&'static str, Effect, Duration) {
    let shapes = [
        None,
        Some(RetryAfter::Seconds(7)),
        Some(RetryAfter::Seconds(90)),
        Some(RetryAfter::Date(Duration::from_secs(20))),
        Some(RetryAfter::Past),
        Some(RetryAfter::Huge),
        Some(RetryAfter::Junk),
    ];
    let shape = shapes[draw.size(0, shapes.len() - 1)].clone();
    let (name, effect) = match draw.between(0, 16) {
        0 => (throttled(shape.as_ref()), status(429, shape)),
        1 => ("503", status(503, shape)),
        2 => ("500", status(500, None)),
        3 => ("502", status(502, None)),
        4 => ("504", status(504, None)),
        5 => ("401", status(401, None)),
        6 => ("403", status(403, None)),
        7 => ("404", status(404, None)),
        8 => ("408", status(408, None)),
        9 => ("413", status(413, None)),
        10 => ("400", status(400, None)),
        11 => ("HTML", Effect::Html(draw.of(&[StatusCode::OK, StatusCode::BAD_GATEWAY]))),
        12 => ("reset before", Effect::ResetBefore),
        13 => ("reset after", Effect::ResetAfter),
        14 => ("truncated", Effect::Truncate(draw.size(0, 400))),
        15 => ("void tokens", Effect::ExpireTokens),
        _ => ("slow", Effect::None),
    };
    (name, effect, Duration::ZERO)
}

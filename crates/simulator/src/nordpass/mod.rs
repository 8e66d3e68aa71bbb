//! The Activity Logs API over a set of events.
//!
//! What is documented is kept: one POST endpoint, a raw token, pages by number, seconds, 90 days, 500 users. What isn't
//! documented is a setting ([`Settings`]). Each event has the time from which on it is shown, so that late events and
//! pages that shift under the reader come by themselves.
//!
//! For the judge it remembers which events it has shown, and which a complete reader must have: those that were in
//! the window of a request whose *last* page was asked for. A reader that was stopped in the middle of a window hasn't
//! lost the rest of it. The outermost two seconds of a window don't count: a reader that doesn't know whether the
//! bounds are inclusive asks wider than it needs, and leaves the edge to its next request.

mod query;
mod settings;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

pub use settings::{Bound, Order, PageLimit, RateLimit, Settings, Total};

use super::event::SimulatedEvent;
use super::probe::Probes;
use super::reply::{Endpoint, Reply, Service, header_text, http_date};
use nordpass_env::{Mutex, mix};
use query::Query;

/// The seconds at both ends of a window that a reader needn't use.
const EDGE: i64 = 2;

/// The simulated API.
#[derive(Debug)]
pub struct NordPass {
    /// Its settings.
    pub settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Ordered by timestamp.
    events: Vec<Held>,
    held_back: VecDeque<SimulatedEvent>,
    token: Option<String>,
    requests: u64,
    /// When the running time of the rate limit began (seconds), and its requests.
    rate: (i64, u64),
}

#[derive(Debug)]
struct Held {
    event: SimulatedEvent,
    shown: bool,
    due: bool,
}

impl NordPass {
    /// The API over these events.
    pub fn new(settings: Settings, events: Vec<SimulatedEvent>) -> Self {
        let state = State { token: Some(settings.token.clone()), ..State::default() };
        let api = Self { settings, state: Mutex::new(state) };
        api.extend(events);
        api
    }

    /// Adds events.
    pub fn extend(&self, events: Vec<SimulatedEvent>) {
        let mut state = self.state.lock();
        state.events.extend(events.into_iter().map(|event| Held { event, shown: false, due: false }));
        // Stable: events of one second keep the order in which they came.
        state.events.sort_by_key(|held| held.event.timestamp);
    }

    /// Holds events back until they become visible one after the other, some after each answer
    /// ([`Settings::reveal_per_request`]): pages then shift under the reader.
    pub fn hold_back(&self, events: Vec<SimulatedEvent>) {
        self.state.lock().held_back.extend(events);
    }

    /// Accepts this token from now on, and no other; `None` accepts none (a revoked token).
    pub fn set_token(&self, token: Option<&str>) {
        self.state.lock().token = token.map(str::to_owned);
    }

    /// Number of events, those held back aside.
    pub fn count(&self) -> usize {
        self.state.lock().events.len()
    }

    /// The probes of all events it has.
    pub fn world(&self) -> Probes {
        self.probes(|_| true)
    }

    /// The probes of the events in a range of time that are visible at `by`.
    pub fn in_range(&self, range: Range<i64>, by: Timestamp) -> Probes {
        let by = by.as_second() + self.settings.clock_ahead;
        self.probes(|held| range.contains(&held.event.timestamp) && held.event.visible_at <= by)
    }

    /// The probes of the events that it has shown at least once.
    pub fn shown(&self) -> Probes {
        self.probes(|held| held.shown)
    }

    /// The probes of the events that a complete reader must have: see the module's text.
    pub fn due(&self) -> Probes {
        self.probes(|held| held.due)
    }

    /// The event with this probe.
    pub fn event(&self, probe: &str) -> Option<SimulatedEvent> {
        let state = self.state.lock();
        let held = state.events.iter().find(|held| held.event.probe().is_some_and(|found| **found == *probe))?;
        Some(held.event.clone())
    }

    /// Events shown that have no probe: nobody can judge what became of them.
    pub fn shown_without_probe(&self) -> u64 {
        self.state.lock().events.iter().filter(|held| held.shown && held.event.probe().is_none()).count() as u64
    }

    fn probes(&self, which: impl Fn(&Held) -> bool) -> Probes {
        let mut probes = Probes::default();
        let state = self.state.lock();
        let chosen = state.events.iter().filter(|held| which(held));
        chosen.filter_map(|held| held.event.probe()).for_each(|probe| probes.add(probe.clone()));
        probes
    }

    fn answer(&self, request: &Request<Bytes>, now: i64) -> Reply {
        let settings = &self.settings;
        let mut state = self.state.lock();
        state.requests += 1;
        if request.uri().path() != settings.path {
            return error(StatusCode::NOT_FOUND, "Not Found");
        }
        if request.method() != Method::POST {
            return error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").with_header("allow", "POST");
        }
        let token = header_text(request, "authorization");
        if token.is_empty() || state.token.as_deref() != Some(token) {
            return error(settings.refusal, "Unauthorized");
        }
        if settings.source.as_deref().is_some_and(|source| source != header_text(request, "x-source")) {
            return error(StatusCode::FORBIDDEN, "The token is not valid for this source");
        }
        if let Some(limit) = &settings.rate_limit
            && let Some(wait) = state.over(limit, now)
        {
            let reply = error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            return if limit.retry_after { reply.with_header("retry-after", &wait.to_string()) } else { reply };
        }
        if !header_text(request, "content-type").starts_with("application/json") {
            return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
        }
        match Query::read(request.body(), now, settings) {
            Ok(query) => {
                let body = state.page(&query, now, settings);
                let revealed = settings.reveal_per_request.min(state.held_back.len());
                let revealed: Vec<_> = state.held_back.drain(..revealed).collect();
                drop(state);
                if !revealed.is_empty() {
                    self.extend(revealed);
                }
                Reply::json(StatusCode::OK, body)
            }
            Err(message) => error(StatusCode::BAD_REQUEST, &message),
        }
    }
}

impl Service for NordPass {
    fn endpoint(&self, _path: &str) -> Endpoint {
        Endpoint::Nordpass
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let now = now.as_second() + self.settings.clock_ahead;
        self.answer(request, now).with_header("date", &http_date(now))
    }
}

impl State {
    /// Counts a request; over the limit, the seconds until the next may come.
    fn over(&mut self, limit: &RateLimit, now: i64) -> Option<i64> {
        let per = i64::try_from(limit.per.as_secs()).unwrap_or(i64::MAX).max(1);
        if now - self.rate.0 >= per {
            self.rate = (now, 0);
        }
        self.rate.1 += 1;
        (self.rate.1 > limit.requests).then(|| (self.rate.0 + per - now).max(1))
    }

    fn page(&mut self, query: &Query, now: i64, settings: &Settings) -> String {
        let matches = self.matches(query, now, settings);
        let total = matches.len() as u64;
        let pages = total.div_ceil(query.per_page);
        let begin = usize::try_from(query.page.saturating_mul(query.per_page)).unwrap_or(usize::MAX);
        let size = usize::try_from(query.per_page).unwrap_or(usize::MAX);
        let shown = matches.get(begin..begin.saturating_add(size).min(matches.len())).unwrap_or_default();

        let mut body = String::with_capacity(512 * shown.len() + 128);
        body.push_str(r#"{"data":["#);
        for (number, &place) in shown.iter().enumerate() {
            if number > 0 {
                body.push(',');
            }
            body.push_str(self.events[place].event.json());
        }
        body.push_str(r#"],"metadata":{"#);
        match settings.total {
            Total::Right => _ = write!(body, r#""total":{total},"#),
            Total::Wrong(offset) => _ = write!(body, r#""total":{},"#, total.saturating_add_signed(offset)),
            Total::Missing => {}
        }
        let current = query.page + settings.first_page;
        let _ = write!(body, r#""per_page":{},"current_page":{current},"total_pages":{pages}}}}}"#, query.per_page);

        for &place in shown {
            self.events[place].shown = true;
        }
        if query.page + 1 >= pages {
            let inner = query.from + EDGE..query.to - EDGE + 1;
            for place in matches {
                let held = &mut self.events[place];
                held.due |= inner.contains(&held.event.timestamp) && query.users.is_none();
            }
        }
        body
    }

    /// The places of the events that the query finds, in the order of the answer.
    fn matches(&self, query: &Query, now: i64, settings: &Settings) -> Vec<usize> {
        let low = query.from + i64::from(settings.from == Bound::Exclusive);
        let low = low.max(now - settings.retention);
        let high = query.to + i64::from(settings.to == Bound::Inclusive);
        let begin = self.events.partition_point(|held| held.event.timestamp < low);
        let end = self.events.partition_point(|held| held.event.timestamp < high).max(begin);
        let mut places: Vec<usize> = (begin..end)
            .filter(|&place| {
                let event = &self.events[place].event;
                let of_users =
                    query.users.as_ref().is_none_or(|users| event.user().is_some_and(|user| users.contains(user)));
                event.visible_at <= now && of_users
            })
            .collect();
        let luck = |place: usize| mix(mix(settings.seed ^ mix(self.requests)) ^ place as u64);
        match settings.order {
            Order::Ascending => {}
            Order::Descending => places.reverse(),
            Order::UnstableWithinSecond => {
                places.sort_by_key(|&place| (self.events[place].event.timestamp, luck(place)));
            }
            Order::Unstable => places.sort_by_key(|&place| luck(place)),
        }
        places
    }
}

fn error(status: StatusCode, message: &str) -> Reply {
    let body = serde_json::json!({ "code": status.as_u16(), "message": message });
    Reply::json(status, body.to_string())
}

#[cfg(test)]
mod tests;

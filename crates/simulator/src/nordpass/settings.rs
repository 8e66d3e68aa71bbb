//! What isn't documented about the Activity Logs API, as settings: a client has to be right under each.

use std::time::Duration;

const DAY: i64 = 86_400;

/// The order of events in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first, as the Admin Panel shows them.
    #[default]
    Descending,
    /// Oldest first, but the order inside one second differs from request to request.
    UnstableWithinSecond,
    /// Everything differs from request to request.
    Unstable,
}

/// Whether an event exactly at a bound is inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// Inside.
    #[default]
    Inclusive,
    /// Outside.
    Exclusive,
}

/// What happens to a `per_page` above the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageLimit {
    /// The largest is used, and reported.
    #[default]
    Cap,
    /// 400.
    Refuse,
}

/// What `metadata.total` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// The number of events in the window.
    #[default]
    Right,
    /// Nothing; the number of pages stays right.
    Missing,
    /// The number of events plus this, but at least 0; the number of pages stays right.
    Wrong(i64),
}

/// A limit on requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// So many requests …
    pub requests: u64,
    /// … within this time; the next ones get 429.
    pub per: Duration,
    /// Whether the 429 says in `Retry-After` when to come again.
    pub retry_after: bool,
}

/// The settings. The defaults are the documented behaviour, and the likeliest where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The path of the endpoint.
    pub path: String,
    /// The accepted token, sent raw in `Authorization`.
    pub token: String,
    /// The status of a refused token: 401 or 403.
    pub refusal: http::StatusCode,
    /// An `X-Source` that every request must carry.
    pub source: Option<String>,
    /// The order of events.
    pub order: Order,
    /// `timestamp_from`.
    pub from: Bound,
    /// `timestamp_to`.
    pub to: Bound,
    /// The number of the first page.
    pub first_page: u64,
    /// `per_page` where a request has none.
    pub default_page_size: u64,
    /// The largest `per_page`.
    pub max_page_size: u64,
    /// What happens above it.
    pub page_limit: PageLimit,
    /// What `metadata.total` says.
    pub total: Total,
    /// A limit on requests.
    pub rate_limit: Option<RateLimit>,
    /// How far the server's clock is ahead, in seconds: shows in `Date` and in what counts as now.
    pub clock_ahead: i64,
    /// The longest window of one request, in seconds.
    pub max_window: i64,
    /// How long the API keeps events, in seconds.
    pub retention: i64,
    /// How many `user_uuids` one request may name.
    pub max_users: usize,
    /// So many held-back events ([`super::NordPass::hold_back`]) become visible after each answer: page drift.
    pub reveal_per_request: usize,
    /// Decides the unstable orders.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/activities/query".into(),
            token: "simulated-nordpass-token".into(),
            refusal: http::StatusCode::UNAUTHORIZED,
            source: None,
            order: Order::default(),
            from: Bound::default(),
            to: Bound::default(),
            first_page: 1,
            default_page_size: 100,
            max_page_size: 100,
            page_limit: PageLimit::default(),
            total: Total::default(),
            rate_limit: None,
            clock_ahead: 0,
            max_window: 90 * DAY,
            retention: 90 * DAY,
            max_users: 500,
            reveal_per_request: 0,
            seed: 0,
        }
    }
}

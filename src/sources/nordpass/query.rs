//! One query to the API.

use serde::Serialize;

/// One query of the Activity Logs API
/// (<https://support.nordpass.com/hc/en-us/articles/23485641117329-Activity-Logs-API>). Times are Unix seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Query {
    /// Events from this second on (whether it is included is undocumented).
    pub timestamp_from: i64,
    /// Events up to this second (likewise).
    pub timestamp_to: i64,
    /// Page number, from 1.
    pub page: u64,
    /// Events per page.
    pub per_page: u32,
    /// Only these users' events; all when empty. At most 500.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_uuids: Vec<String>,
}

impl Query {
    /// Queries a page of a time window, for these users or, if there are none, for all.
    pub fn new((timestamp_from, timestamp_to): (i64, i64), page: u64, per_page: u32, users: &[String]) -> Self {
        Self { timestamp_from, timestamp_to, page, per_page, user_uuids: users.to_vec() }
    }

    /// Queries one event of a window: a cheap way to get the response's `total` and `Date`.
    pub fn smallest(window: (i64, i64)) -> Self {
        Self::new(window, 1, 1, &[])
    }
}

/// The priority of a request: live polls go before the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The newest events.
    Live,
    /// Everything else.
    History,
}

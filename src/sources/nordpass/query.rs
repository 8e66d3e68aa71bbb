//! One query to the API.

use serde::Serialize;

/// One query of the Activity Logs API
/// (<https://support.nordpass.com/hc/en-us/articles/23485641117329-Activity-Logs-API>). Times are Unix seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Query {
    /// Events from this second on (whether this second counts is not documented).
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
    /// A page of a time, for these users only unless there are none.
    pub fn new((timestamp_from, timestamp_to): (i64, i64), page: u64, per_page: u32, users: &[String]) -> Self {
        Self { timestamp_from, timestamp_to, page, per_page, user_uuids: users.to_vec() }
    }

    /// One event of a time: a cheap request, for what an answer says besides.
    pub fn smallest(window: (i64, i64)) -> Self {
        Self::new(window, 1, 1, &[])
    }
}

/// Who asks: live polls go before history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The newest events.
    Live,
    /// Everything else.
    History,
}

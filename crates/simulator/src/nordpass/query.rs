//! A request's body, checked.

use std::collections::HashSet;

use super::settings::{PageLimit, Settings};

const DAY: i64 = 86_400;

/// The body as it may come.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Body {
    timestamp_from: Option<i64>,
    timestamp_to: Option<i64>,
    user_uuids: Option<Vec<String>>,
    page: Option<i64>,
    per_page: Option<i64>,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// `timestamp_from`, or where the default window begins.
    pub from: i64,
    /// `timestamp_to`, or now.
    pub to: i64,
    /// The users it is limited to.
    pub users: Option<HashSet<String>>,
    /// Which page, counted from 0.
    pub page: u64,
    /// Events on a page.
    pub per_page: u64,
}

impl Query {
    /// Reads a body; the error says what is wrong with it.
    pub fn read(body: &[u8], now: i64, settings: &Settings) -> Result<Self, String> {
        let body: Body = if body.is_empty() {
            Body::default()
        } else {
            serde_json::from_slice(body).map_err(|error| format!("The request body is invalid: {error}"))?
        };
        let (from, to) = match (body.timestamp_from, body.timestamp_to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, now),
            (None, Some(to)) => (to - 7 * DAY, to),
            // "The last 7 full days".
            (None, None) => (now.div_euclid(DAY) * DAY - 7 * DAY, now),
        };
        if from < 0 || to < from {
            return Err("timestamp_to must not be before timestamp_from".into());
        }
        if to - from > settings.max_window {
            return Err(format!("The filtered period must not exceed {} days", settings.max_window / DAY));
        }
        if let Some(users) = &body.user_uuids
            && users.len() > settings.max_users
        {
            return Err(format!("user_uuids must not contain more than {} items", settings.max_users));
        }
        let page = body.page.map_or(Ok(settings.first_page), |page| u64::try_from(page).map_err(|_| page));
        let page = match page {
            Ok(page) if page >= settings.first_page => page - settings.first_page,
            _ => return Err(format!("page must be greater than or equal to {}", settings.first_page)),
        };
        let per_page = match body.per_page.map_or(Ok(settings.default_page_size), u64::try_from) {
            Ok(size) if size > settings.max_page_size && settings.page_limit == PageLimit::Refuse => {
                return Err(format!("per_page must be less than or equal to {}", settings.max_page_size));
            }
            Ok(size) if size > 0 => size.min(settings.max_page_size),
            _ => return Err("per_page must be greater than 0".into()),
        };
        Ok(Self { from, to, users: body.user_uuids.map(|users| users.into_iter().collect()), page, per_page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn read(body: &str) -> Result<Query, String> {
        Query::read(body.as_bytes(), NOW, &Settings::default())
    }

    #[test]
    fn without_times_it_is_the_last_seven_full_days() {
        let query = read("").expect("nothing is fine");
        assert_eq!((query.to, query.page, query.per_page), (NOW, 0, 100));
        assert_eq!(query.from % DAY, 0);
        assert!((7 * DAY..8 * DAY).contains(&(NOW - query.from)));
        assert_eq!(read("{}"), read(""));
        assert_eq!(read(r#"{"timestamp_from":1799999000}"#).expect("fine").to, NOW);
    }

    #[test]
    fn each_rule_bites() {
        let far = format!(r#"{{"timestamp_from":{},"timestamp_to":{NOW}}}"#, NOW - 90 * DAY - 1);
        let many = format!(r#"{{"user_uuids":[{}]}}"#, vec!["\"u\""; 501].join(","));
        for body in [
            "[]x",
            "{",
            "null,",
            r#"{"timestamp_from":"1799999000"}"#,
            r#"{"timestamp_from":1799999000.5}"#,
            r#"{"timestamp_from":2,"timestamp_to":1}"#,
            r#"{"timestamp_from":1}"#,
            r#"{"page":0}"#,
            r#"{"page":-1}"#,
            r#"{"per_page":0}"#,
            r#"{"per_page":-5}"#,
            r#"{"user_uuids":"u"}"#,
            &far,
            &many,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
        let whole = format!(r#"{{"timestamp_from":{},"timestamp_to":{NOW}}}"#, NOW - 90 * DAY);
        assert!(read(&whole).is_ok(), "90 days exactly are allowed");
    }

    #[test]
    fn page_sizes_are_capped_or_refused() {
        assert_eq!(read(r#"{"per_page":1000}"#).expect("capped").per_page, 100);
        let refusing = Settings { page_limit: PageLimit::Refuse, ..Settings::default() };
        assert!(Query::read(br#"{"per_page":101}"#, NOW, &refusing).is_err());
        assert!(Query::read(br#"{"per_page":100}"#, NOW, &refusing).is_ok());
        let zero = Settings { first_page: 0, ..Settings::default() };
        assert_eq!(Query::read(br#"{"page":2}"#, NOW, &zero).expect("fine").page, 2);
        assert_eq!(read(r#"{"page":2}"#).expect("fine").page, 1);
    }
}

//! The `Retry-After` header, in every shape it comes in.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// However long a server asks to wait, nobody waits longer than this for it.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the server asks to wait: whole seconds or an HTTP date (RFC 9110, 10.2.3). A date in the past is no wait; a
/// huge one is five minutes; junk is ignored.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a huge number of seconds.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = Timestamp::try_from(date).ok()?;
    let wait = date.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait(" 7 "), Some(7));
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("999999"), Some(300));
        assert_eq!(wait("99999999999999999999999999"), Some(300));
        assert_eq!(wait("Mon, 23 Nov 2026 12:00:09 GMT"), Some(9));
        assert_eq!(wait("Mon, 23 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(wait("Mon, 23 Nov 2099 11:00:00 GMT"), Some(300));
        for junk in ["soon", "-5", "1.5", "", "7s"] {
            assert_eq!(wait(junk), None, "{junk}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}

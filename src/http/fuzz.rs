//! Fuzz targets: the headers of an answer, and a compressed body.

use std::time::Duration;

use super::{GunzipError, LONGEST_RETRY_AFTER, azure_code, clock_is_wrong, clocks, date, gunzip, hidden, retry_after};
use crate::fuzz::{answer, silent, text, wait};

/// The end of the year 9999: no HTTP date is later.
const LAST_SECOND: i64 = 253_402_300_799;

/// The headers of an answer.
pub(crate) fn headers(data: &[u8]) {
    let answer = answer(data);
    let headers = answer.headers();
    for now in [0, 1_748_000_000, 253_402_207_200] {
        let now = jiff::Timestamp::from_second(now).expect("a time");
        let wait = retry_after(headers, now);
        assert!(wait.is_none_or(|wait| !wait.is_zero() && wait <= LONGEST_RETRY_AFTER), "{wait:?}");
        let Some(date) = date(headers) else { continue };
        assert!((0..=LAST_SECOND).contains(&date), "{date}");
        let ahead = now.as_second() - date;
        assert!(!clocks(ahead, "NordPass").is_empty());
        assert_eq!(clock_is_wrong(Some(ahead), "Entra").is_some(), ahead.unsigned_abs() > 300);
    }
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        if let Some(code) = azure_code(value) {
            assert!(code == value && code.len() <= 60 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
    // A token from a file, on its way into a header.
    if let Ok(value) = hidden(&text(data)) {
        assert!(value.is_sensitive() && !value.as_bytes().contains(&b'\n') && !value.as_bytes().contains(&b'\r'));
    }
    silent(&format!("{:?}", hidden(&text(&crate::fuzz::marked(data))).map_err(|error| error.to_string())));
}

/// A compressed body.
pub(crate) fn gunzip_body(data: &[u8]) {
    const LIMIT: usize = 256 << 10;
    match wait(gunzip(data, LIMIT, Duration::ZERO)) {
        Ok((body, _)) => assert!(body.len() <= LIMIT),
        Err(GunzipError::TooLarge | GunzipError::Damaged) => {}
    }
}

//! Counts and a sample for `estimate`: how many events each day has, by the API's own count, and some pages of them.
//!
//! Only reads, with few requests and within the source's rate limit. Nothing is proven here: an estimate needs no proof.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::endpoint::{Attempt, Endpoint, UNAVAILABLE};
use super::query::{Priority, Query};
use super::rate_limiter::RateLimiter;
use super::time::DAY;
use super::{context::ReadContext, page::Page, settings::Settings};
use crate::http::{Again, Failure, Retry};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// How often one request is sent at most: somebody waits for the answer.
const TRIES: u32 = 4;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct SampleSize {
    /// How many whole UTC days, up to the last midnight.
    pub days: u32,
    /// How many pages of events.
    pub pages: u32,
}

/// What the API has.
#[derive(Debug, Default)]
pub struct Sample {
    /// The events of each day, the earliest first, by the API's own count.
    pub days: Vec<u64>,
    /// Events, one on each line.
    pub lines: Vec<u8>,
    /// How many.
    pub events: u64,
    /// How many requests that took.
    pub requests: u64,
}

/// Counts the last days' events and fetches some pages of them, evenly spread over the events. The error is a sentence
/// about what didn't work.
pub async fn sample(settings: &Settings, env: &Env, size: SampleSize) -> Result<Sample, String> {
    let telemetry = ComponentReporter::detached();
    let context = ReadContext::new(settings.clone(), env.clone(), telemetry, CancellationToken::new());
    let api =
        Api { endpoint: Endpoint::new(context.clone())?, limiter: RateLimiter::new(settings.requests_per_second), env };
    let mut sample = Sample::default();
    let end = context.clock.safe_now().div_euclid(DAY) * DAY;
    let first = end - i64::from(size.days) * DAY;
    let day = |number: usize| {
        let from = first + i64::try_from(number).unwrap_or(0) * DAY;
        (from, from + DAY - 1)
    };
    for number in 0..size.days as usize {
        let page = api.ask(&Query::smallest(day(number))).await?;
        sample.requests += 1;
        let total = page.total.ok_or("NordPass doesn't say how many events there are (`metadata.total`)")?;
        sample.days.push(total);
    }
    for (number, page) in places(&sample.days, u64::from(settings.page_size), u64::from(size.pages)) {
        let page = api.ask(&Query::new(day(number), page, settings.page_size, &[])).await?;
        sample.requests += 1;
        for element in &page.elements {
            // A line end is only white space here: inside of strings it is escaped.
            let element = page.text.at(*element).bytes();
            sample.lines.extend(element.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
            sample.lines.push(b'\n');
            sample.events += 1;
        }
    }
    Ok(sample)
}

/// Days and page numbers, evenly spread over all events; all pages if there aren't more.
fn places(days: &[u64], page_size: u64, pages: u64) -> BTreeSet<(usize, u64)> {
    let page_size = page_size.max(1);
    let all: u64 = days.iter().map(|total| total.div_ceil(page_size)).sum();
    if all <= pages {
        let each = days.iter().enumerate();
        return each.flat_map(|(day, total)| (1..=total.div_ceil(page_size)).map(move |page| (day, page))).collect();
    }
    let total: u64 = days.iter().sum();
    let mut places = BTreeSet::new();
    for number in 0..pages {
        // The middle of each of as many equal parts.
        let mut at = u64::try_from(u128::from(2 * number + 1) * u128::from(total) / u128::from(2 * pages)).unwrap_or(0);
        for (day, total) in days.iter().enumerate() {
            if at < *total {
                places.insert((day, at / page_size + 1));
                break;
            }
            at -= total;
        }
    }
    places
}

struct Api<'a> {
    endpoint: Endpoint,
    limiter: RateLimiter,
    env: &'a Env,
}

impl Api<'_> {
    /// Sends a request, and again where that may help.
    async fn ask(&self, query: &Query) -> Result<Page, String> {
        let mut tries = 0;
        let give_up = |again: &Again, _: Duration| {
            tries += 1;
            let may_pass = matches!(again.kind, Some(UNAVAILABLE | "no answer" | "throttled" | "timeout"));
            if may_pass && tries < TRIES { Ok(()) } else { Err(again.reason.clone().unwrap_or_default()) }
        };
        Retry::logged(self.env).run_checked(give_up, || self.attempt(query)).await
    }

    async fn attempt(&self, query: &Query) -> Result<Page, Failure<String>> {
        self.limiter.take(Priority::History).await;
        Err(match self.endpoint.attempt(query).await {
            Attempt::Page(page) => return Ok(page),
            Attempt::Wait(again) => again.into(),
            Attempt::TimedOut(reason) => Again::because("timeout", reason).into(),
            Attempt::Unreadable(reason) => Failure::Stop(reason),
            Attempt::TooLarge => Failure::Stop("a page is too large: set a smaller `page_size`".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_spread_over_the_events() {
        let places = |days: &[u64], pages| places(days, 100, pages).into_iter().collect::<Vec<_>>();
        assert_eq!(places(&[150, 0, 90], 5), [(0, 1), (0, 2), (2, 1)], "all of them");
        assert_eq!(places(&[0, 1_000, 1_000], 2), [(1, 6), (2, 6)]);
        assert_eq!(places(&[10_000, 10], 4), [(0, 13), (0, 38), (0, 63), (0, 88)]);
        assert!(places(&[0, 0], 5).is_empty() && places(&[], 5).is_empty());
        assert_eq!(places(&[u64::MAX / 4, u64::MAX / 4], 1_000).len(), 1_000);
    }
}

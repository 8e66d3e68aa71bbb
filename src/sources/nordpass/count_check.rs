//! Detects a capped `total`: a count that stops at some number, with pages that stop there, too.
//!
//! Then a `total` that adds up proves nothing, because count and pages are cut off alike. But the counts of two parts
//! of the window can't both stop where the whole does: if events are hidden, the parts add up to more.

use futures::future::try_join_all;

use super::client::Client;
use super::error::ReadError;
use super::observations::{Observations, Window};
use super::query::{Priority, Query};

/// The documented page size. An API that returns this many events at once counts at least that far.
const SMALLEST_CAP: u64 = 100;
/// Where counts usually stop. This many events of one user in one second can't be checked and aren't believed.
const USUAL_CAP: u64 = 1_000;
/// Maximum users per query, by the API's documentation.
const USERS_PER_QUERY: usize = 500;

/// Whether an API may cap at this count: a multiple of 50, a power of two or one less. About one count in fifty is.
pub fn is_usual_cap(total: u64) -> bool {
    total >= SMALLEST_CAP && (total.is_multiple_of(50) || total.is_power_of_two() || (total + 1).is_power_of_two())
}

/// Whether a count that adds up must be checked, because it ends with a full page or at a usual cap.
pub fn is_doubtful(total: u64, page: u64) -> bool {
    total > 0 && (total.is_multiple_of(page.max(1)) || is_usual_cap(total))
}

/// Whether a window's `total` hides events, by the counts of its parts. All that it counts must have been seen.
pub async fn hides_events(
    client: &Client,
    (window, observations): (&Window, &Observations),
    total: u64,
    priority: Priority,
) -> Result<bool, ReadError> {
    let times =
        || observations.by_id.values().filter(|seen| window.surely_holds(seen.time)).filter_map(|seen| seen.time);
    let mut times: Vec<i64> = times().collect();
    times.sort_unstable();
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else { return Ok(false) };
    if last - first >= 3 {
        // Each part has an event that the other can't show.
        let middle = times[times.len() / 2].clamp(first + 2, last - 1);
        return hides_events_beside(client, window, middle, total, priority).await;
    }
    // Everything seen is within a few seconds. Check before and after them.
    for middle in [first - 1, last + 2] {
        let inside = window.from < middle - 1 && middle < window.to;
        if inside && hides_events_beside(client, window, middle, total, priority).await? {
            return Ok(true);
        }
    }
    hides_events_of_users(client, (window, observations), total, priority).await
}

/// Checks the parts before and after a second. They overlap, so that no meaning of the bounds leaves a gap. The overlap
/// is counted by the same bounds and subtracted.
async fn hides_events_beside(
    client: &Client,
    window: &Window,
    middle: i64,
    total: u64,
    priority: Priority,
) -> Result<bool, ReadError> {
    let parts = [(window.from, middle), (middle - 1, window.to), (middle - 1, middle)];
    let counts = try_join_all(
        parts.map(|part| async move { client.ask(&Query::smallest(part), priority).await.map(|page| page.total) }),
    );
    let [Some(before), Some(after), Some(both)] = counts.await?[..] else { return Ok(true) };
    // An event was seen outside the overlap, so `both` must be less than `total`.
    Ok(both >= total || before.checked_add(after) != total.checked_add(both))
}

/// Checks groups of the users within a few seconds, each with fewer than all events.
async fn hides_events_of_users(
    client: &Client,
    (window, observations): (&Window, &Observations),
    total: u64,
    priority: Priority,
) -> Result<bool, ReadError> {
    let users = observations.users(window);
    if users.len() < 2 {
        return Ok(total >= USUAL_CAP);
    }
    for some in users.chunks(users.len().div_ceil(2).min(USERS_PER_QUERY)) {
        let seen: u64 = some.iter().map(|(_, events)| u64::from(*events)).sum();
        let names: Vec<String> = some.iter().map(|(user, _)| user.clone()).collect();
        let page = client.ask(&Query::new(window.asked(), 1, 1, &names), priority).await?;
        if page.total.is_none_or(|counted| counted > seen) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_pages_and_usual_caps_are_doubtful_and_few_others() {
        for total in [100, 1_000, 10_000, 1_024, 4_095, 32_767, 65_535, 65_536, 750] {
            assert!(is_usual_cap(total), "{total}");
        }
        assert!(is_doubtful(40, 20) && is_doubtful(3, 1) && !is_doubtful(0, 20) && !is_doubtful(41, 20));
        let doubtful = (0..100_000).filter(|total| is_doubtful(*total, 100)).count();
        assert!(doubtful < 2_100, "{doubtful} of 100,000");
    }
}

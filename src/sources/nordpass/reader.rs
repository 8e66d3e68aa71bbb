//! Reads a slice of time and proves that nothing is missing.
//!
//! 1. Request the first page. Its `total` says how many events there are. If there are far too many, cut the slice.
//! 2. Fetch the other pages in parallel. New events are sent at once.
//! 3. Add up what was seen ([`super::observations`]). If it equals `total`, the slice is proven, and the further copies
//!    of identical events are sent as well.
//! 4. If not, pages have shifted or the order is unstable. Query more and more narrowly until it adds up: everything in
//!    one larger page; each second that straddled two pages alone; the two halves; and within one second, with other
//!    page sizes and user by user.
//! 5. What still can't be proven within the budget, or has no usable `total`, is delivered as seen and marked unproven.
//!    The sweeps read it again.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use futures::future::BoxFuture;

use super::client::Client;
use super::context::ReadContext;
use super::count_check::is_usual_cap;
use super::dedup::Dedup;
use super::error::ReadError;
use super::mode::ReadMode;
use super::observations::{Observations, Window};
use super::proof::{Pages, Proof, page_size};
use super::query::{Priority, Query};
use super::slice::{Slice, SliceRead, events_per_slice};
use super::time::seconds;
use crate::telemetry::metrics;

/// After this many slices in a row whose `total` contradicts a response, proofs aren't worth extra requests.
const DISTRUST_AFTER: u32 = 3;

/// Two slices in a row with the same `total` of at least this size are more than chance.
const LARGE_TOTAL: u64 = 1_000;

/// Counts are split down to this many seconds, to limit the requests to an API whose count never varies.
const NARROWEST_COUNT: i64 = 3_600;

/// Reads slices.
pub struct Reader {
    context: Arc<ReadContext>,
    client: Arc<Client>,
    dedup: Arc<Dedup>,
    pages: Pages,
    /// Slices in a row whose `total` contradicted what was seen.
    distrust: AtomicU32,
    /// The last slice's `total`.
    last_total: AtomicU64,
}

impl Reader {
    /// Creates a reader that trusts `total` at first.
    pub fn new(context: Arc<ReadContext>, client: Arc<Client>, dedup: Arc<Dedup>, pages: Pages) -> Self {
        Self { context, client, dedup, pages, distrust: AtomicU32::new(0), last_total: AtomicU64::new(0) }
    }

    /// Reads `range`. With `first_guess`, returns [`SliceRead::TooMany`] if it has far more events than a slice should.
    pub async fn read(
        &self,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_guess: bool,
    ) -> Result<SliceRead, ReadError> {
        let mut per_page = self.context.settings.page_size;
        loop {
            match self.read_by(range.clone(), priority, group, first_guess, per_page).await {
                Err(ReadError::TooLarge) if per_page > 1 => per_page = per_page.div_ceil(2),
                Err(ReadError::TooLarge) => {
                    let reason = "a single event exceeds the response size limit".to_owned();
                    return Err(ReadError::Unreadable(reason));
                }
                result => return result,
            }
        }
    }

    async fn read_by(
        &self,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_guess: bool,
        per_page: u32,
    ) -> Result<SliceRead, ReadError> {
        let window = Window::around(range.start, range.end);
        let first = self.client.ask_by_any_clock(&Query::new(window.asked(), 1, per_page, &[]), priority).await?;
        // The server's clock may be behind ours. What it can't know yet isn't covered.
        let lag = seconds(self.context.settings.lag);
        let until = first.server_time.map_or(range.end, |server| range.end.min(server - lag));
        if until <= range.start {
            let (events, acknowledged, awaited) = (0, 0, BTreeSet::new());
            return Ok(SliceRead::Done { until: range.start, proven: true, events, acknowledged, awaited });
        }
        let range = range.start..until;
        let target = events_per_slice(self.context.settings.concurrency, per_page);
        let total = first.total.unwrap_or(0);
        let full = first.elements.len() as u64 >= page_size(&first, per_page);
        if first_guess && full && total > 2 * target && range.end - range.start > 1 {
            let seconds = i128::from(range.end - range.start) * i128::from(target) / i128::from(total);
            let seconds = i64::try_from(seconds).unwrap_or(1).clamp(1, (range.end - range.start + 1) / 2);
            return Ok(SliceRead::TooMany { until: range.start + seconds, total });
        }
        let reading = self.dedup.begin();
        let known = self.dedup.known(range.clone()).await?;
        let pages = total.div_ceil(page_size(&first, per_page));
        let mut slice = Slice {
            range,
            priority,
            group,
            known: known.into_iter().map(|known| known.id).collect(),
            apart: None,
            observations: Observations::default(),
            per_page,
            // Saturating: the API states the count.
            budget: if self.distrusts() { 0 } else { pages.saturating_mul(8).saturating_add(200) },
            repeated: self.last_total.swap(total, Ordering::Relaxed) == total && total >= LARGE_TOTAL,
            contradicted: false,
            awaited: BTreeSet::new(),
            pages: 0,
            twin_bytes: 0,
            shown: HashMap::new(),
            _reading: reading,
        };
        let mut proof = Proof { pages: &self.pages, slice: &mut slice, window, capped: false };
        let pass = proof.pass(per_page, &[], Some(first)).await?;
        let proven = proof.prove(pass).await?;
        let window = proof.window;
        if proven {
            self.distrust.store(0, Ordering::Relaxed);
        } else {
            self.distrust.fetch_add(u32::from(slice.contradicted), Ordering::Relaxed);
            self.context.telemetry.add(&metrics::UNPROVEN_SLICES, 1);
        }
        let events = slice.observations.count(&window);
        let acknowledged = slice.acknowledged();
        if let ReadMode::Compare(_, counts) = &self.context.settings.mode {
            slice.examine(counts.examine.as_ref());
        }
        Ok(SliceRead::Done { until: slice.range.end, proven, events, acknowledged, awaited: slice.awaited })
    }

    /// The target number of events in a slice.
    pub fn events_per_slice(&self) -> u64 {
        events_per_slice(self.context.settings.concurrency, self.context.settings.page_size)
    }

    /// Whether the API's `total` is known to be wrong or missing.
    pub fn distrusts(&self) -> bool {
        self.distrust.load(Ordering::Relaxed) >= DISTRUST_AFTER
    }

    /// Returns the `total` of a range, for the audit. Usually takes one cheap request.
    ///
    /// Splits a count at a usual cap: a capped count would never change, whatever comes late.
    pub fn total(&self, range: Range<i64>) -> BoxFuture<'_, Result<Option<u64>, ReadError>> {
        Box::pin(async move {
            let window = Window::around(range.start, range.end);
            let page = self.client.ask(&Query::smallest(window.asked()), Priority::History).await?;
            let length = range.end - range.start;
            let Some(total) = page.total.filter(|total| is_usual_cap(*total) && length > NARROWEST_COUNT) else {
                return Ok(page.total);
            };
            let middle = range.start + length / 2;
            let mut parts = 0_u64;
            for part in [range.start..middle, middle..range.end] {
                let Some(counted) = self.total(part).await? else { return Ok(None) };
                parts = parts.saturating_add(counted);
            }
            // Events at the bounds may count in both halves.
            Ok(Some(parts.max(total)))
        })
    }
}

//! Reads a slice of time and proves that nothing of it is missing.
//!
//! 1. Ask for the first page. It says how many events there are (`total`); with far too many the slice is cut.
//! 2. Fetch the other pages side by side. Events that are new flow on at once.
//! 3. Add up what was seen ([`super::seen`]). If that is `total`, the slice is proven, and the further copies of
//!    identical events are sent as well.
//! 4. If not, pages have moved or the order is unstable. Ask again, ever more narrowly, until it adds up: everything in
//!    one larger page; each second that straddled two pages alone; the two halves; and inside one second with other page
//!    sizes and user by user.
//! 5. What still can't be proven within the budget, or has no usable `total`, is delivered as far as it was seen and
//!    marked unproven; the sweeps read it again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::{BoxFuture, try_join_all};

use super::client::{Client, Priority, Query, Refusal};
use super::ingest::PageIngester;
use super::page::Page;
use super::seen::{Seen, Window};
use super::settings::Settings;
use super::side_by_side::SideBySide;
use super::slice::{Read, Slice, Trouble, events_per_slice};
use crate::telemetry::metrics;

/// The largest page that is tried to get a window into one answer.
const LARGEST_PAGE: u64 = 1_000;
/// No slice has more pages than this, whatever its `total` says.
const MOST_PAGES: u64 = 10_000;
/// After so many slices in a row whose `total` contradicts what one answer shows, it isn't worth extra requests.
const DISTRUST_AFTER: u32 = 3;
/// The most users that one query may name, by the documentation of the API.
const USERS_PER_QUERY: usize = 500;

/// Reads slices.
pub struct Reader {
    /// The settings.
    pub settings: Settings,
    /// The API.
    pub client: Client,
    /// Where pages go.
    pub ingester: PageIngester,
    /// The largest page size that the server was seen to honour less than asked; 0 while unknown.
    pub page_cap: AtomicU32,
    /// Slices in a row whose `total` contradicted what was seen.
    pub distrust: AtomicU32,
}

/// One reading of all pages of a query.
#[derive(Debug, Default)]
struct Pass {
    /// The largest `total` of the answers; `None` if the last had none.
    total: Option<u64>,
    /// How many pages there were.
    pages: u64,
    /// On how many pages each second was seen.
    seconds: BTreeMap<i64, u32>,
}

impl Pass {
    fn add(&mut self, seconds: HashSet<i64>, total: Option<u64>) {
        // The set may grow while it is paged. The largest `total` counts every event that any of the pages could show.
        self.total = self.total.max(total).filter(|_| total.is_some());
        for second in seconds {
            *self.seconds.entry(second).or_default() += 1;
        }
    }
}

impl Reader {
    /// Reads `range`. `first_guess` answers [`Read::TooMany`] where it has far more events than a slice should.
    pub async fn read(
        self: &Arc<Self>,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_guess: bool,
    ) -> Result<Read, Trouble> {
        let mut per_page = self.settings.page_size;
        loop {
            match self.read_by(range.clone(), priority, group, first_guess, per_page).await {
                Err(Trouble::TooLarge) if per_page > 1 => per_page = per_page.div_ceil(2),
                Err(Trouble::TooLarge) => {
                    let reason = "a single event exceeds the response size limit".to_owned();
                    return Err(Trouble::Unreadable(reason));
                }
                result => return result,
            }
        }
    }

    async fn read_by(
        self: &Arc<Self>,
        range: Range<i64>,
        priority: Priority,
        group: u64,
        first_guess: bool,
        per_page: u32,
    ) -> Result<Read, Trouble> {
        let mut window = Window::around(range.start, range.end);
        let first = self.client.ask(&query(window.asked(), 1, per_page, &[]), priority).await.map_err(trouble)?;
        // The server's clock may be behind ours: what it can't know yet isn't covered.
        let lag = i64::try_from(self.settings.lag.as_secs()).unwrap_or(0);
        let until = first.server_time.map_or(range.end, |server| range.end.min(server - lag));
        if until <= range.start {
            let (events, acknowledged, awaited) = (0, 0, BTreeSet::new());
            return Ok(Read::Done { until: range.start, proven: true, events, acknowledged, awaited });
        }
        let range = range.start..until;
        let target = events_per_slice(self.settings.concurrency, per_page);
        let total = first.total.unwrap_or(0);
        let full = first.elements.len() as u64 >= page_size(&first, per_page);
        if first_guess && full && total > 2 * target && range.end - range.start > 1 {
            let seconds = i128::from(range.end - range.start) * i128::from(target) / i128::from(total);
            let seconds = i64::try_from(seconds).unwrap_or(1).clamp(1, (range.end - range.start + 1) / 2);
            return Ok(Read::TooMany { until: range.start + seconds, total });
        }
        let reading = self.ingester.registry.begin();
        let known = self.ingester.known(range.clone()).await?;
        let pages = total.div_ceil(page_size(&first, per_page));
        let mut slice = Slice {
            range,
            priority,
            group,
            known: known.into_iter().map(|known| known.id).collect(),
            apart: None,
            seen: Seen::default(),
            per_page,
            // The count is the other side's word.
            budget: if self.distrusts() { 0 } else { pages.saturating_mul(8).saturating_add(200) },
            contradicted: false,
            awaited: BTreeSet::new(),
            _reading: reading,
        };
        let pass = self.pass(&mut slice, &mut window, per_page, &[], Some(first)).await?;
        let proven = self.prove(&mut slice, &mut window, pass).await?;
        if proven {
            self.distrust.store(0, Ordering::Relaxed);
        } else {
            self.distrust.fetch_add(u32::from(slice.contradicted), Ordering::Relaxed);
            self.ingester.telemetry.add(&metrics::UNPROVEN_SLICES, 1);
        }
        let events = slice.seen.count(&window);
        let acknowledged = slice.acknowledged();
        Ok(Read::Done { until: slice.range.end, proven, events, acknowledged, awaited: slice.awaited })
    }

    /// How many events a slice should have.
    pub fn events_per_slice(&self) -> u64 {
        events_per_slice(self.settings.concurrency, self.settings.page_size)
    }

    /// Whether the API's `total` is known to be wrong, or not there.
    pub fn distrusts(&self) -> bool {
        self.distrust.load(Ordering::Relaxed) >= DISTRUST_AFTER
    }

    /// `total` of a window of whole days, with one cheap request. For the audit.
    pub async fn total(&self, range: &Range<i64>) -> Result<Option<u64>, Trouble> {
        let window = Window::around(range.start, range.end);
        let page = self.client.ask(&query(window.asked(), 1, 1, &[]), Priority::History).await.map_err(trouble)?;
        Ok(page.total)
    }

    /// Reads all pages of a query, optionally for some users only, and takes them in.
    async fn pass(
        &self,
        slice: &mut Slice,
        window: &mut Window,
        per_page: u32,
        users: &[String],
        first: Option<Page>,
    ) -> Result<Pass, Trouble> {
        let priority = slice.priority;
        let asked = window.asked();
        let ask = |page: u64| {
            let query = query(asked, page, per_page, users);
            async move { Ok((page, self.client.ask(&query, priority).await.map_err(trouble)?)) }
        };
        let first = match first {
            Some(page) => page,
            None => ask(1).await?.1,
        };
        let size = page_size(&first, per_page);
        if u64::from(per_page) > size && first.total.is_some_and(|total| total > size) {
            self.page_cap.fetch_max(u32::try_from(size).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
        let mut pass = Pass { pages: 1, ..Pass::default() };
        let believable = |total: &u64| total.div_ceil(size) <= MOST_PAGES;
        let Some(total) = first.total.filter(believable) else {
            return self.pass_without_total(slice, window, per_page, users, first).await;
        };
        let mut last = total.div_ceil(size).max(1);
        let mut questions = SideBySide::new((2..=last).map(ask), self.settings.concurrency);
        pass.pages += last - 1;
        slice.budget = slice.budget.saturating_sub(last);
        let absorbed = self.ingester.ingest(slice, window, &first).await?;
        pass.add(absorbed.seconds, Some(total));
        let mut full = last == 1 && absorbed.elements >= size;
        while let Some(page) = questions.next().await {
            let (number, page) = page?;
            let absorbed = questions.meanwhile(self.ingester.ingest(slice, window, &page)).await?;
            pass.add(absorbed.seconds, page.total.or(pass.total));
            full |= number == last && absorbed.elements >= size;
        }
        drop(questions);
        // A last page that is full: only the page behind it shows that `total` wasn't too low.
        while full && last < MOST_PAGES {
            last += 1;
            let (_, page) = ask(last).await?;
            let absorbed = self.ingester.ingest(slice, window, &page).await?;
            pass.add(absorbed.seconds, page.total.or(pass.total));
            pass.pages += u64::from(absorbed.elements > 0);
            full = absorbed.elements >= size;
        }
        Ok(pass)
    }

    /// Without a `total` there is nothing to add up to: read until a page brings nothing.
    async fn pass_without_total(
        &self,
        slice: &mut Slice,
        window: &mut Window,
        per_page: u32,
        users: &[String],
        first: Page,
    ) -> Result<Pass, Trouble> {
        let mut page = first;
        for number in 2..MOST_PAGES {
            let before = slice.seen.observations.len();
            let absorbed = self.ingester.ingest(slice, window, &page).await?;
            if absorbed.elements == 0 || slice.seen.observations.len() == before {
                break;
            }
            let question = query(window.asked(), number, per_page, users);
            page = self.client.ask(&question, slice.priority).await.map_err(trouble)?;
        }
        Ok(Pass::default())
    }

    /// Whether a window adds up after a pass, with whatever further questions it takes.
    fn prove<'a>(
        self: &'a Arc<Self>,
        slice: &'a mut Slice,
        window: &'a mut Window,
        pass: Pass,
    ) -> BoxFuture<'a, Result<bool, Trouble>> {
        Box::pin(async move {
            let Some(mut total) = pass.total else {
                slice.contradicted = true;
                return Ok(false);
            };
            if self.adds_up(slice, window, total).await? {
                return Ok(true);
            }
            // Everything stood on one page, and still it doesn't add up: once more, then `total` is what is wrong.
            if pass.pages <= 1 || self.fits_one_page(total) {
                if slice.budget == 0 {
                    return Ok(false);
                }
                let size = total.max(u64::from(slice.per_page)).min(LARGEST_PAGE);
                let size = u32::try_from(size).unwrap_or(slice.per_page);
                match self.pass(slice, window, size, &[], None).await {
                    Ok(again) => {
                        total = again.total.unwrap_or(total);
                        if self.adds_up(slice, window, total).await? {
                            return Ok(true);
                        }
                        if again.pages <= 1 {
                            slice.contradicted = true;
                            return Ok(false);
                        }
                    }
                    // A page size that the server refuses: never again.
                    Err(Trouble::Unreadable(_) | Trouble::TooLarge) if size > slice.per_page => {
                        self.page_cap.fetch_max(slice.per_page, Ordering::Relaxed);
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
            if window.to - window.from <= 2 {
                return self.prove_second(slice, window, total).await;
            }
            self.prove_seconds(slice, window, &pass).await?;
            if self.still_adds_up(slice, window, total).await? {
                return Ok(true);
            }
            self.prove_halves(slice, window).await
        })
    }

    /// The straddling seconds, each alone, some of them side by side: their answers add to the same sightings.
    async fn prove_seconds(self: &Arc<Self>, slice: &mut Slice, window: &Window, pass: &Pass) -> Result<(), Trouble> {
        let straddling = pass.seconds.iter().filter(|(_, pages)| **pages > 1).map(|(second, _)| *second);
        let straddling: Vec<i64> = straddling.filter(|second| window.surely_holds(Some(*second))).collect();
        let (per_page, priority) = (slice.per_page, slice.priority);
        for some in straddling.chunks(self.settings.concurrency.max(1)) {
            // All of these are answered before the first is taken in: what a second takes besides needs places, too.
            let questions = some.iter().map(|second| async move {
                let window = Window::around(*second, second + 1);
                let first = self.client.ask(&query(window.asked(), 1, per_page, &[]), priority).await;
                Ok((window, first.map_err(trouble)?))
            });
            for (mut alone, first) in try_join_all(questions).await? {
                if slice.budget == 0 {
                    return Ok(());
                }
                let pass = self.pass(slice, &mut alone, per_page, &[], Some(first)).await?;
                let total = pass.total.unwrap_or(u64::MAX);
                if !self.adds_up(slice, &alone, total).await? {
                    self.prove_second(slice, &mut alone, total).await?;
                }
            }
        }
        Ok(())
    }

    /// Both halves for themselves; proven if both are.
    async fn prove_halves(self: &Arc<Self>, slice: &mut Slice, window: &Window) -> Result<bool, Trouble> {
        let (from, to) = (window.from + 1, window.to);
        let middle = from + (to - from) / 2;
        let mut proven = true;
        for half in [from..middle, middle..to] {
            if slice.budget == 0 {
                return Ok(false);
            }
            let mut window = Window::around(half.start, half.end);
            let pass = self.pass(slice, &mut window, slice.per_page, &[], None).await?;
            proven &= self.prove(slice, &mut window, pass).await?;
        }
        Ok(proven)
    }

    /// One second that doesn't fit one page: with other page sizes, so that other events meet at the page ends, and
    /// user by user, so that a user's events stand in one answer.
    async fn prove_second(&self, slice: &mut Slice, window: &mut Window, total: u64) -> Result<bool, Trouble> {
        let mut total = total;
        for round in 0..6 {
            let users = slice.seen.users(window);
            let page = self.effective(slice.per_page);
            let most = (page / 2).max(1);
            let mut together: Vec<String> = Vec::new();
            let mut events = 0;
            for (at, (user, number)) in users.iter().enumerate() {
                together.push(user.clone());
                events += number;
                let next = users.get(at + 1).map_or(u32::MAX, |(_, number)| *number);
                if events.saturating_add(next) > most || together.len() == USERS_PER_QUERY {
                    if slice.budget == 0 {
                        return Ok(false);
                    }
                    self.pass(slice, window, page, &together, None).await?;
                    together.clear();
                    events = 0;
                }
            }
            if self.still_adds_up(slice, window, total).await? {
                return Ok(true);
            }
            if slice.budget == 0 {
                return Ok(false);
            }
            // 7/8, 6/8 … of the size: no page begins where one began before.
            let size = (page * (7 - round) / 8).max(1);
            let pass = self.pass(slice, window, size, &[], None).await?;
            let Some(stated) = pass.total else { return Ok(false) };
            total = stated;
            // This pass's `total` is newer than all that was seen before it.
            if self.adds_up(slice, window, total).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The page size that the server really gives when asked for this one.
    fn effective(&self, asked: u32) -> u32 {
        match self.page_cap.load(Ordering::Relaxed) {
            0 => asked,
            cap => asked.min(cap),
        }
    }

    /// Whether a larger page may hold the whole window.
    fn fits_one_page(&self, total: u64) -> bool {
        let cap = u64::from(self.page_cap.load(Ordering::Relaxed));
        total <= LARGEST_PAGE && (cap == 0 || total <= cap)
    }

    /// The proof with events that were seen after `total` was stated: `total` must still be the same, or one event
    /// that came meanwhile could stand in for one that is missing.
    async fn still_adds_up(&self, slice: &mut Slice, window: &Window, total: u64) -> Result<bool, Trouble> {
        if slice.seen.count(window) != total {
            return Ok(false);
        }
        let page = self.client.ask(&query(window.asked(), 1, 1, &[]), slice.priority).await.map_err(trouble)?;
        Ok(page.total == Some(total) && self.adds_up(slice, window, total).await?)
    }

    /// The proof; once it holds, the further copies of identical events may flow.
    async fn adds_up(&self, slice: &mut Slice, window: &Window, total: u64) -> Result<bool, Trouble> {
        if slice.seen.count(window) != total {
            return Ok(false);
        }
        self.ingester.send_twins(slice, window).await?;
        Ok(true)
    }
}

fn query((from, to): (i64, i64), page: u64, per_page: u32, users: &[String]) -> Query {
    Query { timestamp_from: from, timestamp_to: to, page, per_page, user_uuids: users.to_vec() }
}

/// The page size that the server really used: it may give less than it was asked for.
fn page_size(first: &Page, asked: u32) -> u64 {
    let shown = first.elements.len() as u64;
    let stated = first.size.filter(|stated| (1..=u64::from(asked)).contains(stated));
    stated.unwrap_or(if shown > 0 { shown } else { u64::from(asked) }).max(1)
}

fn trouble(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::Ending => Trouble::Ending,
        Refusal::Unreadable(reason) => Trouble::Unreadable(reason),
        Refusal::TooLarge => Trouble::TooLarge,
    }
}

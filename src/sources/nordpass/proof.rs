//! Proves that nothing is missing in a time window, with as many queries as it takes. See [`super::reader`].
//!
//! A proof may go through twenty nested halves. Each step is boxed, so that the stack holds only pointers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::{BoxFuture, try_join_all};

use super::client::Client;
use super::context::ReadContext;
use super::count_check::{hides_events, is_doubtful};
use super::error::ReadError;
use super::ingest::{Ingested, PageIngester};
use super::observations::Window;
use super::page::Page;
use super::query::Query;
use super::side_by_side::SideBySide;
use super::slice::Slice;

/// Largest page tried to fit a window into one response.
const LARGEST_PAGE: u64 = 1_000;
/// Maximum pages of a slice, whatever its `total` says.
const MOST_PAGES: u64 = 10_000;
/// Maximum users per query, by the API's documentation.
const USERS_PER_QUERY: usize = 500;

/// Requests pages and ingests them.
pub struct Pages {
    /// Shared with the rest of the reading code.
    pub context: Arc<ReadContext>,
    /// The API.
    pub client: Arc<Client>,
    /// Ingests the pages.
    pub ingester: PageIngester,
    /// The largest page size that the server used when asked for more; 0 while unknown.
    pub page_cap: AtomicU32,
}

impl Pages {
    /// The page size that the server really uses when asked for this one.
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
}

/// A window of a slice that is being read and proven.
pub struct Proof<'a> {
    /// Requests its pages.
    pub pages: &'a Pages,
    /// The slice.
    pub slice: &'a mut Slice,
    /// The window.
    pub window: Window,
    /// Its `total` is capped and proves nothing, so its parts must be read.
    pub capped: bool,
}

/// One pass over all pages of a query.
#[derive(Debug, Default)]
pub struct Pass {
    /// The largest `total` of the responses; `None` if the last had none.
    total: Option<u64>,
    /// The number of pages.
    pages: u64,
    /// The number of pages on which each second was seen.
    seconds: BTreeMap<i64, u32>,
}

impl Pass {
    fn add(&mut self, seconds: HashSet<i64>, total: Option<u64>) {
        // The set may grow during the pass. The largest `total` counts every event that any page could show.
        self.total = self.total.max(total).filter(|_| total.is_some());
        for second in seconds {
            *self.seconds.entry(second).or_default() += 1;
        }
    }
}

impl Proof<'_> {
    /// Reads and ingests all pages of a query, optionally for some users only.
    pub fn pass<'a>(
        &'a mut self,
        per_page: u32,
        users: &'a [String],
        first: Option<Page>,
    ) -> BoxFuture<'a, Result<Pass, ReadError>> {
        Box::pin(async move {
            let (pages, asked, priority) = (self.pages, self.window.asked(), self.slice.priority);
            let ask = |page: u64| {
                let query = Query::new(asked, page, per_page, users);
                async move { pages.client.ask(&query, priority).await.map(|answer| (page, answer)) }
            };
            let first = match first {
                Some(page) => page,
                None => ask(1).await?.1,
            };
            let size = page_size(&first, per_page);
            if u64::from(per_page) > size && first.total.is_some_and(|total| total > size) {
                self.pages.page_cap.fetch_max(u32::try_from(size).unwrap_or(u32::MAX), Ordering::Relaxed);
            }
            let mut pass = Pass { pages: 1, ..Pass::default() };
            let believable = |total: &u64| total.div_ceil(size) <= MOST_PAGES;
            let Some(total) = first.total.filter(believable) else {
                return self.pass_without_total(per_page, users, first).await;
            };
            let mut last = total.div_ceil(size).max(1);
            let mut queries = SideBySide::new((2..=last).map(ask), self.pages.context.settings.concurrency);
            pass.pages += last - 1;
            self.slice.budget = self.slice.budget.saturating_sub(last);
            let ingested = self.ingest(&first).await?;
            pass.add(ingested.seconds, Some(total));
            let mut full = last == 1 && ingested.elements >= size;
            while let Some(page) = queries.next().await {
                let (number, page) = page?;
                let ingested = queries.meanwhile(self.ingest(&page)).await?;
                pass.add(ingested.seconds, page.total.or(pass.total));
                full |= number == last && ingested.elements >= size;
            }
            drop(queries);
            // The last page is full: only the next one shows that `total` wasn't too low.
            while full && last < MOST_PAGES {
                last += 1;
                let (_, page) = ask(last).await?;
                let ingested = self.ingest(&page).await?;
                pass.add(ingested.seconds, page.total.or(pass.total));
                pass.pages += u64::from(ingested.elements > 0);
                full = ingested.elements >= size;
            }
            Ok(pass)
        })
    }

    async fn ingest(&mut self, page: &Page) -> Result<Ingested, ReadError> {
        self.pages.ingester.ingest(self.slice, &mut self.window, page).await
    }

    /// A proof of a part of the window.
    fn narrowed(&mut self, window: Window) -> Proof<'_> {
        Proof { pages: self.pages, slice: self.slice, window, capped: false }
    }

    /// Reads until a page brings nothing new, because without a `total` there is nothing to add up to.
    async fn pass_without_total(&mut self, per_page: u32, users: &[String], first: Page) -> Result<Pass, ReadError> {
        let mut page = first;
        for number in 2..MOST_PAGES {
            let before = self.slice.observations.by_id.len();
            let ingested = self.ingest(&page).await?;
            if ingested.elements == 0 || self.slice.observations.by_id.len() == before {
                break;
            }
            let query = Query::new(self.window.asked(), number, per_page, users);
            page = self.pages.client.ask(&query, self.slice.priority).await?;
        }
        Ok(Pass::default())
    }

    /// Whether a window adds up after a pass, with as many further queries as it takes.
    pub fn prove(&mut self, pass: Pass) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(async move {
            let Some(mut total) = pass.total else {
                self.slice.contradicted = true;
                return Ok(false);
            };
            if self.adds_up(total).await? {
                return Ok(true);
            }
            // One page holds everything, and it still doesn't add up. Read once more; then `total` is wrong.
            if !self.capped && (pass.pages <= 1 || self.pages.fits_one_page(total)) {
                if self.slice.budget == 0 {
                    return Ok(false);
                }
                let size = total.max(u64::from(self.slice.per_page)).min(LARGEST_PAGE);
                let size = u32::try_from(size).unwrap_or(self.slice.per_page);
                match self.pass(size, &[], None).await {
                    Ok(again) => {
                        total = again.total.unwrap_or(total);
                        if self.adds_up(total).await? {
                            return Ok(true);
                        }
                        if again.pages <= 1 && !self.capped {
                            self.slice.contradicted = true;
                            return Ok(false);
                        }
                    }
                    // The server refuses this page size: don't try it again.
                    Err(ReadError::Unreadable(_) | ReadError::TooLarge) if size > self.slice.per_page => {
                        self.pages.page_cap.fetch_max(self.slice.per_page, Ordering::Relaxed);
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.window.to - self.window.from <= 2 {
                return self.prove_second(total).await;
            }
            if !self.capped {
                self.prove_seconds(&pass).await?;
                if self.still_adds_up(total).await? {
                    return Ok(true);
                }
            }
            self.prove_halves().await
        })
    }

    /// Reads each straddling second alone, several in parallel. Their responses add to the same observations.
    fn prove_seconds<'a>(&'a mut self, pass: &'a Pass) -> BoxFuture<'a, Result<(), ReadError>> {
        Box::pin(async move {
            let straddling = pass.seconds.iter().filter(|(_, pages)| **pages > 1).map(|(second, _)| *second);
            let straddling: Vec<i64> = straddling.filter(|second| self.window.surely_holds(Some(*second))).collect();
            let (pages, per_page, priority) = (self.pages, self.slice.per_page, self.slice.priority);
            for some in straddling.chunks(self.pages.context.settings.concurrency.max(1)) {
                // Await all of these before ingesting the first: a second's further queries need permits, too.
                let queries = some.iter().map(|second| async move {
                    let window = Window::around(*second, second + 1);
                    let query = Query::new(window.asked(), 1, per_page, &[]);
                    pages.client.ask(&query, priority).await.map(|first| (window, first))
                });
                for (window, first) in try_join_all(queries).await? {
                    if self.slice.budget == 0 {
                        return Ok(());
                    }
                    let mut alone = self.narrowed(window);
                    let pass = alone.pass(per_page, &[], Some(first)).await?;
                    let total = pass.total.unwrap_or(u64::MAX);
                    if !alone.adds_up(total).await? {
                        alone.prove_second(total).await?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Proves each half separately.
    fn prove_halves(&mut self) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(async move {
            let (from, to) = (self.window.from + 1, self.window.to);
            let middle = from + (to - from) / 2;
            let mut proven = true;
            for half in [from..middle, middle..to] {
                if self.slice.budget == 0 {
                    return Ok(false);
                }
                let per_page = self.slice.per_page;
                let mut half = self.narrowed(Window::around(half.start, half.end));
                let pass = half.pass(per_page, &[], None).await?;
                proven &= half.prove(pass).await?;
            }
            Ok(proven)
        })
    }

    /// Proves one second that doesn't fit one page: with other page sizes, which move the page boundaries, and user by
    /// user, which puts a user's events into one response.
    fn prove_second(&mut self, total: u64) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(async move {
            let mut total = total;
            for round in 0..6 {
                let users = self.slice.observations.users(&self.window);
                let page = self.pages.effective(self.slice.per_page);
                let most = (page / 2).max(1);
                let mut together: Vec<String> = Vec::new();
                let mut events = 0;
                for (at, (user, number)) in users.iter().enumerate() {
                    together.push(user.clone());
                    events += number;
                    let next = users.get(at + 1).map_or(u32::MAX, |(_, number)| *number);
                    if events.saturating_add(next) > most || together.len() == USERS_PER_QUERY {
                        if self.slice.budget == 0 {
                            return Ok(false);
                        }
                        self.pass(page, &together, None).await?;
                        together.clear();
                        events = 0;
                    }
                }
                if self.still_adds_up(total).await? {
                    return Ok(true);
                }
                // For a capped second, no other query shows more than those by user.
                if self.slice.budget == 0 || self.capped {
                    return Ok(false);
                }
                // 7/8, 6/8 … of the size, so that no page begins where one began before.
                let size = (page * (7 - round) / 8).max(1);
                let pass = self.pass(size, &[], None).await?;
                let Some(stated) = pass.total else { return Ok(false) };
                total = stated;
                // This pass's `total` is newer than everything seen before it.
                if self.adds_up(total).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The proof with events seen after `total` was stated. `total` must be unchanged, or a new event could make up for
    /// a missing one.
    async fn still_adds_up(&mut self, total: u64) -> Result<bool, ReadError> {
        if self.slice.observations.count(&self.window) != total {
            return Ok(false);
        }
        let page = self.pages.client.ask(&Query::smallest(self.window.asked()), self.slice.priority).await?;
        Ok(page.total == Some(total) && self.adds_up(total).await?)
    }

    /// Checks the proof. Once it holds, sends the further copies of identical events.
    fn adds_up(&mut self, total: u64) -> BoxFuture<'_, Result<bool, ReadError>> {
        Box::pin(async move {
            if self.capped || self.slice.observations.count(&self.window) != total {
                return Ok(false);
            }
            let page = u64::from(self.pages.effective(self.slice.per_page));
            if self.slice.repeated || is_doubtful(total, page) {
                let seen = (&self.window, &self.slice.observations);
                self.slice.budget = self.slice.budget.saturating_sub(3);
                self.capped = hides_events(&self.pages.client, seen, total, self.slice.priority).await?;
                if self.capped {
                    return Ok(false);
                }
            }
            self.pages.ingester.send_twins(self.slice, &self.window).await?;
            Ok(true)
        })
    }
}

/// The page size that the server really used, which may be smaller than requested.
pub fn page_size(first: &Page, asked: u32) -> u64 {
    let shown = first.elements.len() as u64;
    let stated = first.size.filter(|stated| (1..=u64::from(asked)).contains(stated));
    stated.unwrap_or(if shown > 0 { shown } else { u64::from(asked) }).max(1)
}

//! Runs queries in parallel, and keeps polling them while their responses are processed.
//!
//! A query that isn't polled keeps its permit, and perhaps the next turn of the rate limit. So code that waits for
//! something else (a disk that refuses a dead letter, a full pipeline) must keep polling them, or live polls would wait
//! with it.

use std::{collections::VecDeque, future::Future};

use futures::{StreamExt, stream::FuturesUnordered};

/// Queries, of which at most `most` are in flight or unconsumed.
pub struct SideBySide<I: Iterator>
where
    I::Item: Future,
{
    queries: I,
    under_way: FuturesUnordered<I::Item>,
    answered: VecDeque<<I::Item as Future>::Output>,
    most: usize,
}

impl<I: Iterator> SideBySide<I>
where
    I::Item: Future,
{
    /// Starts no query before [`next`](Self::next) is called.
    pub fn new(queries: I, most: usize) -> Self {
        Self { queries, under_way: FuturesUnordered::new(), answered: VecDeque::new(), most: most.max(1) }
    }

    /// Returns the next response in order of arrival; `None` once all are consumed.
    pub async fn next(&mut self) -> Option<<I::Item as Future>::Output> {
        while self.under_way.len() + self.answered.len() < self.most {
            let Some(query) = self.queries.next() else { break };
            self.under_way.push(query);
        }
        match self.answered.pop_front() {
            Some(answer) => Some(answer),
            None => self.under_way.next().await,
        }
    }

    /// Runs `other` while the queries in flight continue. Starts no further query.
    pub async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                biased;
                result = &mut other => return result,
                Some(answer) = self.under_way.next(), if !self.under_way.is_empty() => self.answered.push_back(answer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn queries_go_on_while_something_else_is_waited_for_and_no_more_are_asked() {
        let (asked, began) = (Cell::new(0), Instant::now());
        let queries = (0..10_u64).map(|number| {
            asked.set(asked.get() + 1);
            async move {
                sleep(Duration::from_secs(number)).await;
                (number, began.elapsed().as_secs())
            }
        });
        let mut queries = SideBySide::new(queries, 3);
        assert_eq!(queries.next().await, Some((0, 0)));
        queries.meanwhile(sleep(Duration::from_secs(100))).await;
        assert_eq!(asked.get(), 3);
        assert_eq!(queries.next().await, Some((1, 1)), "answered long ago");
        assert_eq!(queries.next().await, Some((2, 2)));
        let mut rest = Vec::new();
        while let Some((number, _)) = queries.next().await {
            rest.push(number);
        }
        assert_eq!(rest, (3..10).collect::<Vec<_>>());
    }
}

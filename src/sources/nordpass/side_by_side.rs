//! Queries that are made side by side, and stay under way while their answers are worked on.
//!
//! Each query holds a permit, and perhaps the next turn of the rate limit, until it is polled again. Code that waits for
//! something else meanwhile (a disk that refuses a dead letter, a full pipeline) therefore has to keep polling them, or
//! live polls would wait with it.

use std::{collections::VecDeque, future::Future};

use futures::{StreamExt, stream::FuturesUnordered};

/// Queries of which at most `most` are under way, or answered and not taken.
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
    /// None is made before [`next`](Self::next) is called.
    pub fn new(queries: I, most: usize) -> Self {
        Self { queries, under_way: FuturesUnordered::new(), answered: VecDeque::new(), most: most.max(1) }
    }

    /// The next answer, in the order in which they come; `None` once all are taken.
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

    /// Does something else while the queries that are under way go on. No further one is made.
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

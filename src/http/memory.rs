//! The memory that large answers take, for the whole process.
//!
//! A source bounds what it has in flight, but hundreds of sources may each get a large answer at once, and a peer decides
//! how large. So each block of an answer behind the first one is taken from a bound that all of them share. Where that is
//! used up, one answer at a time may go on to its end: no two of them wait for each other.
//!
//! An answer that gets no memory in time, or finds too many waiting, counts as too large, so that it is asked for in smaller
//! pieces. An ordinary page has one block and never comes here.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// A block's length in bytes.
pub const BLOCK: usize = 256 << 10;
/// The blocks that all large answers share: 16 MiB.
const SHARED_BLOCKS: usize = 64;
/// So many answers may wait to be the last. Each of them has its first block, and a buffer of the connection's.
const WAITING: usize = 4;

/// From so many blocks on, an answer's buffer is a large one.
const LARGE_BLOCKS: usize = 4;
/// How long after it was freed a large buffer may still take memory: mimalloc keeps it for a tenth of a second, and longer while
/// others are freed, and a new one lies elsewhere.
const GIVEN_BACK: Duration = Duration::from_secs(1);

static SHARED: Semaphore = Semaphore::const_new(SHARED_BLOCKS);
/// Whoever has it needs no block of the shared ones.
static LAST: Semaphore = Semaphore::const_new(1);
static QUEUE: Semaphore = Semaphore::const_new(WAITING);

/// No memory in time.
#[derive(Debug)]
pub struct NoMemory;

/// What one answer has taken; given back when dropped.
#[derive(Debug, Default)]
pub struct AnswerMemory {
    blocks: Option<SemaphorePermit<'static>>,
    last: Option<SemaphorePermit<'static>>,
}

impl AnswerMemory {
    /// Whether anything was taken.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_none() && self.last.is_none()
    }

    /// Takes one more block.
    pub async fn take_block(&mut self, patience: Duration) -> Result<(), NoMemory> {
        if self.last.is_some() {
            return Ok(());
        }
        if let Ok(block) = SHARED.try_acquire() {
            match &mut self.blocks {
                Some(blocks) => blocks.merge(block),
                None => self.blocks = Some(block),
            }
            return Ok(());
        }
        let _place = QUEUE.try_acquire().map_err(|_| NoMemory)?;
        let last = tokio::time::timeout(patience, LAST.acquire()).await;
        self.last = Some(last.ok().and_then(Result::ok).ok_or(NoMemory)?);
        Ok(())
    }
}

/// The allocator gives a large buffer back to the system a moment after it was freed: until then, it still counts.
impl Drop for AnswerMemory {
    fn drop(&mut self) {
        let taken = (self.blocks.take(), self.last.take());
        let is_large = taken.1.is_some() || taken.0.as_ref().is_some_and(|blocks| blocks.num_permits() >= LARGE_BLOCKS);
        if is_large && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(GIVEN_BACK).await;
                drop(taken);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_share_a_bound_and_one_of_them_always_comes_to_its_end() {
        let patience = Duration::from_secs(30);
        let mut first = AnswerMemory::default();
        for _ in 0..1_000 {
            first.take_block(patience).await.expect("the last one's");
        }
        let mut second = AnswerMemory::default();
        second.take_block(patience).await.expect_err("all of it is taken");
        assert!(second.is_empty());
        drop(first);
        second.take_block(patience).await.expect("it was given back");
    }
}

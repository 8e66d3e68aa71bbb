//! A pool of large buffers.
//!
//! At full speed a gigabyte of text a second is allocated and dropped. If it went back to the system, each page would cost a
//! fault again, and the allocator would keep twice the memory that is in use. The pool belongs to the process, because one
//! component fills a buffer and another drops it.

use nordpass_env::Mutex;
use std::sync::MutexGuard;

/// The smallest capacity in the pool, in bytes: the allocator handles smaller buffers well.
const SMALLEST: usize = 32 << 10;
/// The number of capacities in the pool: [`SMALLEST`] and its doubles.
const CLASSES: usize = 5;
/// The most bytes in the pool.
const MOST: usize = 4 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// An empty buffer with a capacity of at least `bytes`.
pub fn take(bytes: usize) -> Vec<u8> {
    let Some(class) = (0..CLASSES).find(|class| capacity(*class) >= bytes).filter(|_| bytes > SMALLEST / 2) else {
        return Vec::with_capacity(bytes);
    };
    let kept = pool().take(class);
    kept.unwrap_or_else(|| Vec::with_capacity(capacity(class)))
}

/// [`take`] for text.
pub fn take_text(bytes: usize) -> String {
    // An empty buffer is UTF-8.
    String::from_utf8(take(bytes)).unwrap_or_default()
}

/// Returns a buffer to the pool. One that isn't from the pool is dropped: response bodies are as long as their pages, nobody
/// takes such buffers again, and they would only fill the pool.
pub fn give(buffer: Vec<u8>) {
    if class_of(&buffer).is_some() {
        // Dropped outside the lock if the pool is full.
        let _rest = pool().give(buffer);
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock()
}

const fn capacity(class: usize) -> usize {
    SMALLEST << class
}

/// The class whose capacity is exactly this buffer's. A buffer of the pool that grew has doubled, so it has one, too.
fn class_of(buffer: &Vec<u8>) -> Option<usize> {
    (0..CLASSES).find(|class| capacity(*class) == buffer.capacity())
}

struct Pool {
    /// The buffers; the last one returned is taken first, because it is still in the cache.
    classes: [Vec<Vec<u8>>; CLASSES],
    bytes: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { classes: [const { Vec::new() }; CLASSES], bytes: 0 }
    }

    fn take(&mut self, class: usize) -> Option<Vec<u8>> {
        let buffer = self.classes[class].pop()?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn give(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = buffer.capacity();
        let Some(class) = class_of(&buffer).filter(|_| self.bytes + bytes <= MOST) else { return Some(buffer) };
        buffer.clear();
        self.bytes += bytes;
        self.classes[class].push(buffer);
        None
    }
}

/// Bytes whose buffer returns to the pool when the last reader drops them.
pub struct Lent(Vec<u8>);

impl Lent {
    /// Wraps a buffer.
    pub fn bytes(buffer: Vec<u8>) -> bytes::Bytes {
        bytes::Bytes::from_owner(Self(buffer))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_again_by_whoever_it_is_large_enough_for() {
        let mut pool = Pool::new();
        let mut buffer = Vec::with_capacity(capacity(2));
        buffer.extend_from_slice(b"somebody's data");
        let place = buffer.as_ptr();
        assert!(pool.give(buffer).is_none());
        assert!(pool.take(3).is_none(), "too small for these");
        let again = pool.take(2).expect("kept");
        assert_eq!((again.as_ptr(), again.len()), (place, 0), "the same one, and empty");
        assert!(pool.take(2).is_none());
        assert_eq!(pool.bytes, 0);
    }

    #[test]
    fn only_so_much_is_kept_and_nothing_odd() {
        let mut pool = Pool::new();
        let kept = (0..2 * MOST / capacity(4)).filter(|_| pool.give(Vec::with_capacity(capacity(4))).is_none()).count();
        assert_eq!(kept, MOST / capacity(4));
        assert!(Pool::new().give(Vec::with_capacity(2 * capacity(CLASSES - 1))).is_some(), "too large");
        assert!(Pool::new().give(Vec::with_capacity(SMALLEST - 1)).is_some(), "too small");
        assert!(Pool::new().give(Vec::with_capacity(SMALLEST + 1)).is_some(), "not from a pool");
    }

    #[test]
    fn there_is_always_the_room_that_was_asked_for() {
        for bytes in
            [0, 1, SMALLEST / 2, SMALLEST / 2 + 1, SMALLEST, SMALLEST + 1, capacity(CLASSES - 1), capacity(CLASSES)]
        {
            let buffer = take(bytes);
            assert!(buffer.capacity() >= bytes && buffer.is_empty());
            give(buffer);
        }
    }

    #[test]
    fn lent_bytes_are_what_was_lent() {
        let bytes = Lent::bytes(b"abc".to_vec());
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!(part, "bc");
    }
}

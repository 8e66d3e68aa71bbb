//! The clock and the dice, for programs: `now()` and the random functions ask [`Env`], never the machine.
//!
//! A function of the language is made when a program is compiled, and the clock is known when it runs. So they meet on the
//! thread: what runs a program lends it its seams meanwhile.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use nordpass_env::{Clock, Env, Random, SeededRandom};

thread_local! {
    static LENT: RefCell<Option<Seams>> = const { RefCell::new(None) };
}

/// A clock that stands still, for pipeline tests: what they give doesn't change from one day to the next.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(STANDS_AT).unwrap_or_default()
    }
}

/// The time without a clock: 2026-01-01, midnight UTC. An event without a time has it, too, in a dry run.
const STANDS_AT: i64 = 1_767_225_600;

/// What programs see of the world.
#[derive(Clone)]
pub struct Seams {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Those of a dry run: a clock that stands still, and the same numbers each time.
impl Default for Seams {
    fn default() -> Self {
        Self { clock: Arc::new(Standing), random: Arc::new(SeededRandom::new(0)) }
    }
}

impl Seams {
    /// The clock and the dice of a running pipeline.
    pub fn of(env: &Env) -> Self {
        Self { clock: env.clock.clone(), random: env.random.clone() }
    }

    /// Lends them to what runs on this thread until the result is dropped.
    pub fn lend(&self) -> Lent {
        LENT.with_borrow_mut(|lent| *lent = Some(self.clone()));
        Lent
    }
}

/// Takes the seams back.
pub struct Lent;

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.with_borrow_mut(|lent| *lent = None);
    }
}

/// The time, as the program is told.
pub fn now() -> SystemTime {
    let now = LENT.with_borrow(|lent| lent.as_ref().map_or(Standing.now(), |seams| seams.clock.now()));
    SystemTime::try_from(now).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A number of the dice.
pub fn next_u64() -> u64 {
    LENT.with_borrow(|lent| lent.as_ref().map_or(0, |seams| seams.random.next_u64()))
}

/// A number from 0 (included) to 1 (excluded).
pub fn fraction() -> f64 {
    LENT.with_borrow(|lent| lent.as_ref().map_or(0.0, |seams| seams.random.fraction()))
}

/// A UUID of the dice.
pub fn uuid() -> String {
    LENT.with_borrow(|lent| lent.as_ref().map(|seams| seams.random.uuid()).unwrap_or_default())
}

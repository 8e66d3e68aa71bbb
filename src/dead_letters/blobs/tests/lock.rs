//! Who may send dead letters again, and what it notices when that is another process by now.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::super::lock::LEASE;
use super::*;
use crate::component::{Letter, Resend, ResendOutcome};
use crate::dead_letters::marks::MarksLog;
use crate::dead_letters::{Fate, Mark, MarkState, ResendError};
use nordpass_env::Clock;

const LEASES: &str = "comp=lease";

/// A destination that accepts everything, after doing something.
struct Destination {
    meanwhile: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    sent: Mutex<Vec<String>>,
}

fn destination<F: Future<Output = ()> + Send + 'static>(
    meanwhile: impl Fn() -> F + Send + Sync + 'static,
) -> Destination {
    Destination { meanwhile: Box::new(move || Box::pin(meanwhile())), sent: Mutex::default() }
}

impl Resend for Destination {
    fn request_id(&self) -> String {
        format!("request {}", self.sent.lock().unwrap().len())
    }

    fn resend<'a>(&'a self, letter: Letter<'a>, _: &'a str, _: Duration) -> BoxFuture<'a, ResendOutcome> {
        let record = letter.record;
        Box::pin(async move {
            self.sent.lock().unwrap().push(record.to_owned());
            (self.meanwhile)().await;
            ResendOutcome::Accepted
        })
    }
}

async fn nothing() {}

/// A machine's wall clock that can jump.
struct Jumping(TestClock, AtomicU64);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        self.0.now().checked_add(Duration::from_secs(self.1.load(Ordering::Relaxed))).expect("a time")
    }
}

/// Two dead letters to resend.
async fn two_letters(world: &World) {
    let dead_letters = [dead_letter(1, "{\"a\":1}"), dead_letter(2, "{\"a\":2}")];
    assert_eq!(open(&world.process(9).1).await.write(&dead_letters).await.expect("writes"), 2);
}

async fn begin(folder: DeadLetterFolder) -> Result<Resending, ResendError> {
    Resending::begin(folder, Duration::ZERO, false).await
}

/// Sends both dead letters; `then` happens between them.
async fn send(
    world: &World,
    resending: &Resending,
    destination: &dyn Resend,
    mut then: impl FnMut(),
) -> (Vec<Fate>, Result<(), ResendError>) {
    let dead_letters = world.dead_letters().await;
    let mut fates = Vec::new();
    let tell = |_: &StoredDeadLetter, fate| {
        fates.push(fate);
        then();
    };
    let result = resending.send(&dead_letters, destination, &world.1, tell).await;
    (fates, result)
}

async fn states(world: &World) -> Vec<Option<MarkState>> {
    world.dead_letters().await.into_iter().map(|dead_letter| dead_letter.mark.map(|mark| mark.state)).collect()
}

/// Appends a mark on a dead letter of the stream A.
async fn append(log: &mut MarksLog, number: u128, state: MarkState, request_id: &str) -> bool {
    let mark = Mark { state, time: 1, request_id: request_id.to_owned(), status: None, code: None };
    log.append(&EventId(number).to_string(), Some("A"), mark).await.expect("no trouble")
}

#[tokio::test(start_paused = true)]
async fn only_one_process_sends_again_and_a_dead_one_is_not_waited_for() {
    let world = World::new();
    let begin = async |seed| begin(world.process(seed).1).await;
    let first = begin(1).await.expect("begins");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(matches!(begin(2).await, Err(ResendError::Busy)), "the lease is renewed");
    first.end().await;
    let second = begin(2).await.expect("given back");
    drop(second);
    tokio::time::sleep(LEASE).await;
    begin(3).await.expect("the lease of one that died ends").end().await;
}

/// A process that is stopped (SIGSTOP) between two dead letters runs no tasks and no timers. Only the clock tells that
/// its lease is over. So would the response to the next renewal, but too late.
#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_for_longer_than_its_lease_sends_nothing_more() {
    let world = World::new();
    two_letters(&world).await;
    let resending = begin(world.process(1).1).await.expect("begins");
    let when = When { endpoint: Some(Endpoint::Blob), path: Some(LEASES.to_owned()), ..When::default() };
    world.0.faults.add(Fault { delay: Duration::from_secs(3), ..Fault::new(when, Effect::None) });
    let azure = destination(nothing);
    // Poll once, let the time pass, and run nothing else.
    let stop = || assert_eq!(tokio::time::advance(LEASE * 2).now_or_never(), None);
    let (fates, result) = send(&world, &resending, &azure, stop).await;
    assert!(matches!(result, Err(ResendError::Lost)), "{result:?}");
    assert_eq!((fates.len(), azure.sent.lock().unwrap().len()), (1, 1));
    // A lone "resending" warns the next process, which is better than a missing mark.
    assert_eq!(states(&world).await, [Some(MarkState::Resent), Some(MarkState::Resending)]);
}

/// Monotonic time may stop while a machine sleeps. Then the wall clock tells.
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_for_longer_than_the_lease_sends_nothing_more() {
    let world = World::new();
    two_letters(&world).await;
    let clock = Arc::new(Jumping(world.1.clone(), AtomicU64::new(0)));
    let resending = begin(world.folder(1, clock.clone()).1).await.expect("begins");
    let azure = destination(nothing);
    let sleep = || clock.1.store(60, Ordering::Relaxed);
    let (_, result) = send(&world, &resending, &azure, sleep).await;
    assert!(matches!(result, Err(ResendError::Lost)), "{result:?}");
    assert_eq!(azure.sent.lock().unwrap().len(), 1);
}

/// A machine that sleeps while a dead letter waits for its retry doesn't retry after waking.
#[tokio::test(start_paused = true)]
async fn a_machine_that_sleeps_while_it_sends_tries_no_second_time() {
    let world = World::new();
    two_letters(&world).await;
    let clock = Arc::new(Jumping(world.1.clone(), AtomicU64::new(0)));
    let resending = begin(world.folder(1, clock.clone()).1).await.expect("begins");
    let tries = Arc::new(AtomicU64::new(0));
    let tried = tries.clone();
    let azure = destination(move || {
        let (clock, tried) = (clock.clone(), tried.clone());
        async move {
            for _ in 0..2 {
                tried.fetch_add(1, Ordering::Relaxed);
                clock.1.store(60, Ordering::Relaxed);
                // The back-off, before the next renewal.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    let (_, result) = send(&world, &resending, &azure, || {}).await;
    assert!(matches!(result, Err(ResendError::Lost)), "{result:?}");
    assert_eq!(tries.load(Ordering::Relaxed), 1);
}

/// The same in the middle of a dead letter, while waiting for the destination: nothing is sent once another can begin.
#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_while_a_letter_is_sent_ends_the_sending() {
    let world = World::new();
    two_letters(&world).await;
    let resending = begin(world.process(1).1).await.expect("begins");
    let began = Instant::now();
    world.fault(LEASES, &[], 1_000, status(403));
    let azure = destination(|| tokio::time::sleep(Duration::from_secs(3_600)));
    let (fates, result) = send(&world, &resending, &azure, || {}).await;
    assert!(matches!(result, Err(ResendError::Lost)) && fates.is_empty(), "{result:?}");
    assert!(began.elapsed() < LEASE && began.elapsed() > LEASE / 2, "{:?}", began.elapsed());
    assert_eq!(states(&world).await, [Some(MarkState::Resending), None]);
}

/// Renewals that fail for a few seconds don't stop it: the lease lasts.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again() {
    let world = World::new();
    two_letters(&world).await;
    let resending = begin(world.process(1).1).await.expect("begins");
    world.fault(LEASES, &[], 3, status(503));
    let azure = destination(|| tokio::time::sleep(Duration::from_secs(60)));
    let (fates, result) = send(&world, &resending, &azure, || {}).await;
    result.expect("it is held");
    assert_eq!(fates, vec![Fate::Accepted { maybe_twice: false }; 2]);
    assert_eq!(world.0.faults.happened(), [3]);
}

/// Whatever the clocks say, another process's marks prove that it has the lock.
#[tokio::test(start_paused = true)]
async fn marks_of_another_process_mean_that_the_lock_is_lost() {
    let world = World::new();
    two_letters(&world).await;
    let resending = begin(world.process(1).1).await.expect("begins");
    let other = world.process(2).1;
    let azure = destination(move || {
        let other = other.clone();
        async move {
            let mut log = MarksLog::open(&other.folder, "s").await.expect("readable");
            assert!(append(&mut log, 2, MarkState::Resent, "other").await);
        }
    });
    let (fates, result) = send(&world, &resending, &azure, || {}).await;
    assert!(matches!(result, Err(ResendError::Lost)) && fates.is_empty(), "{fates:?} {result:?}");
    // It was accepted and is marked anyway, so that it isn't sent a third time.
    assert_eq!(states(&world).await, [Some(MarkState::Resent); 2]);
    assert_eq!(azure.sent.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn behind_another_process_only_an_acceptance_is_marked() {
    for (state, marked) in [
        (MarkState::Resending, false),
        (MarkState::Unsent, false),
        (MarkState::Refused, false),
        (MarkState::Resent, true),
    ] {
        let world = World::new();
        two_letters(&world).await;
        let (ours, other) = (world.process(1).1, world.process(2).1);
        let open = async |folder: &DeadLetterFolder| MarksLog::open(&folder.folder, "s").await.expect("readable");
        let (mut ours, mut other) = (open(&ours).await, open(&other).await);
        assert!(append(&mut other, 1, MarkState::Resending, "other").await);
        assert!(!append(&mut ours, 1, state, "ours").await, "{state:?}");
        let known = world.dead_letters().await[0].mark.clone().expect("a mark");
        assert_eq!(known.request_id, if marked { "ours" } else { "other" }, "{state:?}");
    }
}

/// A lost response, a full blob, a removed one: no other process has written, so it continues.
#[tokio::test(start_paused = true)]
async fn marks_that_only_this_process_writes_are_no_sign_of_another() {
    const MARKS: &str = "set/dead-letters/s.resent.ndjson";
    const MORE: &str = "set/dead-letters/s.resent.2.ndjson";
    for effect in [Effect::ResetBefore, Effect::ResetAfter, status(503)] {
        for trouble in 0..4 {
            let world = World::new();
            two_letters(&world).await;
            let folder = world.process(1).1;
            let mut log = MarksLog::open(&folder.folder, "s").await.expect("readable");
            for number in 0..3 {
                assert!(append(&mut log, 1, MarkState::Refused, &number.to_string()).await);
            }
            match trouble {
                0 => {}
                1 => world.0.blobs.fill(CONTAINER, MARKS),
                2 => world.0.blobs.remove(CONTAINER, MARKS),
                // The latest of two: then the first is read again.
                _ => {
                    world.0.blobs.fill(CONTAINER, MARKS);
                    assert!(append(&mut log, 2, MarkState::Refused, "3").await);
                    log = MarksLog::open(&folder.folder, "s").await.expect("readable");
                    world.0.blobs.remove(CONTAINER, MORE);
                }
            }
            world.fault("s.resent", &[], 2, effect.clone());
            assert!(append(&mut log, 1, MarkState::Resending, "3").await, "{effect:?} {trouble}");
            assert!(append(&mut log, 1, MarkState::Resent, "3").await, "{effect:?} {trouble}");
            assert_eq!(states(&world).await, [Some(MarkState::Resent), None], "{effect:?} {trouble}");
            assert_eq!(world.0.blobs.content(CONTAINER, MORE).is_some(), trouble % 2 == 1, "{effect:?} {trouble}");
        }
    }
}

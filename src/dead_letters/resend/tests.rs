use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use futures::future::BoxFuture;

use super::*;
use crate::component::DeadLetter;
use crate::dead_letters::write::DeadLetterLog;
use crate::event::EventId;
use nordpass_env::{MemoryDisk, TestClock};

const DIR: &str = "/data";
const PATIENCE: Duration = Duration::from_secs(60);

/// A destination that responds by a script and records what it was sent.
struct Destination {
    answer: Box<dyn Fn(&str) -> ResendOutcome + Send + Sync>,
    sent: Mutex<Vec<String>>,
}

fn destination(answer: impl Fn(&str) -> ResendOutcome + Send + Sync + 'static) -> Destination {
    Destination { answer: Box::new(answer), sent: Mutex::default() }
}

impl Resend for Destination {
    fn request_id(&self) -> String {
        "request".into()
    }

    fn resend<'a>(&'a self, letter: Letter<'a>, _: &'a str, _: Duration) -> BoxFuture<'a, ResendOutcome> {
        let record = letter.record;
        self.sent.lock().unwrap().push(record.to_owned());
        Box::pin(async { (self.answer)(record) })
    }
}

/// A disk with these records as dead letters of the sink `s`.
async fn disk(records: &[&str]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    // The folder itself has existed for long.
    disk.put("/data/lock", "");
    let dead_letters = DeadLetterLog::open(&folder(&disk), "s").await.expect("opens");
    let dead_letter = |(number, record): (usize, &&str)| DeadLetter {
        id: EventId(number as u128),
        shown_id: None,
        organization: None,
        stream: Some("Custom-A".into()),
        reason: "refused".into(),
        status: Some(400),
        code: None,
        request_id: None,
        time: 1,
        record: (*record).to_owned(),
    };
    dead_letters.write(&records.iter().enumerate().map(dead_letter).collect::<Vec<_>>()).await.expect("writes");
    disk
}

fn folder(disk: &MemoryDisk) -> DeadLetterFolder {
    DeadLetterFolder::new(Arc::new(disk.clone()), Path::new(DIR))
}

async fn resend(disk: &MemoryDisk, destination: &Destination, force: bool) -> Vec<Fate> {
    let dead_letters = folder(disk).list().await.expect("reads");
    let resending = Resending::begin(folder(disk), PATIENCE, force).await.expect("nobody else is at work");
    let clock = TestClock::starting_at(Timestamp::UNIX_EPOCH);
    let mut fates = Vec::new();
    resending.send(&dead_letters, destination, &clock, |_, fate| fates.push(fate)).await.expect("the disk works");
    fates
}

async fn states(disk: &MemoryDisk) -> Vec<Option<MarkState>> {
    let dead_letters = folder(disk).list().await.expect("reads");
    dead_letters.into_iter().map(|dead_letter| dead_letter.mark.map(|mark| mark.state)).collect()
}

#[tokio::test]
async fn what_was_accepted_is_not_sent_again_unless_forced() {
    let disk = disk(&[r#"{"a":1}"#, "{\n\"b\":2}"]).await;
    let azure = destination(|_| ResendOutcome::Accepted);
    assert_eq!(resend(&disk, &azure, false).await, vec![Fate::Accepted { maybe_twice: false }; 2]);
    assert_eq!(*azure.sent.lock().unwrap(), [r#"{"a":1}"#, "{\n\"b\":2}"], "whole, line ends or not");
    assert!(matches!(resend(&disk, &azure, false).await[..], [Fate::Before(_), Fate::Before(_)]));
    assert_eq!(azure.sent.lock().unwrap().len(), 2);
    assert_eq!(resend(&disk, &azure, true).await, vec![Fate::Accepted { maybe_twice: true }; 2]);
    assert_eq!(azure.sent.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_refusal_is_marked_and_the_next_letter_goes_on() {
    let disk = disk(&[r#"{"bad":1}"#, r#"{"good":1}"#]).await;
    let refused = || ResendOutcome::Refused { status: 400, code: Some("InvalidRecord".into()) };
    let azure = destination(move |record| if record.contains("bad") { refused() } else { ResendOutcome::Accepted });
    let fates = resend(&disk, &azure, false).await;
    assert_eq!(fates[0], Fate::Refused { status: 400, code: Some("InvalidRecord".into()) });
    assert_eq!(fates[1], Fate::Accepted { maybe_twice: false });
    assert_eq!(states(&disk).await, [Some(MarkState::Refused), Some(MarkState::Resent)]);
}

#[tokio::test]
async fn a_forced_second_time_that_is_refused_takes_the_first_acceptance_not_back() {
    let disk = disk(&[r#"{"a":1}"#]).await;
    resend(&disk, &destination(|_| ResendOutcome::Accepted), false).await;
    let refusal = destination(|_| ResendOutcome::Refused { status: 400, code: None });
    assert_eq!(resend(&disk, &refusal, true).await, [Fate::Refused { status: 400, code: None }]);
    assert_eq!(states(&disk).await, [Some(MarkState::Resent)]);
}

#[tokio::test]
async fn a_destination_that_is_away_is_tried_once() {
    let disk = disk(&[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"c":1}"#]).await;
    let away = destination(|_| ResendOutcome::Unavailable { reason: "503".into(), unsure: false });
    let fates = resend(&disk, &away, false).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Unsent { reason } if reason.contains("503"))), "{fates:?}");
    assert_eq!(away.sent.lock().unwrap().len(), 1);
    assert_eq!(states(&disk).await, [Some(MarkState::Unsent), None, None]);
    let back = destination(|_| ResendOutcome::Accepted);
    assert_eq!(resend(&disk, &back, false).await, vec![Fate::Accepted { maybe_twice: false }; 3]);
}

#[tokio::test]
async fn a_lost_answer_is_remembered() {
    let disk = disk(&[r#"{"a":1}"#]).await;
    resend(&disk, &destination(|_| ResendOutcome::Unavailable { reason: "time-out".into(), unsure: true }), false)
        .await;
    assert_eq!(states(&disk).await, [Some(MarkState::Resending)]);
    // A second one that surely didn't arrive doesn't make the first one sure.
    resend(&disk, &destination(|_| ResendOutcome::Unavailable { reason: "503".into(), unsure: false }), false).await;
    assert_eq!(states(&disk).await, [Some(MarkState::Resending)]);
    let back = destination(|_| ResendOutcome::Accepted);
    assert_eq!(resend(&disk, &back, false).await, [Fate::Accepted { maybe_twice: true }]);
}

#[tokio::test]
async fn what_is_no_object_is_never_sent() {
    let disk = disk(&["[1]", "not JSON", "\"a text\"", "null"]).await;
    let azure = destination(|_| ResendOutcome::Accepted);
    let fates = resend(&disk, &azure, false).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Impossible { .. })), "{fates:?}");
    assert!(azure.sent.lock().unwrap().is_empty());
    assert_eq!(states(&disk).await, [None, None, None, None]);
}

#[tokio::test]
async fn two_at_once_are_one_too_many() {
    let disk = disk(&["{}"]).await;
    let first = Resending::begin(folder(&disk), PATIENCE, false).await.expect("begins");
    assert!(matches!(Resending::begin(folder(&disk), PATIENCE, false).await, Err(ResendError::Busy)));
    drop(first);
    assert!(Resending::begin(folder(&disk), PATIENCE, false).await.is_ok());
}

/// A power cut at each disk operation: the next `resend` never knows more than what happened. A record is there twice
/// only if the cut fell between the acceptance and its mark, and then that is reported.
#[tokio::test]
async fn a_crash_anywhere_is_told_and_doubles_only_what_it_must() {
    for cut in 0.. {
        let disk = disk(&[r#"{"a":1}"#, r#"{"b":1}"#]).await;
        disk.go_down_at(cut);
        let azure = Arc::new(destination(|_| ResendOutcome::Accepted));
        let finished = {
            let work = resend(&disk, &azure, false);
            tokio::select! {
                _ = work => true,
                () = disk.went_down() => false,
            }
        };
        disk.crash(cut);
        let fates = resend(&disk, &azure, false).await;
        for (dead_letter, fate) in [r#"{"a":1}"#, r#"{"b":1}"#].into_iter().zip(&fates) {
            let sent = azure.sent.lock().unwrap().iter().filter(|record| *record == dead_letter).count();
            let told = matches!(fate, Fate::Accepted { maybe_twice: true });
            assert!(sent == 1 || (sent == 2 && told), "cut {cut}: {dead_letter} was sent {sent} times: {fate:?}");
        }
        assert_eq!(states(&disk).await, vec![Some(MarkState::Resent); 2], "cut {cut}");
        if finished {
            assert!(cut >= 4, "each letter has two marks");
            return;
        }
    }
}

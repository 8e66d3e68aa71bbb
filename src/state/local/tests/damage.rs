//! What isn't a usable state is refused with its own text, and not a byte on the disk changes.

use super::super::frame::{self, frame};
use super::super::state::LocalState;
use super::disk::{Fault, TestDisk};
use super::{DAY, NOW, all, key, known, open, origin, path, store};
use crate::component::{CheckpointError, Commit, SourceKey};

/// A disk with a state of three commits in the current run and one in a run before it.
async fn disk() -> TestDisk {
    let disk = TestDisk::default();
    for (run, commits) in [(0, 1), (1, 4)] {
        let source = open(&disk).await.unwrap();
        for number in run..commits {
            source.commit(commit(number)).await.unwrap();
        }
    }
    disk
}

fn commit(number: i64) -> Commit {
    let ids = vec![known(NOW + number, 1), known(NOW - DAY + number, 2), known(0, number.unsigned_abs().into())];
    let document = Some(format!("document {number}").into_bytes());
    Commit { ids, chunks: vec![number.cast_unsigned()], document, ..Commit::default() }
}

/// The error of opening this disk, which must change nothing.
async fn refusal(disk: &TestDisk) -> String {
    let before = disk.contents();
    let asked = store(disk).await.unwrap().is_committed(&origin(1, 1)).await;
    let error = open(disk).await.err().expect("the state must be refused");
    assert_eq!(disk.contents(), before, "nothing on the disk may change");
    assert_eq!(asked.err().map(|error| error.to_string()), Some(error.to_string()), "sinks hear the same");
    assert!(matches!(error, CheckpointError::Unusable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("Nothing was changed") && text.contains("hint: "), "{text}");
    text
}

fn state_of(disk: &TestDisk) -> Vec<u8> {
    disk.contents().remove(&path("state.log")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_damage_has_its_own_text() {
    type Harm = fn(&TestDisk);
    let harms: [(Harm, &str); 13] = [
        (|disk| disk.put(&path("state.log"), b""), "state.log: the file is empty"),
        (|disk| disk.put(&path("state.log"), b"{\"cursor\": 5}"), "state.log: the file is damaged or isn't a state"),
        (|disk| disk.put(&path("state.log"), &frame(b"S")), "state.log: the file is intact, but its content"),
        (|disk| disk.put(&path("state.log"), &vec![0; 17 << 20]), "far too large for this file"),
        (|disk| disk.take(&path("state.log")), "state.log: this file of the state is missing"),
        (|disk| disk.take(&path("runs")), "runs: this file of the state is missing"),
        (|disk| disk.put(&path("runs"), b"junk"), "runs: the file is damaged or isn't a state"),
        (|disk| disk.put(&path("runs"), &state_of(disk)), "runs: the file is intact, but its content"),
        (|disk| disk.put(&path("state.log"), &frame(&[b'S', 3, 9, 9])), "state.log: a newer version"),
        (|disk| disk.put(&path("runs"), &frame(&[b'R', 200])), "(format 200; this version reads up to 2)"),
        (|disk| disk.put(&path("state.log"), &other_state(b'S')), "state.log: this is the state of another source"),
        (
            |disk| disk.put(&path("runs"), &other_state(b'R')),
            "runs: this is the state of the source `other` at https://else",
        ),
        (
            |disk| {
                let file = path("ids/2026-01-10.ids");
                let len = disk.contents()[&file].len();
                disk.put(&file, &disk.contents()[&file][..len - 1]);
            },
            "2026-01-10.ids: the file has 151 bytes, but 152 were committed",
        ),
    ];
    for (harm, expected) in harms {
        let disk = disk().await;
        harm(&disk);
        let text = refusal(&disk).await;
        assert!(text.contains(expected), "{text}\ndoesn't contain: {expected}");
    }
}

fn other_state(kind: u8) -> Vec<u8> {
    let key = SourceKey { name: "other".into(), endpoint: "https://else".into() };
    let payload = if kind == b'S' { LocalState::new(key).encode_log() } else { LocalState::new(key).encode_runs() };
    frame(&payload)
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_another_source_is_recognised() {
    let disk = disk().await;
    let other = SourceKey { endpoint: "https://elsewhere.example.com".into(), ..key() };
    for (from, data) in disk.contents() {
        let to = from.to_string_lossy().replace(&key().id(), &other.id());
        disk.put(std::path::Path::new(&to), &data);
    }
    let before = disk.contents();
    let store = store(&disk).await.unwrap();
    let text = store.open(other).await.err().unwrap().to_string();
    assert!(text.contains("the state of the source `nordpass` at https://api.example.com"), "{text}");
    assert_eq!(disk.contents(), before);
}

/// Where the last commit's frame begins.
fn last_frame(log: &[u8]) -> usize {
    (0..log.len()).rev().find(|&at| frame::last(&log[at..]).is_ok_and(|found| found.is_some())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_torn_tail_is_normal_at_every_byte() {
    let disk = disk().await;
    let whole = state_of(&disk);
    for len in last_frame(&whole)..whole.len() {
        disk.put(&path("state.log"), &whole[..len]);
        let contents = disk.contents();
        let source = open(&disk).await.unwrap();
        assert_eq!(source.document().unwrap(), b"document 2", "{len} of {} bytes", whole.len());
        assert_eq!(all(&source).await.unwrap().len(), 9);
        // The lost commit again, over the ids that it left behind.
        source.commit(commit(3)).await.unwrap();
        assert_eq!(all(&source).await.unwrap().len(), 12);
        drop(source);
        assert_eq!(all(&open(&disk).await.unwrap()).await.unwrap().len(), 12);
        for (path, data) in contents {
            disk.put(&path, &data);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_byte_before_the_last_frame_is_damage() {
    let disk = disk().await;
    let whole = state_of(&disk);
    for at in (0..last_frame(&whole)).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        disk.put(&path("state.log"), &damaged);
        let text = refusal(&disk).await;
        assert!(text.contains("good data follows"), "byte {at}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_ids_are_never_answered() {
    let disk = disk().await;
    let file = path("ids/2026-01-10.ids");
    let whole = disk.contents().remove(&file).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        disk.put(&file, &damaged);
        let error = open(&disk).await.unwrap().known(NOW..NOW + 10).await.expect_err("damage is found");
        assert!(error.to_string().contains("2026-01-10.ids: the known ids are damaged at byte"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_run_that_was_torn_is_a_first_run() {
    let disk = TestDisk::default();
    disk.put(&path("state.log"), b"");
    assert_eq!(open(&disk).await.unwrap().document(), None);
    // `runs` is there, `state.log` isn't yet.
    disk.take(&path("state.log"));
    assert_eq!(open(&disk).await.unwrap().document(), None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_is_an_error_of_its_own() {
    let disk = disk().await;
    let before = disk.contents();
    let store = store(&disk).await.unwrap();
    disk.set_read_only(true);
    let error = store.open(key()).await.err().unwrap();
    assert!(matches!(error, CheckpointError::Disk { .. }), "{error:?}");
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(disk.contents(), before);
    disk.set_read_only(false);
    let source = store.open(key()).await.expect("the disk works again");
    disk.fault_after(0, Fault::Half, false);
    let error = source.commit(commit(4)).await.err().unwrap();
    assert!(error.to_string().contains("2026-01-09.ids: "), "{error}");
    source.commit(commit(4)).await.unwrap();
    assert_eq!(all(&source).await.unwrap().len(), 15);
}

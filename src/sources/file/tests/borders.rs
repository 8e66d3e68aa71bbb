//! The operator's own files: replaced, rotated, copied, cut, half written, in another format.

use std::path::Path;
use std::sync::Arc;

use super::support::{Running, events, pack, recording, settings};
use crate::component::{Commit, SourceState};
use crate::component::{ComponentError, KnownId, SourceKey, Store};
use crate::event::EventId;
use crate::sources::file::Settings;
use crate::state::MemoryStore;
use nordpass_env::{Disk, MemoryDisk};

const FORMATS: [&str; 3] = ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"];

/// A disk with a source's state.
#[derive(Default)]
struct Place {
    disk: MemoryDisk,
    store: MemoryStore,
}

impl Place {
    async fn run(&self, patterns: &[&str]) -> (Vec<String>, Result<(), ComponentError>) {
        let source = Running::start(settings(patterns), &self.disk, Arc::new(self.store.clone()));
        let (records, result) = source.finish().await;
        (records.into_iter().map(|(_, body)| body).collect(), result)
    }

    async fn read(&self, patterns: &[&str]) -> Vec<String> {
        let (bodies, result) = self.run(patterns).await;
        assert_eq!(result, Ok(()));
        bodies
    }

    async fn rename(&self, from: &str, to: &str) {
        self.disk.rename(Path::new(from), Path::new(to)).await.unwrap();
    }
}

/// Of 150 events of a longer recording 50 arrived, of one with the same size none.
#[tokio::test(start_paused = true)]
async fn a_replaced_recording_is_read_whole() {
    let all = events(600, 10);
    for path in FORMATS {
        let place = Place::default();
        for (from, to) in [(0, 100), (100, 250), (250, 400), (400, 420), (420, 421)] {
            place.disk.put(path, recording(path, &all[from..to]));
            assert_eq!(place.read(&[path]).await, all[from..to], "{path} from {from}");
            assert_eq!(place.read(&[path]).await.len(), 0, "{path} is unchanged");
        }
        // The same bytes in another file of that name, and more.
        place.disk.put(path, recording(path, &all[420..421]));
        assert_eq!(place.read(&[path]).await.len(), 0);
        let grown = [recording(path, &all[420..421]), pack(path, format!("{}\n", all[500]).as_bytes())].concat();
        place.disk.put(path, grown);
        assert_eq!(place.read(&[path]).await, all[500..501]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_was_replaced_while_it_was_read_is_read_whole() {
    let (old, new) = (events(90, 10), events(400, 11));
    for path in FORMATS {
        for chunks in [1, 7] {
            let place = Place::default();
            place.disk.put(path, recording(path, &old));
            let slow = Settings { rate: 60, ..settings(&[path]) };
            let mut source = Running::start(slow, &place.disk, Arc::new(place.store.clone()));
            source.take(chunks).await;
            source.kill().await;
            place.disk.put(path, recording(path, &new));
            assert_eq!(place.read(&[path]).await, new, "{path} after {chunks} chunks");
        }
    }
}

/// A rotation is no new recording: not when the file is renamed, packed, or copied and cut.
#[tokio::test(start_paused = true)]
async fn a_rotated_recording_is_read_on_under_its_new_name() {
    let all = events(300, 10);
    let text = |from: usize, to: usize| recording("a", &all[from..to]);
    let place = Place::default();
    let log = Path::new("log");
    place.disk.put("log", text(0, 50));
    assert_eq!(place.read(&["log*"]).await, all[..50]);
    // Renamed, after more was written to it; a new one begins.
    place.disk.append(log, &text(50, 60)).await.unwrap();
    place.rename("log", "log.1").await;
    place.disk.put("log", text(100, 120));
    assert_eq!(place.read(&["log*"]).await, [&all[100..120], &all[50..60]].concat());
    // Packed on the way.
    place.disk.put("log.2.gz", pack("x.gz", &[text(0, 50), text(50, 60)].concat()));
    place.disk.remove(Path::new("log.1")).await.unwrap();
    assert_eq!(place.read(&["log*"]).await.len(), 0);
    // Copied and cut.
    place.disk.append(log, &text(120, 130)).await.unwrap();
    place.disk.put("log.1", [text(100, 120), text(120, 130)].concat());
    place.disk.truncate(log, 0).await.unwrap();
    place.disk.append(log, &text(200, 205)).await.unwrap();
    assert_eq!(place.read(&["log*"]).await, [&all[200..205], &all[120..130]].concat());
    assert_eq!(place.read(&["log*"]).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_files_with_the_same_content_are_two_recordings() {
    let all = events(30, 10);
    let place = Place::default();
    place.disk.put("a", recording("a", &all));
    assert_eq!(place.read(&["?"]).await.len(), 30);
    place.disk.put("b", recording("b", &all));
    assert_eq!(place.read(&["?"]).await.len(), 30, "its name is new, and the old one has it still");
    // After a rotation, too: one of the two new names goes on.
    place.rename("a", "c").await;
    place.disk.put("d", recording("d", &all));
    assert_eq!(place.read(&["?"]).await.len(), 30);
    assert_eq!(place.read(&["?"]).await.len(), 0);
}

/// The first half became a dead letter, and the rest was never read.
#[tokio::test(start_paused = true)]
async fn half_a_last_line_waits_for_its_end() {
    let all = events(10, 10);
    for path in FORMATS {
        let place = Place::default();
        let text = recording("x", &all);
        for end in [0, 1, 40, text.len() / 2, text.len() - 20, text.len() - 1, text.len()] {
            place.disk.put(path, pack(path, &text[..end]));
            let source = Running::start(settings(&[path]), &place.disk, Arc::new(place.store.clone()));
            let telemetry = source.telemetry.clone();
            assert_eq!(source.finish().await.1, Ok(()));
            assert!(!telemetry.render().contains("dead_letters_total{"), "{path}: {end} bytes");
        }
        assert_eq!(place.read(&[path]).await.len(), 0, "{path}");
        let (place, whole) = (Place::default(), text.len() - 1);
        let mut found = Vec::new();
        for end in [whole / 3, whole / 2, whole - 1, whole, whole + 1] {
            place.disk.put(path, pack(path, &text[..end]));
            found.extend(place.read(&[path]).await);
        }
        assert_eq!(found, all, "{path}: each event once");
        // What is complete without a line end was read; whatever follows it is more.
        place.disk.put(path, pack(path, b"{\"n\":1}"));
        assert_eq!(place.read(&[path]).await, ["{\"n\":1}"]);
        place.disk.put(path, pack(path, b"{\"n\":1}{\"n\":2}\n{\"n\":3}\n"));
        assert_eq!(place.read(&[path]).await, ["{\"n\":2}", "{\"n\":3}"]);
    }
}

/// Everything became dead letters, and the run ended well.
#[tokio::test(start_paused = true)]
async fn a_wrong_format_is_refused_and_the_other_files_are_read() {
    let place = Place::default();
    let all = events(3, 10);
    place.disk.put("a", format!("[{}]", all.join(",")));
    place.disk.put("b", recording("b", &all));
    place.disk.put("c", recording("x.gz", &all[..2]).split_off(3));
    let (found, result) = place.run(&["?"]).await;
    assert_eq!(found, all);
    let error = result.unwrap_err();
    assert!(error.message.contains("a doesn't hold one event or API page per line: it's a JSON array"), "{error}");
    assert!(error.hint.unwrap().contains("jq -c '.[]'"));
    assert_eq!(place.run(&["?"]).await.0.len(), 0, "what was read isn't read again");
    place.disk.put("a", recording("a", &all));
    place.disk.put("c", recording("x.gz", &all[..2]));
    assert_eq!(place.read(&["?"]).await.len(), 5);
}

/// What is whole of a damaged file counts, also when another one was read since.
#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_read_on_where_it_stopped() {
    let place = Place::default();
    let all = events(5_000, 100);
    let whole = recording("a.gz", &all[..4_000]);
    place.disk.put("a.gz", whole[..whole.len() / 2].to_vec());
    place.disk.put("b", recording("b", &all[4_000..]));
    let (mut found, result) = place.run(&["*"]).await;
    assert!(result.unwrap_err().message.starts_with("a.gz is damaged before byte"));
    assert!(found.len() > 1_000 && found.ends_with(&all[4_000..]));
    found.truncate(found.len() - 1_000);
    place.disk.put("a.gz", whole);
    found.extend(place.read(&["*"]).await);
    assert!(found == all[..4_000]);
}

/// Version 1 of the state: an unchanged file isn't read again, a grown one is gone on with, and from then on a replaced
/// one is seen.
#[tokio::test(start_paused = true)]
async fn a_state_without_fingerprints_is_believed_where_nothing_speaks_against_it() {
    let all = events(60, 10);
    let old = async |path: &str, size: usize, length: usize, current: Option<&str>| {
        let place = Place::default();
        let key = |purpose: &str| {
            let hash = blake3::hash(format!("{purpose}\0{path}").as_bytes());
            u64::from_be_bytes(hash.as_bytes()[..8].try_into().unwrap())
        };
        let key_of = |name: &str, path: &str| SourceKey { name: name.into(), endpoint: path.into() };
        let state: Arc<dyn SourceState> = place.store.open(key_of("recorded", path)).await.unwrap();
        let id = |key: u64, number: usize| EventId((u128::from(key) << 64) | number as u128);
        let ids = [id(key("finished"), size), id(key(""), length)].map(|id| KnownId { time: 0, id }).to_vec();
        let document =
            current.map(|rest| format!("{{\"version\":1,\"file\":\"{:016x}\",{rest}}}", key("")).into_bytes());
        let ids = if current.is_some() { Vec::new() } else { ids };
        state.commit(Commit { ids, document, ..Commit::default() }).await.unwrap();
        place
    };
    for path in FORMATS {
        let text = recording("x", &all[..20]);
        let packed = pack(path, &text);
        let more = pack(path, &recording("x", &all[20..30]));
        let place = old(path, packed.len(), text.len(), None).await;
        place.disk.put(path, packed.clone());
        assert_eq!(place.read(&[path]).await.len(), 0, "{path} has the size of then");
        place.disk.put(path, recording(path, &all[30..50]));
        assert_eq!(place.read(&[path]).await, all[30..50], "{path} is known by its content now");
        // It has grown.
        let place = old(path, packed.len(), text.len(), None).await;
        place.disk.put(path, [packed.clone(), more.clone()].concat());
        assert_eq!(place.read(&[path]).await, all[20..30], "{path} has grown");
        // In the middle of it, and in the middle of its first line.
        let line = all[0].len() + 1;
        let place = old(path, 0, 0, Some(&format!("\"offset\":{line},\"events\":0"))).await;
        place.disk.put(path, packed.clone());
        assert_eq!(place.read(&[path]).await, all[1..20], "{path}");
        let place = old(path, 0, 0, Some("\"offset\":0,\"events\":2")).await;
        place.disk.put(path, pack(path, format!("{{\"data\":[{}]}}\n", all[..5].join(",")).as_bytes()));
        assert_eq!(place.read(&[path]).await, all[2..5], "{path}");
        // No line begins where it was left, or it is shorter: it can't be the same.
        for other in [&all[..19], &all[..2]] {
            let place = old(path, packed.len(), text.len() + 5, None).await;
            place.disk.put(path, [recording(path, other), more.clone()].concat());
            assert_eq!(place.read(&[path]).await.len(), other.len() + 10, "{path}");
        }
    }
}

#[cfg(unix)]
mod on_disk {
    use std::fs;

    use crate::sources::file::locations::Locations;
    use crate::sources::file::paths::expand;
    use crate::sources::file::reader::Reader;
    use nordpass_env::SystemDisk;

    /// A named pipe ended in "Illegal seek"; a link in a folder wasn't seen at all.
    #[tokio::test]
    async fn what_is_no_regular_file_is_refused_and_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let locations = Locations::disk(std::sync::Arc::new(SystemDisk));
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let error = Reader::open(&locations, &path("pipe")).await.err().expect("no file");
        assert!(error.message.ends_with("it's a named pipe, not a regular file"), "{error}");
        assert!(error.hint.unwrap().contains("type \"stdin\""));
        let error = Reader::open(&locations, folder.path().to_str().unwrap()).await.err().expect("no file");
        assert!(error.hint.unwrap().ends_with("/*\""), "{}", error.message);
        fs::write(path("a.ndjson"), "{}\n").unwrap();
        std::os::unix::fs::symlink("a.ndjson", path("link.ndjson")).unwrap();
        fs::hard_link(path("a.ndjson"), path("same.ndjson")).unwrap();
        let found = expand(&SystemDisk, &[path("*.ndjson")]).await.unwrap();
        assert_eq!(found, ["a.ndjson", "link.ndjson", "same.ndjson"].map(path));
        let mut ids = Vec::new();
        for name in found {
            ids.push(Reader::open(&locations, &name).await.unwrap().stat().id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "one file under three names");
    }
}

//! What survives a crash, and the faults.

use super::*;

const SEEDS: std::ops::Range<u64> = 0..200;

fn path(path: &str) -> &Path {
    Path::new(path)
}

/// A disk with a durable folder `d` and whatever `work` does to it, after a crash by `seed`.
async fn crashed<F: Future<Output = ()>>(seed: u64, work: impl FnOnce(MemoryDisk) -> F) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(path("d")).await.unwrap();
    disk.sync_dir(path("")).await.unwrap();
    work(disk.clone()).await;
    disk.crash(seed);
    disk
}

#[tokio::test]
async fn what_is_synced_survives() {
    for seed in SEEDS {
        let disk = crashed(seed, |disk| async move {
            disk.append(path("d/a"), b"one").await.unwrap();
            disk.sync(path("d/a")).await.unwrap();
            disk.sync_dir(path("./d")).await.unwrap();
        })
        .await;
        assert_eq!(disk.content("d/a").as_deref(), Some(&b"one"[..]));
    }
}

#[tokio::test]
async fn what_is_not_synced_may_be_lost_kept_short_or_torn() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in SEEDS {
        let disk = crashed(seed, |disk| async move {
            disk.append_synced(path("d/a"), b"one").await.unwrap();
            disk.sync_dir(path("d")).await.unwrap();
            disk.append(path("d/a"), b"two").await.unwrap();
        })
        .await;
        let content = disk.content("d/a").unwrap();
        assert!(content.starts_with(b"one"), "the durable part stays");
        seen.insert(content);
    }
    for expected in [&b"one"[..], b"onetwo", b"onet", b"onetw", b"one\0\0\0"] {
        assert!(seen.contains(expected), "{expected:?} never happened");
    }
}

#[tokio::test]
async fn names_need_their_folder_synced_and_folders_theirs() {
    let (mut file_lost, mut file_kept, mut folder_lost) = (0, 0, 0);
    for seed in SEEDS {
        let disk = crashed(seed, |disk| async move { disk.append_synced(path("d/a"), b"x").await.unwrap() }).await;
        if disk.content("d/a").is_some() {
            file_kept += 1;
        } else {
            file_lost += 1;
        }
        let disk = crashed(seed, |disk| async move {
            disk.create_dir_all(path("e/f")).await.unwrap();
            disk.append_synced(path("e/f/a"), b"x").await.unwrap();
            disk.sync_dir(path("e/f")).await.unwrap();
            disk.sync_dir(path("e")).await.unwrap();
        })
        .await;
        folder_lost += usize::from(disk.content("e/f/a").is_none());
    }
    assert!(file_lost > 20 && file_kept > 20 && folder_lost > 20, "{file_lost} {file_kept} {folder_lost}");
}

#[tokio::test]
async fn replace_leaves_the_old_or_the_new_content() {
    for operation in 0..4 {
        for seed in SEEDS {
            let disk = MemoryDisk::new();
            disk.put("d/a", b"old content".to_vec());
            disk.go_down_at(operation);
            tokio::select! {
                _ = disk.replace(path("d/a"), b"new") => {}
                () = disk.went_down() => {}
            }
            disk.crash(seed);
            let content = disk.content("d/a").unwrap();
            assert!(content == b"old content" || content == b"new", "{content:?}");
            // It works again, whatever the crash left behind.
            disk.replace(path("d/a"), b"third").await.unwrap();
            assert_eq!(disk.content("d/a").unwrap(), b"third");
        }
    }
}

#[tokio::test]
async fn a_cut_is_durable_only_once_synced() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in SEEDS {
        let disk = MemoryDisk::new();
        disk.put("a", b"0123456789".to_vec());
        disk.truncate(path("a"), 4).await.unwrap();
        disk.crash(seed);
        lengths.insert(disk.content("a").unwrap().len());
        disk.truncate(path("a"), 2).await.unwrap();
        disk.sync(path("a")).await.unwrap();
        disk.crash(seed);
        assert_eq!(disk.content("a").unwrap(), b"01");
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [4, 10]);
}

#[tokio::test]
async fn full_disk_failures_and_locks() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(5));
    let error = disk.append(path("a"), b"0123456").await.unwrap_err();
    assert_eq!((error.kind(), disk.content("a").unwrap().len()), (io::ErrorKind::StorageFull, 5));
    disk.set_capacity(None);
    disk.fail(0..1, io::ErrorKind::PermissionDenied);
    assert_eq!(disk.sync(path("a")).await.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    disk.sync(path("a")).await.unwrap();
    disk.fail_next_reads(1, io::ErrorKind::Other);
    assert!(disk.read(path("a")).await.is_err() && disk.read(path("a")).await.is_ok());

    let lock = disk.lock(path("l")).await.unwrap();
    assert_eq!(disk.lock(path("l")).await.err().unwrap().kind(), io::ErrorKind::WouldBlock);
    disk.crash(0);
    let second = disk.lock(path("l")).await.unwrap();
    drop(lock);
    assert!(disk.lock(path("l")).await.is_err(), "a lock from before the crash releases nothing");
    drop(second);
    disk.lock(path("l")).await.unwrap();
}

//! What a commit and a query cost, counted in bytes.

use super::disk::TestDisk;
use super::{DAY, NOW, day_before, known, open};
use crate::component::Commit;

const COMMIT_BYTES: u64 = 4096;
const ID_BYTES: u64 = 32;

fn assert_bound(before: u64, disk: &TestDisk, ids: usize, what: &str) {
    let cost = disk.written() - before;
    assert!(cost <= COMMIT_BYTES + ID_BYTES * ids as u64, "{what}: {cost} bytes for {ids} ids");
}

/// 100 days, 16 earlier runs with gaps, a document of 1,500 bytes, gaps in the current run; commits of each shape,
/// enough of them for the log to be written anew several times.
#[tokio::test(start_paused = true)]
async fn a_commit_costs_what_is_new() {
    let disk = TestDisk::default();
    for _ in 0..17 {
        let source = open(&disk).await.unwrap();
        let chunks = (0..400).step_by(2).collect();
        source.commit(Commit { chunks, ..Commit::default() }).await.unwrap();
    }
    let source = open(&disk).await.unwrap();
    let everywhere = |number: u128| (0..99).map(move |day| known(day_before(day), number)).chain([known(0, number)]);
    let mut number = 0;
    for round in 0..120u64 {
        let shapes: [Vec<_>; 5] = [
            vec![],
            vec![known(NOW, 1)],
            everywhere(number).collect(),
            (0..50).map(|n| known(NOW + n, number)).collect(),
            (0..9_000).map(|n| known(NOW - n * 30, number)).collect(),
        ];
        for ids in shapes {
            let before = disk.written();
            let count = ids.len();
            number += 1;
            // Every third chunk isn't acknowledged for a while.
            let chunks = vec![if round < 30 { u64::try_from(number).unwrap() * 3 / 2 } else { 10_000 + round }];
            let document = Some(vec![(number % 251) as u8; 1_500]);
            source.commit(Commit { ids, chunks, document, ..Commit::default() }).await.unwrap();
            assert_bound(before, &disk, count, &format!("round {round}"));
        }
    }
}

/// The longest document fits, too, with 91 full days and the ids of some days in one commit.
#[tokio::test(start_paused = true)]
async fn the_longest_document_fits() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    source
        .commit(Commit { ids: (0..91).map(|day| known(day_before(day), 1)).collect(), ..Commit::default() })
        .await
        .unwrap();
    for number in 0..200u64 {
        let before = disk.written();
        let ids: Vec<_> = (0..12).map(|day| known(day_before(day), number.into())).collect();
        let document = Some(vec![(number % 251) as u8; 3_500]);
        source.commit(Commit { ids, chunks: vec![number], document, ..Commit::default() }).await.unwrap();
        assert_bound(before, &disk, 12, &format!("commit {number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_empty_polls_leaves_the_folder_small() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    let mut largest = 0;
    for minute in 0..1_440u64 {
        let document = Some(format!("{{\"covered\":{minute}}}").into_bytes());
        let before = disk.written();
        source.commit(Commit { document, ..Commit::default() }).await.unwrap();
        assert!(disk.written() - before < 100, "an empty poll costs {} bytes", disk.written() - before);
        largest = largest.max(disk.size());
    }
    let document = vec![7; 3_400];
    for minute in 0..1_440usize {
        let mut document = document.clone();
        document[minute] = 8;
        source.commit(Commit { document: Some(document), ..Commit::default() }).await.unwrap();
        largest = largest.max(disk.size());
    }
    assert!(largest <= (256 << 10) + 1_024, "{largest} bytes");
    let before = disk.written();
    source.commit(Commit::default()).await.unwrap();
    assert_eq!(disk.written(), before, "a commit of nothing writes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_query_reads_its_own_range() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    // Seven days, 100,000 ids each, a commit of 5,000 after the other.
    for day in (0..7).rev() {
        for part in 0..20 {
            let start = day_before(day) + part * 4_320;
            let ids =
                (0..5_000).map(|n| known(start + n * 4_320 / 5_000, (day * 20 + part).unsigned_abs().into())).collect();
            source.commit(Commit { ids, ..Commit::default() }).await.unwrap();
        }
    }
    drop(source);
    let source = open(&disk).await.unwrap();
    let before = disk.bytes_read();
    let found = source.known(day_before(3) + 4_320..day_before(3) + 8_640).await.unwrap();
    assert_eq!(found.len(), 5_000);
    let cost = disk.bytes_read() - before;
    assert!(cost < 5_000 * 20 * 2 + 40 * (16 << 10), "{cost} bytes read, of {} on the disk", disk.size());
}

/// The poll of each minute looks at the last ten again: from memory, and after a restart once from disk.
#[tokio::test(start_paused = true)]
async fn the_overlap_is_read_from_disk_once() {
    let disk = TestDisk::default();
    let source = open(&disk).await.unwrap();
    // An event of a wrong clock, a day ahead, mustn't spoil it.
    source.commit(Commit { ids: vec![known(NOW + DAY, 1)], ..Commit::default() }).await.unwrap();
    let poll = async |source: &std::sync::Arc<dyn crate::component::SourceState>, minute: i64, expected: usize| {
        let end = NOW + minute * 60;
        let overlap = source.known(end - 660..end).await.unwrap();
        assert_eq!(overlap.len(), expected, "minute {minute}");
        let ids = (0..5).map(|n| known(end - 60 + n, minute.unsigned_abs().into())).collect();
        source.commit(Commit { ids, ..Commit::default() }).await.unwrap();
        tokio::time::advance(std::time::Duration::from_mins(1)).await;
    };
    let before = disk.bytes_read();
    for minute in 0..200 {
        poll(&source, minute, usize::try_from(minute.min(11) * 5 - i64::from(minute >= 11) * 5).unwrap()).await;
    }
    assert_eq!(disk.bytes_read(), before, "a first run reads nothing");
    drop(source);
    let source = open(&disk).await.unwrap();
    // The clock of the second store begins at NOW again.
    tokio::time::advance(std::time::Duration::from_mins(200)).await;
    poll(&source, 200, 50).await;
    let before = disk.bytes_read();
    for minute in 201..400 {
        poll(&source, minute, 50).await;
    }
    assert_eq!(disk.bytes_read(), before);
}

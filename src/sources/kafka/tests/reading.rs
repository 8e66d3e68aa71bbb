//! One process.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{Act, GROUP, TOPIC, World, settings};
use nordpass_env::kafka::ErrorCode;
use nordpass_simulator::kafka::Call;

/// Row 15: ArroyoSystems/arroyo#910, an offset that is one off.
#[tokio::test(start_paused = true)]
async fn row_15_the_next_offset_is_committed_and_the_lag_ends_at_zero() {
    let mut world = World::new(3);
    world.write(100, 3);
    let process = world.start("");
    world.settle().await;
    assert_eq!((world.committed(3), world.copies()), (100, 0));
    assert_eq!((process.metric("sentinel_kafka_lag_records"), process.metric("sentinel_kafka_partitions")), (0.0, 3.0));
    world.write(50, 3);
    world.settle().await;
    assert_eq!((world.committed(3), world.copies()), (150, 0));
    process.end().await.expect("ends well");
    // Another one goes on there.
    world.write(5, 3);
    let next = world.start("");
    world.settle().await;
    assert_eq!((world.committed(3), world.copies()), (155, 0));
    next.end().await.expect("ends well");
}

/// Row 1: vector#24215, a later acknowledgement that commits over a failed one.
#[tokio::test(start_paused = true)]
async fn row_1_the_watermark_stops_at_the_first_batch_that_is_not_delivered() {
    let mut world = World::new(1);
    world.write(1, 1);
    let process = world.start("");
    process.sink.script(|numbers| if numbers.contains(&1) { Act::Keep } else { Act::Deliver });
    sleep(Duration::from_secs(5)).await;
    for _ in 0..10 {
        world.write(20, 1);
        sleep(Duration::from_secs(2)).await;
    }
    assert_eq!((world.delivered(), world.broker.committed(GROUP, TOPIC, 0)), (200, None));
    assert!(process.metric("sentinel_oldest_unacknowledged_seconds") > 15.0);
    process.sink.release();
    world.settle().await;
    assert_eq!((world.broker.committed(GROUP, TOPIC, 0), world.copies()), (Some(201), 0));
    process.end().await.expect("ends well");
}

/// Row 2: vector#24543, where Sentinel answers 401 and the offset moves on. A sink that waits keeps its chunks; one that drops them makes
/// the source begin anew from what is committed.
#[tokio::test(start_paused = true)]
async fn row_2_an_hour_without_delivery_loses_nothing() {
    let mut world = World::new(2);
    let process = world.start("");
    process.sink.script(|_| Act::Keep);
    for _ in 0..60 {
        world.write(10, 2);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!((world.committed(2), world.delivered()), (0, 0));
    process.sink.release();
    world.settle().await;
    assert_eq!((world.committed(2), world.copies()), (600, 0));
    process.sink.script(|_| Act::Drop);
    world.write(10, 2);
    let error = process.task.await.expect("no panic").expect_err("a part was dropped");
    assert!(error.begins_anew && error.hint.is_some(), "{error:?}");
    let next = world.start("");
    world.settle().await;
    assert_eq!(world.committed(2), 610);
    next.end().await.expect("ends well");
}

/// Row 10: opentelemetry-collector-contrib#47118, #41333: paused and never resumed; one bad record that holds up all others.
#[tokio::test(start_paused = true)]
async fn row_10_long_back_pressure_pauses_and_poison_passes() {
    let mut world = World::new(2);
    let process = world.start("");
    process.sink.script(|_| Act::Keep);
    // About 33 MB: more than is passed on and queued.
    let pad = "x".repeat(1_000);
    for offset in 0..30_000 {
        let event = format!(
            r#"{{"type":"t","action":"a","organization_uuid":"o","metadata":{{"pad":"{pad}","n":0}},"x":{offset}}}"#
        );
        world.write_odd(offset % 2, Some(&event), &[]);
    }
    sleep(Duration::from_secs(900)).await;
    let kept = process.sink.kept();
    assert!(kept > 0 && process.metric("sentinel_received_records_total") < 30_000.0, "{kept}");
    assert_eq!(world.broker.shares(GROUP), [2], "it polls, so it keeps its partitions");
    world.write_odd(0, Some("no JSON"), &[]);
    world.write_odd(1, Some("[1]"), &[]);
    world.write_odd(0, Some(r#"{"type":"t","action":"a"}"#), &[]);
    world.write_odd(0, Some("{}"), &[("schema", "other/1")]);
    world.write_odd(1, None, &[]);
    world.write(10, 2);
    process.sink.release();
    world.settle().await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.committed(2), 30_000 + 5 + 10);
    let mut reasons: Vec<String> =
        process.dead().iter().map(|dead| dead["reason"].as_str().expect("text").to_owned()).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "its header `schema` isn't nordpass/1: topic nordpass, partition 0, offset 15002",
            "its value isn't a JSON object: topic nordpass, partition 0, offset 15000",
            "its value isn't a JSON object: topic nordpass, partition 1, offset 15000",
            "the event has no organization: topic nordpass, partition 0, offset 15001",
        ]
    );
    process.end().await.expect("ends well");
}

/// Row 13: platformatic/kafka#267, where an error at `OffsetFetch` starts at the log's end.
#[tokio::test(start_paused = true)]
async fn row_13_an_error_at_the_offsets_is_tried_again_and_never_decides_where_to_begin() {
    let mut world = World::new(1);
    world.write(50, 1);
    let process = world.start("");
    world.settle().await;
    process.end().await.expect("ends well");
    world.write(10, 1);
    world.broker.next_calls(Call::Committed, [ErrorCode::STALE_MEMBER_EPOCH; 8]);
    world.broker.next_calls(Call::Watermarks, [ErrorCode::NOT_LEADER_OR_FOLLOWER; 8]);
    let process = world.start("");
    world.settle().await;
    assert_eq!((world.committed(1), world.copies()), (60, 0));
    process.end().await.expect("ends well");
}

/// Row 6: vector#25746, a topic that is deleted and made again.
#[tokio::test(start_paused = true)]
async fn row_6_a_topic_that_is_made_again_is_read_from_its_beginning() {
    let mut world = World::new(2);
    world.write(40, 2);
    let process = world.start("");
    world.settle().await;
    world.broker.delete_topic(TOPIC);
    sleep(Duration::from_secs(600)).await;
    world.forget_written();
    world.broker.create_topic(TOPIC, 2);
    world.write(10, 2);
    world.settle().await;
    assert_eq!((world.committed(2), world.copies(), world.delivered()), (10, 0, 50));
    process.end().await.expect("ends well");
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_said_and_counted_and_continues_only_if_it_may() {
    let mut world = World::new(1);
    world.write(10, 1);
    let process = world.start("");
    world.settle().await;
    process.end().await.expect("ends well");
    world.write(10, 1);
    world.expire(0, 15);
    let waiting = world.start("");
    sleep(Duration::from_secs(600)).await;
    assert!(
        waiting.reason().contains("has removed 5 records") && waiting.reason().contains("on_gap"),
        "{}",
        waiting.reason()
    );
    assert_eq!((world.delivered(), waiting.metric("sentinel_gap_records_total")), (10, 5.0));
    waiting.end().await.expect("ends well");
    let process = world.start("on_gap = \"continue\"");
    sleep(Duration::from_secs(20)).await;
    assert_eq!((world.delivered(), process.metric("sentinel_gaps_total"), world.missing()), (15, 1.0, Vec::new()));
    process.kill();
}

/// The retention overtakes a source that reads.
#[tokio::test(start_paused = true)]
async fn a_gap_while_it_reads_is_one_too() {
    let mut world = World::new(1);
    world.write(10, 1);
    let process = world.start("");
    world.settle().await;
    world.broker.set_down(true);
    world.write(10, 1);
    world.expire(0, 13);
    world.broker.set_down(false);
    sleep(Duration::from_secs(60)).await;
    assert!(process.reason().contains("has removed 3 records"), "{}", process.reason());
    assert_eq!(world.delivered(), 10);
    process.kill();
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_stops_its_partition_alone() {
    let mut world = World::new(2);
    world.write(20, 2);
    world.broker.damage(TOPIC, 1, 4);
    let process = world.start("");
    sleep(Duration::from_secs(60)).await;
    world.write(20, 2);
    sleep(Duration::from_secs(60)).await;
    assert!(process.reason().contains("the batch of nordpass-1 at offset 4 is damaged"), "{}", process.reason());
    assert_eq!((world.broker.committed(GROUP, TOPIC, 0), world.broker.committed(GROUP, TOPIC, 1)), (Some(20), Some(4)));
    process.kill();
}

#[tokio::test(start_paused = true)]
async fn once_ends_when_everything_is_read() {
    let mut world = World::new(3);
    world.write(100, 3);
    let process = world.start_with(settings(""), true);
    process.task.await.expect("no panic").expect("ends well");
    assert_eq!((world.missing(), world.committed(3)), (Vec::new(), 100));
}

#[tokio::test(start_paused = true)]
async fn commits_are_at_most_one_a_second() {
    let mut world = World::new(1);
    let process = world.start("");
    for _ in 0..300 {
        world.write(1, 1);
        sleep(Duration::from_millis(100)).await;
    }
    world.settle().await;
    let commits = world.broker.commits(TOPIC, 0).len();
    assert!((20..=36).contains(&commits), "{commits}");
    process.end().await.expect("ends well");
}

/// An id from our header, and one of content with its place.
#[tokio::test(start_paused = true)]
async fn ids_come_from_our_header_or_the_records_place() {
    let world = World::new(1);
    let event = r#"{"type":"t","action":"a","organization_uuid":"o"}"#;
    let id = "0123456789abcdef0123456789abcdef";
    let headers = [("schema", "nordpass/1"), ("event-id", id)];
    for headers in [&headers[..], &headers, &headers[1..], &[("schema", "nordpass/1"), ("event-id", "7")]] {
        world.write_odd(0, Some(event), headers);
    }
    let records: Vec<_> = {
        use nordpass_env::kafka::{Broker as _, ConsumerRecord, TopicPartition};
        let _ = world.broker.partitions(TOPIC).await;
        let of = |offset: i64, headers: &[(&str, &str)]| ConsumerRecord {
            partition: TopicPartition::new(TOPIC, 0),
            offset,
            value: Some(event.as_bytes().to_vec().into()),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), Some(value.as_bytes().to_vec().into())))
                .collect(),
        };
        vec![
            of(0, &headers),
            of(1, &headers),
            of(2, &headers[1..]),
            of(3, &[("schema", "nordpass/1"), ("event-id", "7")]),
            of(3, &[]),
        ]
    };
    let partitions = super::super::partitions::Partitions::default();
    let at = records[0].partition.clone();
    partitions.assign(std::slice::from_ref(&at));
    partitions.position(&at, 0, 9);
    let mut batch = {
        partitions.push(records[..1].to_vec());
        partitions.take(9, 999_999).expect("a batch")
    };
    batch.records = records;
    let clock = nordpass_env::TestClock::starting_at("2026-11-30T12:00:00Z".parse().expect("a time"));
    let mut parser =
        super::super::records::Parser::new(std::sync::Arc::new(clock), crate::telemetry::ComponentReporter::detached());
    let ids: Vec<String> = parser.parse(&batch).records.iter().map(|record| record.id.to_string()).collect();
    assert_eq!((&*ids[0], &*ids[1]), (id, id), "a copy is a copy");
    assert!(ids[2] != id && ids[3] != ids[2], "without our schema, the place decides");
    assert_eq!(ids[3], ids[4], "an id that can't be ours isn't one");
}

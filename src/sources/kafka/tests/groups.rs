//! Several processes of one group.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{Act, GROUP, TOPIC, World};

/// Row 3: vector#9587, #14865, where a rebalance drops all partitions' acknowledgements.
#[tokio::test(start_paused = true)]
async fn row_3_a_revoke_of_one_partition_leaves_the_others_alone() {
    let mut world = World::new(4);
    let first = world.start("");
    first.sink.script(|_| Act::Keep);
    world.write(40, 4);
    sleep(Duration::from_secs(10)).await;
    let second = world.start("");
    // What it keeps is delivered while it drains: the partitions that move are delivered, committed, and not read again.
    sleep(Duration::from_secs(5)).await;
    first.sink.release();
    world.settle().await;
    world.write(40, 4);
    world.settle().await;
    assert_eq!(world.broker.shares(GROUP), [2, 2]);
    assert_eq!((world.committed(4), world.copies()), (80, 0));
    assert_eq!(first.count("sentinel_kafka_late_receipts_total"), 0);
    first.end().await.expect("ends well");
    second.end().await.expect("ends well");
}

/// Row 17: PostHog#80897, which fences before it drains, so that finished work is done again.
#[tokio::test(start_paused = true)]
async fn row_17_a_revoke_delivers_and_commits_before_it_gives_away() {
    let mut world = World::new(2);
    let first = world.start("");
    world.write(20, 2);
    sleep(Duration::from_secs(10)).await;
    first.sink.script(|_| Act::Keep);
    world.write(20, 2);
    sleep(Duration::from_secs(3)).await;
    let second = world.start("");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.broker.shares(GROUP), [2, 0], "it waits for what was passed on");
    first.sink.release();
    world.settle().await;
    assert_eq!((world.broker.shares(GROUP), world.copies(), world.committed(2)), (vec![1, 1], 0, 40));
    assert!(first.metric("sentinel_kafka_revoke_seconds_count") >= 1.0);
    first.end().await.expect("ends well");
    second.end().await.expect("ends well");
}

/// A revoke waits for a bounded time: the partition flows at the other member while the first one's sink is stuck, and what the first
/// one delivers late is a copy that commits nothing.
#[tokio::test(start_paused = true)]
async fn a_revoke_does_not_wait_for_ever() {
    let mut world = World::new(2);
    let first = world.start("");
    first.sink.script(|_| Act::Keep);
    world.write(20, 2);
    sleep(Duration::from_secs(10)).await;
    let second = world.start("");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.broker.shares(GROUP), [1, 1]);
    assert_eq!((world.delivered(), world.committed(2)), (10, 10), "one partition is the other's");
    first.sink.release();
    world.settle().await;
    assert_eq!((world.copies(), world.committed(2)), (10, 20));
    assert!(first.metric("sentinel_kafka_late_receipts_total") > 0.0);
    first.end().await.expect("ends well");
    second.end().await.expect("ends well");
}

/// Row 8: redpanda-data/connect#3410, where the old members stop when new ones come. Row 7: #4009, where a handover loses a batch.
#[tokio::test(start_paused = true)]
async fn rows_7_and_8_members_come_and_go_at_any_time_and_each_keeps_reading() {
    let mut world = World::new(10);
    let mut processes = Vec::new();
    for round in 0..5_usize {
        processes.push(world.start(""));
        for step in 0..20 {
            world.write(17, 10);
            sleep(Duration::from_millis(100 + 70 * ((round * 20 + step) as u64 % 13))).await;
        }
    }
    world.settle().await;
    assert_eq!(world.broker.shares(GROUP), [2; 5]);
    let read: Vec<f64> = processes.iter().map(|process| process.metric("sentinel_received_records_total")).collect();
    world.write(100, 10);
    world.settle().await;
    for (process, before) in processes.iter().zip(read) {
        assert!(process.metric("sentinel_received_records_total") > before, "each of them goes on");
    }
    for process in processes.drain(..) {
        world.write(31, 10);
        process.end().await.expect("ends well");
        world.write(31, 10);
    }
    let last = world.start("");
    world.settle().await;
    assert_eq!((world.copies(), world.committed(10)), (0, 5 * 20 * 17 + 100 + 5 * 62));
    last.end().await.expect("ends well");
}

/// Row 11: kafka-connect-storage-cloud#800, iceberg#17376: a member that comes back from the dead and commits. Row 12: librdkafka#5604.
#[tokio::test(start_paused = true)]
async fn rows_11_and_12_a_member_that_was_stopped_commits_nothing_of_before() {
    let mut world = World::new(2);
    let first = world.start("session_timeout = \"10s\"");
    world.write(20, 2);
    world.settle().await;
    first.sink.script(|_| Act::Keep);
    world.write(20, 2);
    sleep(Duration::from_secs(5)).await;
    world.broker.freeze(0);
    let second = world.start("session_timeout = \"10s\"");
    sleep(Duration::from_secs(30)).await;
    assert_eq!((world.missing().len(), world.committed(2)), (0, 40), "the other one has everything");
    world.write(10, 2);
    sleep(Duration::from_secs(5)).await;
    let before = [0, 1].map(|partition| world.broker.commits(TOPIC, partition));
    // It delivers late, and goes on.
    first.sink.release();
    sleep(Duration::from_secs(5)).await;
    world.broker.thaw(0);
    sleep(Duration::from_secs(20)).await;
    for (partition, before) in (0..).zip(before) {
        let after = world.broker.commits(TOPIC, partition);
        assert!(after.windows(2).all(|pair| pair[0] <= pair[1]), "no offset goes back: {before:?} {after:?}");
    }
    world.write(20, 2);
    world.settle().await;
    assert_eq!((world.broker.shares(GROUP), world.committed(2)), (vec![1, 1], 70));
    assert!(first.metric("sentinel_kafka_rebalances_total") >= 2.0);
    first.end().await.expect("ends well");
    second.end().await.expect("ends well");
}

fn named(number: usize) -> String {
    format!("group_instance_id = \"pod-{number}\"")
}

/// Row 14: quickwit#2993, #4823, where each member that restarts moves the partitions of all others.
#[tokio::test(start_paused = true)]
async fn row_14_a_rolling_restart_of_ten_static_members_moves_no_partition() {
    let mut world = World::new(20);
    let mut processes: Vec<_> = (0..10).map(|number| world.start(&named(number))).collect();
    world.write(200, 20);
    world.settle().await;
    assert_eq!(world.broker.shares(GROUP), [2; 10]);
    for number in 0..10 {
        world.write(37, 20);
        processes.remove(number).end().await.expect("ends well");
        world.write(37, 20);
        sleep(Duration::from_secs(20)).await;
        processes.insert(number, world.start(&named(number)));
        world.settle().await;
    }
    assert_eq!(world.broker.shares(GROUP), [2; 10]);
    for process in processes {
        assert_eq!(
            process.count("sentinel_kafka_rebalances_total"),
            1,
            "it got its own partitions back, and that is all"
        );
        process.end().await.expect("ends well");
    }
    assert_eq!((world.copies(), world.committed(20)), (0, 200 + 10 * 74));
}

/// Row 14: twmb/franz-go#931, two members of one name. They don't take turns: the first one ends and says why.
#[tokio::test(start_paused = true)]
async fn row_14_of_two_members_with_one_name_the_first_ends() {
    let mut world = World::new(2);
    let first = world.start(&named(0));
    world.write(20, 2);
    world.settle().await;
    let second = world.start(&named(0));
    world.write(20, 2);
    let error = first.task.await.expect("no panic").expect_err("it is fenced").to_string();
    assert!(error.contains("give each process one of its own"), "{error}");
    world.write(20, 2);
    world.settle().await;
    assert_eq!((world.broker.shares(GROUP), world.committed(2)), (vec![2], 60));
    second.end().await.expect("ends well");
}

/// Row 16: opentelemetry-collector-contrib#36093, the lag of partitions that a member no longer has.
#[tokio::test(start_paused = true)]
async fn row_16_the_lag_of_a_partition_goes_with_it() {
    let mut world = World::new(2);
    let first = world.start("session_timeout = \"10s\"");
    first.sink.script(|_| Act::Keep);
    world.write(20, 2);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((first.count("sentinel_kafka_lag_records"), first.count("sentinel_kafka_partitions")), (20, 2));
    let second = world.start("session_timeout = \"10s\"");
    sleep(Duration::from_secs(60)).await;
    assert_eq!((first.count("sentinel_kafka_lag_records"), first.count("sentinel_kafka_partitions")), (10, 1));
    assert_eq!(second.count("sentinel_kafka_lag_records"), 0);
    first.kill();
    second.kill();
}

/// A killed member's partitions flow again within the session time-out.
#[tokio::test(start_paused = true)]
async fn kills_lose_nothing_and_the_partitions_flow_again() {
    let mut world = World::new(6);
    let mut processes = vec![world.start("session_timeout = \"10s\""), world.start("session_timeout = \"10s\"")];
    for kill in 0..10 {
        world.write(60, 6);
        sleep(Duration::from_millis(900 + 130 * kill)).await;
        let victim = processes.remove(0);
        victim.kill();
        // A dead process sends no heartbeats.
        world.broker.freeze(kill);
        world.write(60, 6);
        processes.push(world.start("session_timeout = \"10s\""));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.missing(), [0; 0], "within 60 s");
    }
    world.settle().await;
    assert_eq!(world.committed(6), 1200);
    for process in processes {
        process.end().await.expect("ends well");
    }
}

/// A source that begins anew joins with another consumer each time.
#[tokio::test(start_paused = true)]
async fn a_source_that_has_ended_leaves_no_consumer_behind() {
    let mut world = World::new(2);
    let before = world.broker.handles();
    for _ in 0..3 {
        let process = world.start("");
        world.write(10, 2);
        sleep(Duration::from_secs(5)).await;
        process.end().await.expect("ends well");
    }
    assert_eq!(world.missing(), [0; 0]);
    assert_eq!(world.broker.handles(), before);
}

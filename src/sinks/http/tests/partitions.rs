//! Addresses and headers that depend on the organization or the day.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Net, rig, settings};
use crate::component::{Letter, ResendOutcome, SinkSettings as _};
use crate::event::{AckOutcome, EventId};
use crate::sinks::testing::sink_env;

const DAY: i64 = 86_400;
const BY_DAY: &str =
    "endpoint = \"https://host.example/in/{date}/{organization}\"\nheaders = { \"X-Day\" = \"${KEY} {date}\" }\n";

/// Records of two days: those of the second have numbers from 100 on.
fn of_two_days(ids: impl IntoIterator<Item = u64>) -> Vec<Value> {
    let day = |id| if id < 100 { 20_000 } else { 20_001 };
    ids.into_iter().map(|id| json!({ "id": id, "time": day(id) * DAY + 5 })).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_has_records_of_one_day_and_goes_to_its_address() {
    let (mut rig, net) = rig(BY_DAY, |_| (200, String::new())).await;
    let ack = rig.send(0, &of_two_days([1, 100, 2, 101, 3])).await;
    assert_eq!(ack.await, AckOutcome::Delivered);
    rig.end().await;
    let mut seen: Vec<_> = net.seen().iter().map(|seen| (seen.path.clone(), seen.ids.clone())).collect();
    seen.sort();
    let at = |day: &str, ids: &[u64]| (format!("/in/{day}/_none"), ids.to_vec());
    assert_eq!(seen, [at("2024-10-04", &[1, 2, 3]), at("2024-10-05", &[100, 101])]);
    let headers: Vec<_> = net.seen().iter().map(|seen| seen.headers["x-day"].clone()).collect();
    assert!(headers.contains(&"s3cret-of-this-test 2024-10-05".parse().unwrap()));
    assert!(
        headers.iter().all(http::HeaderValue::is_sensitive) && !format!("{:?}", settings(BY_DAY)).contains("s3cret")
    );
}

/// An address that refuses everything is at fault, not its records, though another address takes the others.
#[tokio::test(start_paused = true)]
async fn what_one_address_accepts_accuses_no_record_of_another() {
    let mut refusals = 0;
    let script = move |ids: &[u64]| {
        let refuses = ids.iter().any(|id| *id >= 100) && refusals < 200;
        refusals += u64::from(refuses);
        (if refuses { 400 } else { 200 }, String::new())
    };
    let (mut rig, net) = rig(&format!("{BY_DAY}final_status = [400]"), script).await;
    let mut acks = vec![rig.send(0, &of_two_days(100..103)).await];
    for number in 0..60 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        acks.push(rig.send(0, &of_two_days([number])).await);
    }
    assert!(net.seen().iter().filter(|seen| seen.ids[0] >= 100).count() > 9, "it was tried again and again");
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    assert!(rig.dead().is_empty(), "{:?}", rig.dead());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_knows_its_address() {
    let refuses = |ids: &[u64]| (if ids.contains(&107) { 400 } else { 200 }, String::new());
    let more = format!("{BY_DAY}final_status = [400]");
    let (mut rig, _) = rig(&more, refuses).await;
    let mut acks = vec![rig.send(0, &of_two_days(100..110)).await];
    for number in 110..130 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        acks.push(rig.send(0, &of_two_days([number])).await);
    }
    for ack in acks {
        assert_eq!(ack.await, AckOutcome::Delivered);
    }
    rig.end().await;
    let dead = rig.dead();
    assert_eq!((dead.len(), &dead[0]["stream"]), (1, &"records/2024-10-05/_none".into()));
    let net = Net::new(|_| (200, String::new()));
    let resend = async |more: &str, stream: &str| {
        let resender = settings(more).resender("out", &sink_env(net.clone())).expect("it sends single records");
        let record = dead[0]["record"].to_string();
        let letter = Letter { id: EventId(107), shown_id: None, organization: None, stream, record: &record };
        resender.resend(letter, "request", Duration::ZERO).await
    };
    assert_eq!(resend(&more, "records/2024-10-05/_none").await, ResendOutcome::Accepted);
    assert_eq!(net.seen()[0].path, "/in/2024-10-05/_none");
    for (more, stream) in
        [(&*more, "records"), (&more, "records//_none"), (&more, "records/../x"), ("", "records/2024-10-05/_none")]
    {
        assert!(matches!(resend(more, stream).await, ResendOutcome::Impossible { .. }), "{stream}");
    }
    assert_eq!(resend("", "records").await, ResendOutcome::Accepted);
}

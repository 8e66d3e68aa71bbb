//! Answers that are odd on purpose, or that something in between has changed.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::rig::{Behaviour, NOW, Rig};

fn names(rig: &Rig) -> Vec<String> {
    let names: Vec<String> = (0..250).map(|number| format!("u{}-{number}", number % 7)).collect();
    for (time, name) in (NOW - 3_000..).zip(&names) {
        rig.api.event(time, name);
    }
    names
}

/// Each was a synced append and a warning of its own: 8 MB of them took 20 minutes, and SIGTERM 15 seconds.
#[tokio::test(start_paused = true)]
async fn elements_that_are_no_events_are_kept_together_and_so_many_a_minute() {
    let rig = Rig::new();
    *rig.api.fault.lock().unwrap() = Some(Box::new(|count, asked| {
        let data: Vec<u64> = (0..asked.per_page).map(|number| count * 1_000 + number).collect();
        let body = json!({"data": data, "metadata": {"total": 5_000, "per_page": asked.per_page}});
        Some(http::Response::new(Bytes::from(body.to_string())))
    }));
    let running = rig.start(false, |_| true);
    tokio::time::sleep(Duration::from_secs(5 * 60 - 1)).await;
    let health = rig.telemetry.health();
    let reason = health[0].state.reason().unwrap_or_default();
    assert!(reason.contains("aren't events"), "{reason}");
    let began = Instant::now();
    running.signal.cancel();
    running.ended().await.expect("the source didn't end by itself");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let folder = std::fs::read_dir(rig.dead_letters()).expect("a folder");
    let letters = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count());
    let letters = letters.sum::<usize>();
    assert!((60..=5 * 60 * 512).contains(&letters), "{letters} dead letters in five minutes");
    let together = rig.telemetry.render();
    let kept = together.lines().find(|line| line.contains("not an object")).expect("counted");
    let kept: f64 = kept.rsplit(' ').next().unwrap().parse().expect("a number");
    assert!((kept - letters as f64).abs() < 1.0, "{kept} elements in {letters} dead letters");
}

/// They were waited for for ever.
#[tokio::test(start_paused = true)]
async fn an_empty_marked_or_compressed_answer_is_a_page() {
    fn no_content(answer: http::Response<Bytes>) -> http::Response<Bytes> {
        let is_empty = answer.body().starts_with(br#"{"data":[],"#);
        let (mut head, body) = answer.into_parts();
        if !is_empty {
            return http::Response::from_parts(head, body);
        }
        head.status = http::StatusCode::NO_CONTENT;
        http::Response::from_parts(head, Bytes::new())
    }
    fn marked(answer: http::Response<Bytes>) -> http::Response<Bytes> {
        answer.map(|body| [b"\xef\xbb\xbf", &body[..]].concat().into())
    }
    fn compressed(answer: http::Response<Bytes>) -> http::Response<Bytes> {
        answer.map(|body| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&body).expect("written");
            encoder.finish().expect("finished").into()
        })
    }
    for proxy in [no_content, marked, compressed] {
        let rig = Rig::new();
        rig.api.behaviour.lock().unwrap().proxy = Some(proxy);
        let names = names(&rig);
        rig.once().await;
        rig.assert_arrived(names);
    }
}

/// Each kept its whole page in memory while the slice was read: 982 MB.
#[tokio::test(start_paused = true)]
async fn identical_events_too_large_to_keep_come_all_the_same() {
    for size in [100, 400_000] {
        let rig = Rig::new();
        *rig.api.behaviour.lock().unwrap() = Behaviour { largest_page: 100, ..Default::default() };
        for number in 0..6 {
            for _ in 0..3 {
                rig.api.event(NOW - 3_000 + number, &format!("u-{number}{}", "x".repeat(size)));
            }
        }
        rig.once().await;
        let names = rig.names();
        assert_eq!((names.len(), names.values().all(|copies| *copies == 3)), (6, true), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_events_than_were_asked_for_are_refused_and_asked_for_again() {
    let rig = Rig::new();
    let names = names(&rig);
    *rig.api.fault.lock().unwrap() = Some(Box::new(|count, asked| {
        let data = vec![json!({}); usize::try_from(asked.per_page).unwrap() + 100];
        let body = json!({"data": data, "metadata": {"total": 7}});
        (count % 3 < 2).then(|| http::Response::new(Bytes::from(body.to_string())))
    }));
    rig.once().await;
    rig.assert_arrived(names);
}

//! Recording to archive, through the real checkpoint: whatever crashes, each event is in the archive once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::support::{context, env, pack, settings};
use crate::component::{Input, Output, Source as _};
use crate::sources::file::Settings;
use crate::state::LocalStore;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::{MemoryDisk, Random, SeededRandom};

const EVENTS: usize = 40;

/// Runs source and sink to their end; `false` when the machine went down before.
async fn live(disk: &MemoryDisk, settings: Settings, seed: u64) -> bool {
    let run = async {
        let env = env(disk, seed);
        let telemetry = Telemetry::new();
        let store = LocalStore::open(env.clone(), Path::new("data")).await.expect("a usable state");
        let sink = telemetry.component(ComponentKind::Sink, "archive");
        let sink = crate::sinks::file::build(
            crate::sinks::file::Settings::for_path("archive/{date}.ndjson.gz"),
            context(env.clone(), sink, store.clone(), CancellationToken::new()),
        )
        .await
        .expect("the sink opens");
        let (sender, input) = Input::new();
        let source = telemetry.component(ComponentKind::Source, "recorded");
        let output = Output::new(vec![sender], source.clone());
        let source = Box::new(settings).run(context(env, source, store, CancellationToken::new()), output);
        let (sink, source) = futures::join!(sink.run(input), source);
        sink.expect("the sink ends");
        source.expect("the source ends");
    };
    tokio::select! {
        () = run => true,
        () = disk.went_down() => false,
    }
}

async fn crash_and_recover(seed: u64, first_crash: u64) -> bool {
    let random = SeededRandom::new(seed);
    let path = ["in.ndjson", "in.ndjson.gz"][(random.next_u64() % 2) as usize];
    let disk = MemoryDisk::new();
    let mut text = String::from("this is no event\n");
    for number in 0..EVENTS {
        let event = format!(r#"{{"type":"t","timestamp":{},"number":{number}}}"#, 1_700_000_000 + number * 3_000);
        if number % 3 == 0 {
            let _ = writeln!(text, "{{\"data\":[{event},{event}]}}");
        } else {
            let _ = writeln!(text, "{event}");
        }
    }
    disk.put(path, pack(path, text.as_bytes()));
    let settings = |rate| Settings { rate, ..settings(&[path]) };
    disk.go_down_at(first_crash);
    let crashed = !live(&disk, settings(20), random.next_u64()).await;
    let crash = || if random.next_u64().is_multiple_of(3) { disk.restart() } else { disk.crash(random.next_u64()) };
    crash();
    for _ in 0..random.next_u64() % 3 {
        disk.go_down_at(random.next_u64() % 60);
        live(&disk, settings(30), random.next_u64()).await;
        crash();
    }
    assert!(live(&disk, settings(0), random.next_u64()).await);
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for file in disk.paths().into_iter().filter(|path| path.starts_with("archive")) {
        let mut text = String::new();
        let bytes = disk.content(&file).unwrap();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("a readable archive");
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            *counts.entry(event["number"].as_u64().unwrap()).or_default() += 1;
        }
    }
    let expected = (0..EVENTS as u64).map(|number| (number, if number % 3 == 0 { 2 } else { 1 }));
    assert_eq!(counts, expected.collect());
    crashed
}

#[tokio::test(start_paused = true)]
async fn each_event_is_archived_once_after_a_crash_at_any_operation() {
    let (mut crashes, seeds) = (0, 6);
    for seed in 0..seeds {
        for first_crash in 0..5_000 {
            let result = AssertUnwindSafe(crash_and_recover(seed, first_crash)).catch_unwind().await;
            let crashed = result.unwrap_or_else(|_| panic!("seed {seed}, crash at operation {first_crash}: see above"));
            if !crashed {
                break;
            }
            crashes += 1;
        }
    }
    assert!(crashes > seeds * 40, "only {crashes} crashes");
}

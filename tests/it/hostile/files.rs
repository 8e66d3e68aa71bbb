//! Files that hold anything: recordings, secrets, and what lies in `data_dir`.

use std::io::Write as _;

use super::rig::{LONG, Rig};

/// A pipeline goes on beside a source that reads this; the files are written into the world's folder first.
async fn bounded(name: &str, files: &[(&str, Vec<u8>)], source: &str) {
    run(&rig_of(files).await, name, source).await;
}

async fn rig_of(files: &[(&str, Vec<u8>)]) -> Rig {
    let rig = Rig::new().await;
    for (path, bytes) in files {
        let path = rig.world.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }
    rig
}

async fn run(rig: &Rig, name: &str, source: &str) {
    let text = format!(
        "[sources.odd]\n{source}\n[sources.made]\ntype = \"generate\"\nrate = 200\n[transforms.rows]\ntype = \"asim\"\n\
         inputs = [\"odd\", \"made\"]\n[sinks.drop]\ntype = \"blackhole\"\n\
         inputs = [\"rows.audit_event\", \"rows.authentication\", \"rows.user_management\"]\n"
    );
    // The odd one has come to its end, whichever that is, and the other one goes on.
    rig.survives(name, &text, async |rig, round| {
        let (ready, metrics) = (rig.get("/ready").await, rig.get("/metrics").await);
        let is_ended =
            ["starting", "working"].iter().all(|state| !ready.contains(&format!(r#""odd","state":"{state}""#)));
        sent(&metrics, "made") >= 20 * round && (round == 1 || is_ended)
    })
    .await;
}

/// How many events a source has sent.
fn sent(metrics: &str, source: &str) -> usize {
    let start = format!(r#"sentinel_sent_records_total{{component_kind="source",component="{source}"}} "#);
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or_default()
}

const RECORDING: &str = "type = \"file\"\npaths = [\"in/*\"]";

fn gzip(content: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..times {
        encoder.write_all(content).expect("memory");
    }
    encoder.finish().expect("memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_of_any_bytes() {
    let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(LONG)).into_bytes();
    for (name, file, bytes) in [
        ("recording: a long line", "in/long.ndjson", line),
        ("recording: no line end", "in/endless.ndjson", vec![b'x'; 4 * LONG]),
        ("recording: a gzip bomb", "in/bomb.ndjson.gz", gzip(&vec![b' '; 1 << 20], 1_000)),
        ("recording: depth", "in/deep.ndjson", [vec![b'['; LONG], b"\n".to_vec()].concat()),
        ("recording: zeros", "in/zeros.ndjson", vec![0; LONG]),
        ("recording: not objects", "in/numbers.ndjson", b"7\n".repeat(20_000)),
    ] {
        bounded(name, &[(file, bytes)], RECORDING).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_any_bytes() {
    let source = "type = \"nordpass\"\nendpoint = \"${NORDPASS_ENDPOINT_URL}\"\ntoken = \"${file:token}\"\npoll_interval = \"1s\"";
    for (name, bytes) in [
        ("secret: long", vec![b'x'; LONG]),
        ("secret: zeros", vec![0; LONG]),
        ("secret: no UTF-8", vec![0xff; 1_000]),
        ("secret: empty", Vec::new()),
    ] {
        bounded(name, &[("token", bytes)], source).await;
    }
}

/// Every file that a source and a sink leave in `data_dir`, in turn replaced by something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_dir_of_any_bytes() {
    let source =
        format!("{RECORDING}\n[sinks.kept]\ntype = \"file\"\ninputs = [\"odd\"]\npath = \"out/{{date}}.ndjson\"\n");
    let event = r#"{"type":"item_access","action":"item_viewed","timestamp":1764400000,"organization_uuid":"o"}"#;
    let recording = format!("{event}\n7\n{event}\n").into_bytes();
    let rig = rig_of(&[("in/recording.ndjson", recording)]).await;
    run(&rig, "data_dir: as it is written", &source).await;
    let files = rig.world.files("data");
    assert!(files.len() >= 4, "a state, a dead letter and a journal: {files:?}");
    for file in files.iter().filter(|file| !file.ends_with("lock")) {
        let content = std::fs::read(file).expect("read");
        let kind = file.strip_prefix(rig.world.folder.path()).expect("below").display().to_string();
        let again = content.repeat((LONG / 8).checked_div(content.len()).unwrap_or_default());
        let fakes = [0xff, 0xff, 0xff, 0x7f].repeat(LONG / 16);
        for (what, bytes) in [
            ("zeros", vec![0; LONG]),
            ("false heads", fakes),
            ("itself again", again),
            ("half", content[..content.len() / 2].to_vec()),
        ] {
            std::fs::write(file, bytes).expect("written");
            run(&rig, &format!("{kind}: {what}"), &source).await;
        }
        std::fs::write(file, &content).expect("written");
    }
}

//! Compares what the NordPass side has with what arrived at the other end, by probe.
//!
//! Nothing of the product takes part: no event id, no counter. An event is recognised by the probe inside it. Twins
//! share a probe; it then has to arrive as often as it occurs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::probe::{Probes, probe_of};
use nordpass_env::Disk;

/// The verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Distinct events that the API has shown.
    pub events_read: u64,
    /// Distinct events that arrived.
    pub events_delivered: u64,
    /// Events that had to arrive and didn't.
    pub events_lost: u64,
    /// Copies that arrived beyond what the API has.
    pub events_duplicated: u64,
    /// Rows whose probe the API never had: damaged or made up.
    pub events_unknown: u64,
    /// Rows per table, or lines per file.
    pub rows: BTreeMap<String, u64>,
    /// Rows without a probe: of these nobody can say anything.
    pub rows_without_probe: u64,
}

/// What arrived at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The probes of the rows.
    pub probes: Probes,
    /// Rows per table or file.
    pub rows: BTreeMap<String, u64>,
    /// Rows without a probe.
    pub without_probe: u64,
}

/// Compares what arrived with all events that the API has, those that it has shown, and those that must arrive.
pub fn judge(world: &Probes, shown: &Probes, due: &Probes, received: &Received) -> Verdict {
    let mut verdict = Verdict {
        events_read: shown.total(),
        rows: received.rows.clone(),
        rows_without_probe: received.without_probe,
        ..Verdict::default()
    };
    for (probe, expected) in due.iter() {
        verdict.events_lost += expected.saturating_sub(received.probes.count(probe));
    }
    for (probe, arrived) in received.probes.iter() {
        match world.count(probe) {
            0 => verdict.events_unknown += arrived,
            there => {
                verdict.events_delivered += arrived.min(there);
                verdict.events_duplicated += arrived.saturating_sub(there);
            }
        }
    }
    verdict
}

/// Reads what a file sink wrote: NDJSON of raw events or rows; `.gz` and `.zst` by their ending.
pub async fn received_in_files(disk: &dyn Disk, files: &[PathBuf]) -> Result<Received, String> {
    let mut received = Received::default();
    for path in files {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let data = disk.read(path).await.map_err(failed)?;
        let mut lines = 0;
        for line in BufReader::new(decoder(path, &data).map_err(failed)?).lines() {
            let line = line.map_err(failed)?;
            if line.is_empty() {
                continue;
            }
            lines += 1;
            match probe_of(&line) {
                Some(probe) => received.probes.add(probe),
                None => received.without_probe += 1,
            }
        }
        received.rows.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), lines);
    }
    Ok(received)
}

/// Decompresses by the name's ending; several members or frames behind each other are one text.
pub fn decoder<'a>(path: &Path, data: &'a [u8]) -> std::io::Result<Box<dyn Read + 'a>> {
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(data)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::with_buffer(data)?),
        _ => Box::new(data),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use nordpass_env::SystemDisk;

    fn probes(list: &[&str]) -> Probes {
        let mut probes = Probes::default();
        for probe in list {
            probes.add(*probe);
        }
        probes
    }

    fn verdict(world: &[&str], due: &[&str], received: &[&str]) -> Verdict {
        let (world, due) = (probes(world), probes(due));
        let received = Received { probes: probes(received), ..Received::default() };
        judge(&world, &due, &due, &received)
    }

    #[test]
    fn lost_doubled_and_unknown() {
        let all = ["a", "b", "c", "twin", "twin"];
        let good = verdict(&all, &all, &["twin", "c", "b", "twin", "a"]);
        assert_eq!((good.events_read, good.events_delivered, good.events_lost, good.events_duplicated), (5, 5, 0, 0));
        let bad = verdict(&all, &all, &["a", "a", "twin", "x"]);
        assert_eq!((bad.events_delivered, bad.events_lost, bad.events_duplicated, bad.events_unknown), (2, 3, 1, 1));
        assert_eq!(verdict(&all, &all, &["twin", "twin", "twin"]).events_duplicated, 1);
    }

    #[test]
    fn what_is_not_due_may_arrive_once() {
        let verdict = verdict(&["a", "b"], &["a"], &["a", "b"]);
        assert_eq!((verdict.events_lost, verdict.events_duplicated, verdict.events_delivered), (0, 0, 2));
    }

    #[tokio::test]
    async fn files_are_read_in_every_compression() {
        let dir = tempfile::tempdir().expect("a folder");
        let line = |probe: &str| format!("{{\"metadata\":{{\"probe\":\"{probe}\"}}}}\n");
        let gz = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).expect("memory");
            encoder.finish().expect("memory")
        };
        let zst = |text: &str| zstd::stream::encode_all(text.as_bytes(), 1).expect("memory");
        let files = [
            ("a.ndjson", (line("1") + "null\n").into_bytes()),
            ("b.ndjson.gz", [gz(&line("2")), gz(&line("3"))].concat()),
            ("c.ndjson.zst", [zst(&line("4")), zst(&line("4"))].concat()),
        ];
        let mut paths = Vec::new();
        for (name, data) in files {
            paths.push(dir.path().join(name));
            std::fs::write(dir.path().join(name), data).expect("written");
        }
        let received = received_in_files(&SystemDisk, &paths).await.expect("readable");
        assert_eq!(received.probes, probes(&["1", "2", "3", "4", "4"]));
        assert_eq!((received.rows["a.ndjson"], received.rows["c.ndjson.zst"], received.without_probe), (2, 2, 1));
        assert!(received_in_files(&SystemDisk, &[dir.path().join("none")]).await.is_err());
    }
}

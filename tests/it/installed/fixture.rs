//! One fixture: a working directory, the blobs beside it, and what is known of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Method, Request, Response};
use jiff::Timestamp;
use nordpass_simulator::{Probes, Service as _, SimulatedEvent, Simulation, recording};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{TOKEN, repository};

/// The ports of the simulators that a fixture was made with: a state is keyed by its source's endpoint.
pub const NORDPASS: u16 = 48_011;
pub const ENTRA: u16 = 48_012;
pub const INGESTION: u16 = 48_013;
pub const BLOB: u16 = 48_014;

/// The container of the states.
pub const CONTAINER: &str = "nordpass-sentinel";

/// The program that wrote the fixtures, by its commit.
pub const WRITTEN_BY: &str = "d436fb7";

/// How often each event occurs, by its probe.
pub type Counts = BTreeMap<String, u64>;

/// What is known of a fixture.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// When the program that wrote it ended, in Unix seconds.
    pub made_at: i64,
    /// What Azure had accepted by then.
    pub delivered: Counts,
    /// The blobs of [`CONTAINER`].
    pub blobs: Vec<Blob>,
}

/// A blob; its content is in the folder `blobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Blob {
    pub name: String,
    /// Whether it is an append blob.
    pub append: bool,
}

/// A fixture.
pub struct Fixture {
    folder: PathBuf,
    pub facts: Facts,
}

/// The folder of a fixture in this repository.
pub fn folder(name: &str) -> PathBuf {
    repository("tests/fixtures/installed").join(WRITTEN_BY).join(name)
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let folder = folder(name);
        let facts = fs::read(folder.join("facts.json")).expect("the facts");
        Self { folder, facts: serde_json::from_slice(&facts).expect("facts") }
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("a text")
    }

    /// The events that NordPass had.
    pub fn events(&self) -> Vec<SimulatedEvent> {
        let (packed, mut text) = (content(&self.folder.join("events.ndjson.gz")), String::new());
        MultiGzDecoder::new(&*packed).read_to_string(&mut text).expect("a text");
        recording::parse(&text, self.facts.made_at).expect("events")
    }

    /// The same as counts.
    pub fn recorded(&self) -> Counts {
        let mut counts = Counts::new();
        for probe in self.events().iter().filter_map(SimulatedEvent::probe) {
            *counts.entry(probe.to_string()).or_default() += 1;
        }
        counts
    }

    /// The files of the working directory, by their paths in it.
    pub fn disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let root = self.folder.join("disk");
        let relative = |path: PathBuf| (path.strip_prefix(&root).expect("inside").to_owned(), content(&path));
        below(&root).into_iter().map(relative).collect()
    }

    pub fn write_disk(&self, to: &Path) {
        for (path, content) in self.disk() {
            write(&to.join(path), &content);
        }
    }

    /// The files of dead letters and marks.
    pub fn letters_on_disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.disk().into_iter().filter(|(path, _)| path.starts_with("data/dead-letters")).collect()
    }

    /// The same in blobs, by their names.
    pub fn letters_in_blobs(&self) -> Vec<(String, Vec<u8>)> {
        let letters = self.facts.blobs.iter().filter(|blob| blob.name.contains("dead-letters/"));
        letters.map(|blob| (blob.name.clone(), self.blob(blob))).collect()
    }

    fn blob(&self, blob: &Blob) -> Vec<u8> {
        content(&self.folder.join("blobs").join(&blob.name))
    }

    /// Puts the blobs into a storage account, through its own API.
    pub fn restore_blobs(&self, simulation: &Simulation, now: Timestamp) {
        for blob in &self.facts.blobs {
            simulation.blobs.create_container(CONTAINER);
            let (path, content) = (format!("/{CONTAINER}/{}", blob.name), self.blob(blob));
            let put = |path: &str, kind, body: Vec<u8>| {
                let answer = ask(simulation, now, &Method::PUT, path, &[("x-ms-blob-type", kind)], body.into());
                assert_eq!(answer.status(), 201, "{path}");
            };
            if blob.append {
                put(&path, "AppendBlob", Vec::new());
                put(&format!("{path}?comp=appendblock"), "AppendBlob", content);
            } else {
                put(&path, "BlockBlob", content);
            }
        }
    }
}

/// A request to the storage account.
pub fn ask(
    simulation: &Simulation,
    now: Timestamp,
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1:{BLOB}{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("x-ms-version", "2023-11-03")
        .header("x-ms-date", "now");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    simulation.blobs.handle(&request.body(body).expect("a request"), now).response
}

/// An event that is its probe.
pub fn event(at: i64, probe: &str) -> SimulatedEvent {
    let event = json!({
        "type": "item_access", "action": "item_copied", "timestamp": at,
        "organization_uuid": "00000000-0000-4000-8000-000000000001",
        "user": {"uuid": "00000000-0000-4000-8000-000000000002", "email": "someone@example.com"},
        "metadata": {"probe": probe}, "initiator": "",
    });
    SimulatedEvent::from_json(&event.to_string(), at)
}

pub fn counts(probes: &Probes) -> Counts {
    probes.iter().map(|(probe, count)| (probe.to_owned(), count)).collect()
}

/// All files below a folder.
pub fn below(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

pub fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("writes");
}

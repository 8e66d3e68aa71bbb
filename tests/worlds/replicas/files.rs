//! The pipeline file of a replica, and the list of organizations that all replicas read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use nordpass_env::MemoryDisk;
use nordpass_sentinel::pipeline::{self, Config};
use nordpass_sentinel::settings::Environment;
use tempfile::TempDir;

use crate::pipeline::{READY_TOKEN, to_sentinel};

pub const BLOBS: &str = "states.blob.example";
pub const CONTAINER: &str = "states";

/// The host of an organization's API.
pub fn api(organization: usize) -> String {
    format!("o{organization}.nordpass.example")
}

/// An organization's token.
pub fn token(organization: usize) -> String {
    format!("token-{organization}")
}

/// The name of an organization's state.
pub fn key(organization: usize) -> String {
    format!("@c-{organization}")
}

/// Where an organization's secret is, below the folder of the files.
fn secret(organization: usize) -> PathBuf {
    format!("secrets/o{organization}").into()
}

/// The files that the replicas share.
pub struct Files {
    folder: TempDir,
    lookback: u64,
    count: usize,
    /// The organizations in the list.
    pub listed: BTreeSet<usize>,
}

impl Files {
    pub fn new(lookback: u64, count: usize, absent: &[usize]) -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
        for organization in 0..count {
            // Checked there when the list is read. The program reads it through its disk.
            std::fs::write(folder.path().join(secret(organization)), token(organization)).expect("a secret");
        }
        let listed = (0..count).filter(|number| !absent.contains(number)).collect();
        let files = Self { folder, lookback, count, listed };
        files.write();
        files
    }

    /// Puts the secrets on a replica's disk.
    pub fn put_secrets(&self, disk: &MemoryDisk) {
        for organization in 0..self.count {
            disk.put(self.folder.path().join(secret(organization)), token(organization));
        }
    }

    /// Adds an organization, or removes it.
    pub fn toggle(&mut self, organization: usize) {
        // A list without any would be an error.
        if !self.listed.remove(&organization) || self.listed.is_empty() {
            self.listed.insert(organization);
        }
        self.write();
    }

    /// Lists all of them.
    pub fn list_all(&mut self) {
        self.listed = (0..self.count).collect();
        self.write();
    }

    fn write(&self) {
        let mut text = String::new();
        for organization in &self.listed {
            let _ = writeln!(
                text,
                "[o{organization}]\nid = \"c-{organization}\"\nendpoint = \"https://{}/activities/query\"\ntoken = \
                 \"o{organization}\"",
                api(*organization)
            );
        }
        std::fs::write(self.list(), text).expect("the list");
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("organizations.toml")
    }

    /// What a replica's files say now.
    pub fn config(&self, shard: (u16, u16)) -> Config {
        let endpoints: Vec<_> =
            (0..self.count).map(|number| format!("https://{}/activities/query", api(number))).collect();
        let text = format!(
            r#"
data_dir = "data"
[checkpoint]
kind = "azure_blob"
endpoint = "https://{BLOBS}"
container = "{CONTAINER}"
request_timeout = "5s"
credential = {{ kind = "token", token = "{READY_TOKEN}" }}
[organizations]
file = "{list}"
secrets_dir = "{secrets}"
allowed_endpoints = {endpoints:?}
shard = "{index}/{count}"
[sources.nordpass]
type = "nordpass"
initial_lookback = "{lookback}s"
request_timeout = "10s"
requests_per_second = 1000
{destination}
"#,
            list = self.list().display(),
            secrets = self.folder.path().join("secrets").display(),
            index = shard.0,
            count = shard.1,
            lookback = self.lookback,
            destination = to_sentinel("nordpass"),
        );
        let files = [(PathBuf::from("world.toml"), text)];
        match pipeline::load(&files, &Environment::of::<&str, &str>([])) {
            Ok((config, _)) => config,
            Err(errors) => panic!("the world's pipeline file is wrong: {errors:?}"),
        }
    }
}

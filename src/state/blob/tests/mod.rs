//! The shared checkpoint against a storage account in memory, at paused time: lost answers, leases that end, damage.

mod bounds;
mod commits;
mod damage;
mod leases;
mod partitions;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::BlobStore;
use crate::azure::{CredentialKind, CredentialSettings};
use crate::component::{CheckpointError, Commit, KnownId, SourceKey, SourceState, Store};
use crate::event::{EventId, Origin};
use crate::http::HttpSettings;
use crate::settings::Secret;
use crate::state::{BlobSettings, Shard, TakeoverSettings};
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::{Endpoint, LoggedRequest, Simulation, SimulationOptions};

const DAY: i64 = 86_400;
/// 2026-01-10.
const NOW: i64 = 1_768_003_200;
const CONTAINER: &str = "states";
const HOST: &str = "nordpass5kyl.blob.core.windows.net";

/// A storage account and the processes that share it.
struct World {
    simulation: Simulation,
    clock: TestClock,
}

/// A process: its own disk, its own way to the network.
struct Process {
    store: Arc<dyn Store>,
    network: SimulatedNetwork,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(NOW).expect("a time");
        let simulation = Simulation::new(SimulationOptions::default(), now);
        simulation.entra.tokens.accept("ready");
        Self { simulation, clock: TestClock::starting_at(now) }
    }

    async fn process(&self, number: u64) -> Process {
        self.replica(number, Shard::default()).await
    }

    /// One of several replicas that share the organizations.
    async fn replica(&self, number: u64, shard: Shard) -> Process {
        let network = self.simulation.network(Arc::new(self.clock.clone()), number);
        let network = network.latency(Duration::from_millis(5), Duration::from_millis(20));
        let env = Env {
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SeededRandom::new(number)),
            disk: Arc::new(MemoryDisk::new()),
            network: Arc::new(network.clone()),
        };
        let settings = BlobSettings {
            endpoint: Simulation::BLOB_URL.to_owned(),
            container: CONTAINER.to_owned(),
            prefix: "set/".to_owned(),
            lease: Duration::from_secs(60),
            credential: CredentialSettings::from(CredentialKind::Token(Secret::literal("ready"))),
            http: HttpSettings::default(),
            takeover: Some(TakeoverSettings {
                endpoint: None,
                container: "official".to_owned(),
                blob: "cursor".to_owned(),
                source: Some("nordpass".to_owned()),
                overlap: None,
            }),
        };
        let container = crate::state::container(&settings, &env).expect("good settings");
        let store =
            BlobStore::open(env, &settings, container, "data".as_ref(), shard).await.expect("nothing is asked yet");
        Process { store, network }
    }

    fn requests(&self) -> Vec<LoggedRequest> {
        self.simulation.log().at(Endpoint::Blob)
    }

    fn now(&self) -> i64 {
        self.clock.now_seconds()
    }

    fn state_blob() -> String {
        format!("set/sources/{}/state", key().id())
    }
}

impl Process {
    /// Opens the source as a source does: however long it has to wait.
    async fn open(&self) -> Arc<dyn SourceState> {
        retry_until_ready(|| self.store.open(key())).await.expect("a usable state")
    }
}

/// Tries again as long as it can be cured.
async fn retry_until_ready<T, F: Future<Output = Result<T, CheckpointError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, CheckpointError> {
    loop {
        match attempt().await {
            Err(error) if error.cure().is_some() => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            result => return result,
        }
    }
}

fn key() -> SourceKey {
    SourceKey { name: "nordpass".into(), endpoint: "https://api.example.com/activities/query".into() }
}

fn known(time: i64, number: u128) -> KnownId {
    KnownId { time, id: EventId(number) }
}

/// The commit number `number` of a test: an id of each of two days, one without a time, a chunk, a document.
fn commit(number: u64) -> Commit {
    let id = u128::from(number);
    let ids = vec![known(NOW - DAY + 5, id), known(NOW + 7, id + 1_000), known(0, id + 2_000)];
    let document = Some(format!("document {number}").into_bytes());
    Commit { ids, chunks: vec![number], document, ..Commit::default() }
}

/// All known ids, sorted.
async fn all(source: &Arc<dyn SourceState>) -> Vec<(i64, u128)> {
    let ids = retry_until_ready(|| source.known(i64::MIN..i64::MAX)).await.expect("readable");
    let mut ids: Vec<_> = ids.into_iter().map(|known| (known.time, known.id.0)).collect();
    ids.sort_unstable();
    ids
}

/// What the commits 0 to `count` leave.
fn expected(count: u64) -> Vec<(i64, u128)> {
    let mut ids: Vec<_> =
        (0..count).flat_map(|number| commit(number).ids).map(|known| (known.time, known.id.0)).collect();
    ids.sort_unstable();
    ids
}

fn origin(run: u64, sequence: u64) -> Origin {
    Origin { source: key().id().into(), run, sequence }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

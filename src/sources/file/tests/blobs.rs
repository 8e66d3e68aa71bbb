//! Recordings in a storage account.

use std::sync::Arc;

use jiff::Timestamp;

use crate::azure::{CredentialKind, CredentialSettings};
use crate::settings::Secret;
use crate::sources::file::blobs::BlobSettings;
use crate::sources::file::locations::Locations;
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::{Simulation, SimulationOptions};

const CONTAINER: &str = "archive";

struct Account {
    simulation: Simulation,
    env: Env,
}

impl Account {
    fn new() -> Self {
        let now = Timestamp::from_second(1_768_003_200).unwrap();
        let simulation = Simulation::new(SimulationOptions::default(), now);
        simulation.entra.tokens.accept("ready");
        let clock = Arc::new(TestClock::starting_at(now));
        let env = Env {
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(1)),
            disk: Arc::new(MemoryDisk::new()),
            network: Arc::new(simulation.network(clock, 1)),
        };
        Self { simulation, env }
    }

    fn put(&self, name: &str, content: &[u8]) {
        self.simulation.blobs.put(CONTAINER, name, content, Timestamp::UNIX_EPOCH);
    }

    /// What a command reads by.
    fn locations(&self) -> Locations {
        let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal("ready".to_owned())));
        let settings = BlobSettings::new(credential, Some(Simulation::BLOB_URL.to_owned()));
        Locations::new(Some(&settings), &self.env, None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_is_replaced_while_it_is_read_is_an_error() {
    let account = Account::new();
    let content = b"{}\n".repeat(200_000);
    account.put("a.ndjson", &content);
    let file = account.locations().open("az://acct/archive/a.ndjson").await.unwrap();
    let half = 300_000;
    assert_eq!(file.read_into(half, 9, Vec::new()).await.unwrap(), content[300_000..300_009]);
    account.put("a.ndjson", &b"[]\n".repeat(200_000));
    assert_eq!(file.read_into(0, 9, Vec::new()).await.unwrap(), content[..9], "what was read already");
    let error = file.read_into(half, 9, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("it was replaced while it was read"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_a_list_says_of_a_blob_is_what_its_content_says_until_it_is_replaced() {
    let account = Account::new();
    account.put("a", b"one");
    let (locations, path) = (account.locations(), "az://acct/archive/a");
    assert_eq!(locations.stat(path).await.unwrap(), None, "no list was read yet");
    locations.expand(&[path.to_owned()]).await.unwrap();
    let listed = locations.stat(path).await.unwrap().unwrap();
    assert_eq!(locations.open(path).await.unwrap().stat().await.unwrap(), listed);
    account.put("a", b"two");
    assert_ne!(locations.open(path).await.unwrap().stat().await.unwrap(), listed);
}

#[tokio::test]
async fn a_place_without_credentials_says_so() {
    let locations = Locations::disk(Arc::new(MemoryDisk::new()));
    let error = locations.expand(&["az://acct/archive/a".to_owned()]).await.unwrap_err();
    assert!(error.to_string().contains("download them first"), "{error}");
}

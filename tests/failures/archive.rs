//! What an archive in blobs costs a quiet organization: writes, not bytes.

use nordpass_env::MemoryDisk;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::{Endpoint, Simulation, SimulationOptions};

use crate::rig::{DAY, HOUR, Rig, START, assert_exactly_once, pass};

/// An organization's people make about this many events a day.
const EVENTS: usize = 400;

/// `docs/guide/archive.md` has these numbers: blobs, and bytes of each.
#[tokio::test(start_paused = true)]
async fn a_quiet_organizations_day_is_140_small_blobs() {
    for (path, blobs) in [("{date}/{organization}/{hour}.ndjson.gz", 140), ("{date}/{organization}.ndjson.gz", 138)] {
        let events = Generator::new(7, Options::default()).history(START + HOUR, START + HOUR + DAY, EVENTS);
        let mut rig = Rig::new(SimulationOptions { events, ..SimulationOptions::default() });
        rig.simulation.blobs.create_container("archive");
        rig.text = format!(
            r#"
data_dir = "data"

[sources.nordpass]
type = "nordpass"
endpoint = "{}"
token = "simulated-nordpass-token"

[sinks.archive]
type = "azure_blob"
inputs = ["nordpass"]
account = "{}"
container = "archive"
path = "{path}"
credential = {{ kind = "managed_identity" }}
"#,
            Simulation::NORDPASS_URL,
            Simulation::BLOB_URL,
        );
        let life = rig.start();
        pass(HOUR + DAY + HOUR).await;
        rig.stop(life).await;
        let names = rig.simulation.blobs.names("archive");
        let disk = MemoryDisk::new();
        let mut bytes = 0;
        for name in &names {
            let content = rig.simulation.blobs.content("archive", name).expect("there");
            bytes += content.len();
            disk.put(name, content);
        }
        let received = received_in_files(&disk, &disk.paths()).await.expect("blobs that can be read");
        assert_exactly_once(&rig.simulation.verdict_on(&received), EVENTS as u64, "the archive");
        let requests = rig.requests(Endpoint::Blob).len();
        assert_eq!(names.len(), blobs, "{path}");
        assert!((450..600).contains(&(bytes / names.len())), "{path}: {} bytes each", bytes / names.len());
        assert_eq!(requests, 2 * names.len(), "a block and a list for each");
    }
}

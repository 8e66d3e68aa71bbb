//! Two processes of the program on one container, and what they do.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use nordpass_env::SystemClock;
use nordpass_simulator::server::{Server, ServerOptions};
use nordpass_simulator::{Endpoint, Reply, Service, SimulationOptions, ingestion};

use super::{Azurite, token};
use crate::support::{ASIM_STREAMS, World, history, until};

/// NordPass, with a book of who asked when.
struct Book {
    inner: Arc<dyn Service>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service for Book {
    fn endpoint(&self, path: &str) -> Endpoint {
        self.inner.endpoint(path)
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let who = request.headers().get("x-source").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.asked.lock().expect("no panic").push(who.to_owned());
        self.inner.handle(request, now)
    }
}

/// Two processes of the program on one container, and what they do.
pub struct Pair {
    pub world: World,
    pub azurite: Azurite,
    nordpass: Server,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Pair {
    pub async fn new() -> Self {
        let ingestion = ingestion::Settings { keep_rows: true, ..ingestion::Settings::default() };
        let options = SimulationOptions { events: history(9, 500), ingestion, ..SimulationOptions::default() };
        let world = World::new(options).await;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let book = Book { inner: world.simulation.nordpass.clone(), asked: asked.clone() };
        let gate = world.simulation.gate(Arc::new(book));
        let nordpass = Server::start(gate, Arc::new(SystemClock), ServerOptions::default()).await.expect("listens");
        Self { world, azurite: Azurite::start(), nordpass, asked }
    }

    /// Starts a process. Its log goes to a file.
    pub fn start(&self, who: &str) -> Child {
        let text = format!(
            r#"
data_dir = "data-{who}"

[checkpoint]
kind = "azure_blob"
endpoint = "{endpoint}"
lease = "20s"
[checkpoint.credential]
kind = "token"
token = "${{STORAGE_TOKEN}}"
[checkpoint.tls]
ca_file = "{ca_file}"

[sources.nordpass]
type = "nordpass"
endpoint = "{nordpass}{path}"
token = "${{NORDPASS_TOKEN}}"
source_header = "{who}"
poll_interval = "1s"
lag = "1s"
requests_per_second = 1000

[sources.other-{who}]
type = "nordpass"
endpoint = "${{NORDPASS_ENDPOINT_URL}}"
token = "${{NORDPASS_TOKEN}}"

[sinks.nothing]
type = "blackhole"
inputs = ["other-{who}"]

[transforms.asim]
type = "asim"
inputs = ["nordpass"]

[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "${{DATA_COLLECTION_ENDPOINT}}"
dcr_immutable_id = "${{DCR_IMMUTABLE_ID}}"
{ASIM_STREAMS}[sinks.sentinel.batch]
timeout = "200ms"
[sinks.sentinel.credential]
kind = "token"
token = "${{AZURE_TOKEN}}"
"#,
            endpoint = self.azurite.endpoint,
            ca_file = self.azurite.ca_file().display(),
            nordpass = self.nordpass.url(),
            path = self.world.simulation.nordpass.settings.path,
        );
        let file = self.world.pipeline(&format!("{who}.toml"), &text);
        let mut command = self.world.command(&["run", file.to_str().expect("a path")]);
        let log = std::fs::File::options().create(true).append(true).open(self.log(who)).expect("a log");
        command.env("STORAGE_TOKEN", token()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("the program starts")
    }

    pub fn log(&self, who: &str) -> std::path::PathBuf {
        self.world.folder.path().join(format!("{who}.log"))
    }

    /// How often a process has said something.
    pub fn said(&self, who: &str, words: &str) -> usize {
        std::fs::read_to_string(self.log(who)).unwrap_or_default().matches(words).count()
    }

    /// Who asked NordPass, in order; the same one several times in a row counts once.
    pub fn turns(&self) -> Vec<String> {
        let mut turns = self.asked.lock().expect("no panic").clone();
        turns.dedup();
        turns
    }

    pub fn asked_by(&self, who: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|asked| *asked == who).count()
    }

    /// Waits until this one asks, within the lease's time and what a slow machine needs.
    pub async fn until_asks(&self, who: &str) {
        let before = self.asked_by(who);
        until(&format!("{who} to ask"), || self.asked_by(who) > before).await;
    }
}

pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
}

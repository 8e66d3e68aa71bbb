//! The simulators as servers, and the program as a process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nordpass_env::{Clock, SystemClock};
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::server::Authority;
use nordpass_simulator::{ServerPorts, Servers, SimulatedEvent, Simulation, SimulationOptions, entra};

/// A token that the simulated Azure accepts without Entra.
pub const TOKEN: &str = "ready-token";
const DAY: i64 = 86_400;

/// The streams of the sink `sentinel` behind the transform `asim`.
pub const ASIM_STREAMS: &str = r#"[sinks.sentinel.streams]
"asim.audit_event" = "Custom-NordPassAuditEvent"
"asim.authentication" = "Custom-NordPassAuthentication"
"asim.user_management" = "Custom-NordPassUserManagement"
"#;

/// A world: simulators that listen, and a folder for the program.
pub struct World {
    pub simulation: Simulation,
    pub servers: Servers,
    pub folder: tempfile::TempDir,
    /// Where everything goes over TLS: who signs the servers' certificates.
    pub authority: Option<Authority>,
}

/// The history of the last seven days.
pub fn history(seed: u64, count: usize) -> Vec<SimulatedEvent> {
    let now = now();
    // Well inside the seven days and behind the lag, so that all of it is due whenever the program starts.
    Generator::new(seed, Options::default()).history(now - 7 * DAY + 600, now - 10, count)
}

pub fn now() -> i64 {
    nordpass_sentinel::http::system_env().clock.now_seconds()
}

impl World {
    pub async fn new(options: SimulationOptions) -> Self {
        Self::start(options, false, Arc::new(SystemClock)).await
    }

    pub async fn with_tls(options: SimulationOptions) -> Self {
        Self::start(options, true, Arc::new(SystemClock)).await
    }

    /// A world whose clocks are wrong, or right while this machine's is: over TLS.
    pub async fn with_clock(options: SimulationOptions, clock: Arc<dyn Clock>) -> Self {
        Self::start(options, true, clock).await
    }

    async fn start(options: SimulationOptions, tls: bool, clock: Arc<dyn Clock>) -> Self {
        let env = nordpass_sentinel::http::system_env();
        let simulation = Simulation::new(options, env.clock.now());
        simulation.entra.tokens.accept(TOKEN);
        let folder = tempfile::tempdir().expect("a folder");
        let authority = tls.then(|| Authority::new().expect("a certificate authority"));
        if let Some(authority) = &authority {
            std::fs::write(folder.path().join("ca.pem"), &authority.pem).expect("writes");
        }
        let servers =
            simulation.serve(ServerPorts::default(), authority.as_ref(), clock).await.expect("the simulators listen");
        Self { simulation, servers, folder, authority }
    }

    /// Every variable that a file in `pipelines/` names, for this world.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let (nordpass, entra) = (&self.simulation.nordpass.settings, &self.simulation.entra.settings);
        vec![
            ("NORDPASS_ENDPOINT_URL", format!("{}{}", self.servers.nordpass.url(), nordpass.path)),
            ("NORDPASS_TOKEN", nordpass.token.clone()),
            ("DATA_COLLECTION_ENDPOINT", self.servers.ingestion.url()),
            ("DCR_IMMUTABLE_ID", self.simulation.ingestion.settings.dcr.immutable_id.clone()),
            ("TABLE_NAME", "Custom-NordPassEventLogs_CL".to_owned()),
            ("AZURE_TOKEN", TOKEN.to_owned()),
            ("AZURE_TENANT_ID", entra.tenant.clone()),
            ("AZURE_CLIENT_ID", entra.client_id.clone()),
            ("AZURE_CLIENT_SECRET", entra.client_secret.clone()),
            ("IDENTITY_ENDPOINT", format!("{}{}", self.servers.identity.url(), entra::IDENTITY_PATH)),
            ("IDENTITY_HEADER", entra.identity_header.clone()),
            ("DEMO_DIR", self.folder.path().join("demo").display().to_string()),
        ]
    }

    /// A command of the program, in this world's folder and with its variables and no others.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.current_dir(self.folder.path()).env_clear().envs(self.variables());
        command
    }

    /// Writes a pipeline file into this world's folder. Over TLS every network component trusts its authority.
    pub fn pipeline(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    /// The same with these lines as the sink's credential; `{authority}` in them stands for the simulated Entra.
    pub fn with_credential(&self, lines: &str) -> PathBuf {
        let text = std::fs::read_to_string(self.both()).expect("a file");
        let (before, rest) = text.split_once("[sinks.sentinel.credential]\n").expect("a credential");
        let after = rest.find("\n[").map_or("", |end| &rest[end..]);
        let lines = lines.replace("{authority}", &self.servers.entra.url());
        self.pipeline("credential.toml", &format!("{before}[sinks.sentinel.credential]\n{lines}\n{after}"))
    }

    /// A pipeline from NordPass to the three ASIM tables, the raw events beside it in files.
    pub fn both(&self) -> PathBuf {
        let tls = |table: &str| {
            if self.authority.is_some() { format!("\n[{table}.tls]\nca_file = \"ca.pem\"\n") } else { String::new() }
        };
        let credential = if self.authority.is_some() {
            let authority = self.servers.entra.url();
            format!(
                "kind = \"client_secret\"\ntenant_id = \"${{AZURE_TENANT_ID}}\"\nclient_id = \"${{AZURE_CLIENT_ID}}\"\n\
                 client_secret = \"${{AZURE_CLIENT_SECRET}}\"\nauthority_host = \"{authority}\"\n"
            )
        } else {
            "kind = \"token\"\ntoken = \"${AZURE_TOKEN}\"\n".to_owned()
        };
        let text = format!(
            r#"
data_dir = "state"

[sources.nordpass]
type = "nordpass"
endpoint = "${{NORDPASS_ENDPOINT_URL}}"
token = "${{NORDPASS_TOKEN}}"
poll_interval = "1s"
lag = "1s"
requests_per_second = 1000
{source_tls}
[transforms.asim]
type = "asim"
inputs = ["nordpass"]

[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "${{DATA_COLLECTION_ENDPOINT}}"
dcr_immutable_id = "${{DCR_IMMUTABLE_ID}}"

{ASIM_STREAMS}
[sinks.sentinel.batch]
timeout = "200ms"

[sinks.sentinel.credential]
{credential}{sink_tls}
[sinks.archive]
type = "file"
inputs = ["nordpass"]
path = "archive/{{date}}/{{organization}}.ndjson.gz"
"#,
            source_tls = tls("sources.nordpass"),
            sink_tls = tls("sinks.sentinel"),
        );
        self.pipeline("both.toml", &text)
    }

    /// The files that were written below a folder of this world.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().join(folder)]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }
}

/// The program. It takes SIGHUP, even where the tests are run by `nohup`: what is ignored here would be ignored there, too.
#[expect(clippy::disallowed_methods, reason = "which build is tested is no setting of the program")]
pub fn program(arguments: &[&str]) -> Command {
    let built = env!("CARGO_BIN_EXE_nordpass-sentinel");
    let binary = std::env::var("SENTINEL_PROGRAM").unwrap_or_else(|_| built.to_owned());
    let mut command = Command::new(if is_hang_up_ignored() { "/usr/bin/env" } else { &binary });
    if is_hang_up_ignored() {
        command.args(["--default-signal=HUP", &binary]);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether this process ignores SIGHUP, the first of the signals. Not known elsewhere than on Linux.
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Runs a command to its end, beside the simulators.
pub async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("no panic")
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A client for requests to what a test has started.
pub fn http_client() -> reqwest::Client {
    // reqwest wants a provider, even for plain http. An error says that there is one already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// What the program said, for a failed assertion.
pub fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\nstdout: {out}\nstderr: {err}", output.status)
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"))
    }

    /// Sends it a signal by its name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        // It may have ended meanwhile: then `kill` complains.
        let _ = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).output();
    }

    /// SIGTERM, and its end.
    pub async fn terminate(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        tokio::task::spawn_blocking(move || self.0.wait().expect("it ends")).await.expect("no panic")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long a state is waited for, on a machine that is busy with other things. It only ends what would never come.
const WATCHDOG: Duration = Duration::from_secs(600);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until there is something; the simulators run meanwhile. `None`: it never came.
pub async fn found<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    for _ in 0..WATCHDOG.as_millis() / LOOK.as_millis() {
        if let Some(found) = look().await {
            return Some(found);
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

/// Waits until something holds; the simulators run meanwhile.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    found(async || holds().then_some(())).await.unwrap_or_else(|| panic!("waited {WATCHDOG:?} for {what}"));
}

/// The same while events go on happening: a record only counts as refused where others of its stream are accepted
/// before and after it, and the order of a batch's halves is left to chance.
pub async fn until_amid_events(world: &World, what: &str, holds: impl Fn() -> bool) {
    let mut seed = 1_000;
    let happen = async || {
        if holds() {
            return Some(());
        }
        seed += 1;
        let events = Generator::new(seed, Options::default()).history(now() - 5, now(), 3);
        world.simulation.nordpass.extend(events);
        // Longer than a poll and a batch take.
        tokio::time::sleep(Duration::from_secs(1)).await;
        None
    };
    found(happen).await.unwrap_or_else(|| panic!("waited for {what}, amid events"));
}

/// Says that this machine can't test something. Not a failure; but nobody may think that it was tested, so it isn't held
/// back with the test's other output.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

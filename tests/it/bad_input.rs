//! What is wrong with a configuration shows before a run (`validate --connect`) and in one (`/ready`), each in words of
//! its own that name the fix. The snapshots read like a terminal. `INSTA_UPDATE=always cargo test --test it bad_input`
//! writes them anew.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::{Clock, SystemClock};
use nordpass_simulator::entra::{ApplicationCertificate, Issuer};
use nordpass_simulator::ingestion::Elsewhere;
use nordpass_simulator::{SimulationOptions, entra};
use serde_json::Value;

use crate::credentials::SUBJECT;
use crate::support::{Process, World, found, history, http_client, output, program};

/// A clock that is ahead of this machine's by so many seconds.
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().checked_add(Duration::from_secs(self.0.unsigned_abs())).expect("a time")
    }
}

/// What a test changes: the variables, and the pipeline file's text.
#[derive(Default)]
struct Wrong {
    variables: Vec<(&'static str, String)>,
    replace: Vec<(String, String)>,
}

fn variable(name: &'static str, value: &str) -> Wrong {
    Wrong { variables: vec![(name, value.to_owned())], replace: Vec::new() }
}

fn replace(from: &str, to: &str) -> Wrong {
    Wrong { variables: Vec::new(), replace: vec![(from.to_owned(), to.to_owned())] }
}

async fn world() -> World {
    World::with_tls(SimulationOptions { events: history(3, 60), ..SimulationOptions::default() }).await
}

fn application() -> String {
    let entra::Settings { tenant, client_id, .. } = entra::Settings::default();
    format!("tenant_id = \"{tenant}\"\nclient_id = \"{client_id}\"\nauthority_host = \"{{authority}}\"\n")
}

/// The session: what `validate --connect` says, and what `/ready` says of a run with the same file.
async fn session(world: &World, wrong: Wrong) -> String {
    session_with(world, &client_secret(), wrong, WAITS).await
}

fn client_secret() -> String {
    format!("kind = \"client_secret\"\n{}client_secret = \"${{AZURE_CLIENT_SECRET}}\"\n", application())
}

/// Whether the program is run as well.
enum Run {
    /// It would run well.
    Not,
    /// Until some component waits, and its reason has this in it.
    UntilItSays(&'static str),
}

const WAITS: Run = Run::UntilItSays("");

async fn session_with(world: &World, credential: &str, wrong: Wrong, run: Run) -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let mut text = std::fs::read_to_string(world.with_credential(credential)).expect("a file");
    for (from, to) in &wrong.replace {
        assert!(text.contains(from), "{from} in\n{text}");
        text = text.replace(from, to);
    }
    let path = world.pipeline("pipeline.toml", &format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n"));
    let path = path.to_str().expect("a path");
    let command = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.envs(wrong.variables.iter().cloned()).env("PATH", world.folder.path());
        command
    };
    let end = output(command(&["validate", "--connect", path])).await;
    let said = String::from_utf8_lossy(&end.stderr).into_owned();
    let code = end.status.code().unwrap_or(-1);
    let mut session = format!("$ nordpass-sentinel validate --connect pipeline.toml\n{said}$ echo $?\n{code}\n");
    if let Run::UntilItSays(part) = run {
        let _process = Process::start(command(&["run", path]));
        session += "\n$ nordpass-sentinel run pipeline.toml &\n$ curl -s localhost:8686/ready | jq -r '.components[] | select(.state == \"waiting\") | .name, .reason'\n";
        session += &ready(port, part).await;
    }
    mask(world, &session)
}

/// The components that wait, once one does, and says this.
async fn ready(port: u16, part: &str) -> String {
    let look = async || {
        let answer = http_client().get(format!("http://127.0.0.1:{port}/ready")).send().await.ok()?;
        let report = serde_json::from_str::<Value>(&answer.text().await.ok()?).ok()?;
        let waiting = report["components"].as_array()?.iter().filter(|component| component["state"] == "waiting");
        let waiting = waiting.map(|component| {
            let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
            format!("{}\n{}\n", text("name"), text("reason"))
        });
        Some(waiting.collect::<String>()).filter(|waiting| !waiting.is_empty() && waiting.contains(part))
    };
    found(look).await.unwrap_or_else(|| panic!("no component waits and says {part}"))
}

/// Ports and folders differ from run to run.
fn mask(world: &World, session: &str) -> String {
    let mut session = session.replace(&world.folder.path().display().to_string(), "/etc/nordpass-sentinel");
    for server in [&world.servers.nordpass, &world.servers.entra, &world.servers.ingestion, &world.servers.identity] {
        session = session.replace(&server.address().port().to_string(), "PORT");
    }
    // Whichever is refused first.
    for stream in ["AuditEvent", "Authentication", "UserManagement"] {
        session = session.replace(&format!("Custom-NordPass{stream} of rule"), "Custom-NordPass… of rule");
    }
    session
}

macro_rules! cases {
    ($($name:ident: $world:ident => $session:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let $world = world().await;
            let session = $session;
            insta::assert_snapshot!(session);
        }
    )*};
}

cases! {
    wrong_tenant: world => session(&world, replace(&entra::Settings::default().tenant, "99999999-2222-4333-8444-555555555555")).await;
    wrong_application: world => session(&world, replace(&entra::Settings::default().client_id, "99999999-7777-4888-9999-000000000000")).await;
    wrong_secret: world => session(&world, variable("AZURE_CLIENT_SECRET", "not-the-secret")).await;
    expired_secret: world => {
        world.simulation.entra.expire_secret();
        session(&world, Wrong::default()).await
    };
    missing_role: world => {
        world.simulation.ingestion.set_forbidden(true);
        session(&world, Wrong::default()).await
    };
    wrong_rule: world => session(&world, variable("DCR_IMMUTABLE_ID", "dcr-99999999999999999999999999999999")).await;
    wrong_stream_name: world => {
        let wrong = replace("Custom-NordPassAuthentication", "Custom-NordPassAuthentification");
        // It says more once the rule has taken another stream.
        session_with(&world, &client_secret(), wrong, Run::UntilItSays("accepts other streams")).await
    };
    rule_of_another_region_not_bound: world => {
        world.simulation.ingestion.set_elsewhere(Some(Elsewhere::NotBound));
        session(&world, Wrong::default()).await
    };
    rule_of_another_region_unknown: world => {
        world.simulation.ingestion.set_elsewhere(Some(Elsewhere::Unknown));
        session(&world, Wrong::default()).await
    };
    wrong_nordpass_token: world => session(&world, variable("NORDPASS_TOKEN", "not-the-token")).await;
    wrong_nordpass_url: world => {
        let url = format!("{}/activities", world.servers.nordpass.url());
        session(&world, variable("NORDPASS_ENDPOINT_URL", &url)).await
    };
    certificate_of_nobody: world => {
        let certificate = ApplicationCertificate::new().expect("a certificate");
        std::fs::write(world.folder.path().join("app.pem"), certificate.pem() + &certificate.key_pem()).expect("writes");
        let lines = format!("kind = \"client_certificate\"\n{}certificate_file = \"app.pem\"\n", application());
        session_with(&world, &lines, Wrong::default(), WAITS).await
    };
    platforms_token_of_another_pod: world => {
        let issuer = Issuer::new("https://oidc.cluster.example/").expect("a key");
        world.simulation.entra.keys.trust(&issuer, SUBJECT);
        let token = issuer.token("system:serviceaccount:default:default", SystemClock.now(), Duration::from_hours(1));
        std::fs::write(world.folder.path().join("token"), token).expect("writes");
        let lines = format!("kind = \"workload_identity\"\n{}federated_token_file = \"token\"\n", application());
        session_with(&world, &lines, Wrong::default(), WAITS).await
    };
    unknown_identity: world => {
        let lines = "kind = \"managed_identity\"\nclient_id = \"99999999-bbbb-4ccc-8ddd-eeeeeeeeeeee\"\n";
        session_with(&world, lines, Wrong::default(), WAITS).await
    };
    nobody_signed_in_at_the_cli: world => {
        let az = world.folder.path().join("az");
        std::fs::write(&az, "#!/bin/sh\necho 'ERROR: Please run az login to setup account.' >&2\nexit 1\n").expect("writes");
        std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o700)).expect("may be run");
        session_with(&world, "kind = \"azure_cli\"\n", Wrong::default(), WAITS).await
    };
    no_cli: world => session_with(&world, "kind = \"azure_cli\"\n", Wrong::default(), WAITS).await;
}

/// With a client secret a wrong clock does no harm by itself, and it isn't waited for; before a run it is told all the
/// same. An assertion it makes worthless.
#[tokio::test(flavor = "multi_thread")]
async fn clock_that_is_behind() {
    let options = SimulationOptions { events: history(3, 60), ..SimulationOptions::default() };
    let world = World::with_clock(options, Arc::new(Ahead(7_500))).await;
    let certificate = ApplicationCertificate::new().expect("a certificate");
    world.simulation.entra.keys.register(&certificate);
    std::fs::write(world.folder.path().join("app.pem"), certificate.pem() + &certificate.key_pem()).expect("writes");
    let with_secret = session_with(&world, &client_secret(), Wrong::default(), Run::Not).await;
    let lines = format!("kind = \"client_certificate\"\n{}certificate_file = \"app.pem\"\n", application());
    let with_certificate = session_with(&world, &lines, Wrong::default(), WAITS).await;
    insta::assert_snapshot!(format!(
        "# kind = \"client_secret\"\n{with_secret}\n# kind = \"client_certificate\"\n{with_certificate}"
    ));
}

/// `validate` without `--connect` finds this one: no request is needed for it.
#[tokio::test(flavor = "multi_thread")]
async fn endpoint_of_another_cloud() {
    let mut command: Command = program(&["validate", "pipeline.toml"]);
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"[sources.generate]
type = "generate"

[transforms.event_log]
type = "event_log"
inputs = ["generate"]

[sinks.sentinel]
type = "sentinel"
inputs = ["event_log"]
endpoint = "https://nordpass-5kyl.usgovvirginia-1.ingest.monitor.azure.us"
dcr_immutable_id = "dcr-00000000000000000000000000000001"
streams = { "event_log" = "Custom-NordPassEventLogs_CL" }

[sinks.sentinel.credential]
kind = "managed_identity"
cloud = "china"
"#;
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("writes");
    command.current_dir(folder.path()).env_clear().stdout(Stdio::null());
    let end = output(command).await;
    let said = String::from_utf8_lossy(&end.stderr).into_owned();
    insta::assert_snapshot!(format!(
        "$ nordpass-sentinel validate pipeline.toml\n{said}$ echo $?\n{}",
        end.status.code().unwrap_or(-1)
    ));
}

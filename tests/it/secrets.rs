//! No secret stands anywhere but where it was put: runs that fail in every way, in both forms of logs at trace level.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nordpass_env::{Clock, SystemClock};
use nordpass_sentinel::pipeline;
use nordpass_sentinel::settings::Environment;
use nordpass_simulator::entra::{ApplicationCertificate, Issuer};
use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::{Endpoint, SimulationOptions, entra, nordpass};

use crate::credentials::SUBJECT;
use crate::support::{World, found, history, http_client, program, until_amid_events};

const NORDPASS: &str = "s3cret-nordpass-token";
const CLIENT: &str = "s3cret-of-the-client";
const READY: &str = "s3cret-ready-token";
const CLI: &str = "s3cret-token-of-the-cli";
const HEADER: &str = "s3cret-identity-header";
const ECHOED: &str = "s3cret-in-an-answer";

/// Where what was said stands, and the text.
type Said = Vec<(String, String)>;

/// A run that can't succeed.
struct Failing {
    name: &'static str,
    credential: String,
    /// Faults, by where they happen: status and body of each answer.
    answers: Vec<(Endpoint, u16, String)>,
    /// A record that Azure refuses.
    poison: bool,
}

fn failing(name: &'static str, credential: impl Into<String>) -> Failing {
    Failing { name, credential: credential.into(), answers: Vec::new(), poison: false }
}

impl Failing {
    fn answers(mut self, endpoint: Endpoint, status: u16, body: &str) -> Self {
        self.answers.push((endpoint, status, body.to_owned()));
        self
    }
}

fn application() -> String {
    let entra::Settings { tenant, client_id, .. } = entra::Settings::default();
    format!("tenant_id = \"{tenant}\"\nclient_id = \"{client_id}\"\nauthority_host = \"{{authority}}\"\n")
}

/// Each kind of credential, refused in its own way, and answers that quote secrets.
fn runs() -> Vec<Failing> {
    let secret = || format!("kind = \"client_secret\"\n{}client_secret = \"${{SECRET}}\"\n", application());
    let identity = "kind = \"managed_identity\"\n";
    let echo = format!(r#"{{"error":{{"code":"{ECHOED}","message":"Bearer {ECHOED} {NORDPASS}"}},"error_codes":[1]}}"#);
    vec![
        failing("client_secret refused", secret().replace("${SECRET}", "${SECRET}-wrong")),
        failing("client_secret, Azure refuses each token", secret()).answers(Endpoint::Ingestion, 401, &echo),
        failing("client_secret, Azure answers nonsense", secret()).answers(Endpoint::Ingestion, 500, &echo),
        failing("client_secret, a token cut short", secret()).answers(
            Endpoint::Entra,
            200,
            &format!(r#"{{"access_token":"{ECHOED}"#),
        ),
        failing("client_secret, Entra quotes it", secret()).answers(
            Endpoint::Entra,
            400,
            &format!(r#"{{"error":"{ECHOED}","error_description":"{CLIENT}","error_codes":[7]}}"#),
        ),
        failing(
            "client_certificate",
            format!("kind = \"client_certificate\"\n{}certificate_file = \"app.pem\"\n", application()),
        ),
        failing(
            "workload_identity",
            format!("kind = \"workload_identity\"\n{}federated_token_file = \"token\"\n", application()),
        ),
        failing("managed_identity refused", identity).answers(Endpoint::Identity, 401, &echo),
        failing("managed_identity, nonsense", identity).answers(
            Endpoint::Identity,
            200,
            &format!(r#"{{"access_token":["{ECHOED}"]}}"#),
        ),
        failing("azure_cli refused", "kind = \"azure_cli\"\nazure_cli_path = \"./az-fails\"\n"),
        failing("azure_cli, Azure refuses it", "kind = \"azure_cli\"\nazure_cli_path = \"./az\"\n"),
        failing("token", "kind = \"token\"\ntoken = \"${READY}\"\n"),
        failing("NordPass quotes its token", secret()).answers(Endpoint::Nordpass, 401, &echo),
        failing("NordPass answers nonsense", secret()).answers(Endpoint::Nordpass, 200, ECHOED),
        Failing { poison: true, ..failing("dead letters", secret()) },
    ]
}

async fn world(run: &Failing) -> (World, Vec<String>) {
    let entra =
        entra::Settings { client_secret: CLIENT.into(), identity_header: HEADER.into(), ..entra::Settings::default() };
    let nordpass = nordpass::Settings { token: NORDPASS.into(), ..nordpass::Settings::default() };
    let events = history(4, 60);
    let probe = events[20].probe().expect("a probe").to_string();
    let world = World::with_tls(SimulationOptions { events, entra, nordpass, ..SimulationOptions::default() }).await;
    let certificate = ApplicationCertificate::new().expect("a certificate");
    let issuer = Issuer::new("https://oidc.cluster.example/").expect("a key");
    world.simulation.entra.keys.trust(&issuer, SUBJECT);
    let token = issuer.token("system:serviceaccount:default:other", SystemClock.now(), Duration::from_hours(1));
    let put = |name: &str, text: &str, mode: u32| {
        let (draft, path) = (world.folder.path().join("draft"), world.folder.path().join(name));
        fs::write(&draft, text).expect("writes");
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).expect("changes");
        fs::rename(&draft, &path).expect("renames");
    };
    put("app.pem", &(certificate.pem() + &certificate.key_pem()), 0o600);
    put("token", &token, 0o600);
    put("az", &format!("#!/bin/sh\necho '{{\"accessToken\":\"{CLI}\",\"expires_on\":4102444800}}'\n"), 0o700);
    put(
        "az-fails",
        &format!("#!/bin/sh\necho '{{\"accessToken\":\"{CLI}'\necho 'az login {CLI}' >&2\nexit 1\n"),
        0o700,
    );
    for (endpoint, status, body) in &run.answers {
        let status = http::StatusCode::from_u16(*status).expect("a status");
        let effect = Effect::Status { status, body: body.clone(), headers: [].into(), retry_after: None };
        let when = When { endpoint: Some(*endpoint), ..When::default() };
        world.simulation.faults.add(Fault::new(when, effect));
    }
    if run.poison {
        world.simulation.ingestion.set_poison(Some(&probe));
    }
    let mut secrets: Vec<String> = [NORDPASS, CLIENT, READY, CLI, HEADER, ECHOED].map(String::from).into();
    let lines = certificate.key_pem();
    secrets.extend(lines.lines().filter(|line| line.len() > 40).map(String::from));
    secrets.extend(token.split('.').map(String::from));
    (world, secrets)
}

/// Lets the program fail, and collects everything that it says. The secrets that came up meanwhile are added.
async fn everything_said(run: &Failing, format: &str) -> (Said, Vec<String>) {
    let (world, mut secrets) = world(run).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let text = fs::read_to_string(world.with_credential(&run.credential)).expect("a file");
    let text = format!("{text}\n[api]\nlisten = \"127.0.0.1:{port}\"\n");
    let path = world.pipeline("leak.toml", &text);
    let path = path.to_str().expect("a path");
    let mut variables = world.variables();
    variables.extend([
        ("SECRET", CLIENT.to_owned()),
        ("READY", READY.to_owned()),
        ("PATH", "/usr/bin:/bin".to_owned()),
    ]);
    let command = |arguments: &[&str], name: &str| {
        let file = |stream: &str| File::create(world.folder.path().join(format!("{name}.{stream}"))).expect("a file");
        let mut command = program(arguments);
        command.current_dir(world.folder.path()).env_clear().envs(variables.iter().cloned());
        command.args(["--log-level", "trace", "--log-format", format]).stdout(file("stdout")).stderr(file("stderr"));
        command
    };
    let mut validate = command(&["validate", "--connect", path], "validate");
    tokio::task::spawn_blocking(move || validate.status().expect("it runs")).await.expect("no panic");

    let mut said = Said::new();
    let mut child = command(&["run", path], "run").spawn().expect("it starts");
    let get = |page: &'static str| async move {
        match http_client().get(format!("http://127.0.0.1:{port}{page}")).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    };
    if run.poison {
        let letters = world.folder.path().join("state/dead-letters/sentinel.ndjson");
        until_amid_events(&world, "a dead letter", || fs::metadata(&letters).is_ok_and(|file| file.len() > 0)).await;
    } else {
        found(async || get("/ready").await.contains("waiting").then_some(())).await.expect("it waits");
    }
    for page in ["/ready", "/metrics", "/", "/health"] {
        said.push((format!("the page {page}"), get(page).await));
    }
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).expect("the process runs");
    assert!(arguments.contains("leak.toml"), "{arguments}");
    said.push(("the process list".into(), arguments));
    let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    // What can't be delivered would be drained for long: a second one ends it at once.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    tokio::task::spawn_blocking(move || child.wait().expect("it ends")).await.expect("no panic");

    let environment = Environment::of(variables.iter().map(|(name, value)| (*name, value.clone())));
    let loaded = pipeline::load(&[("leak.toml".into(), text)], &environment);
    said.push(("Debug".into(), format!("{loaded:?}")));
    for file in world.files("state").into_iter().chain(world.files(".")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !["app.pem", "token", "az", "az-fails"].contains(&name.as_str()) {
            let content = fs::read(&file).expect("reads");
            said.push((file.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
    secrets.extend(world.simulation.entra.tokens.texts().into_iter().filter(|token| token.starts_with("simulated-")));
    for request in world.simulation.log().at(Endpoint::Entra) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let assertion = body.split('&').find_map(|pair| pair.strip_prefix("client_assertion="));
        secrets.extend(assertion.into_iter().flat_map(|jwt| jwt.split('.').map(String::from)));
    }
    (said, secrets)
}

async fn nothing_leaks(format: &str) {
    for run in runs() {
        let (said, secrets) = everything_said(&run, format).await;
        let log = &said.iter().find(|(place, _)| place.ends_with("run.stderr")).expect("a log").1;
        assert!(log.contains("waiting: ") || log.contains("dead letter: "), "{}: the log is caught: {log}", run.name);
        if run.poison {
            assert!(
                said.iter().any(|(place, text)| place.contains("dead-letters") && !text.is_empty()),
                "a dead letter"
            );
        } else {
            assert!(said[0].1.contains("waiting"), "{}: it fails: {}", run.name, said[0].1);
        }
        for (place, text) in &said {
            for secret in secrets.iter().map(String::as_str).chain(["Bearer "]) {
                assert!(!text.contains(secret), "{} ({format}): `{secret}` in {place}", run.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_logs_for_people_nor_anywhere_else() {
    nothing_leaks("human").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_logs_for_programs_nor_anywhere_else() {
    nothing_leaks("json").await;
}

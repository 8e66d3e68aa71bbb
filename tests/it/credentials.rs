//! Each kind of credential, end to end: the real program over TLS against the simulated Entra and ingestion.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nordpass_env::{Clock, SystemClock};
use nordpass_simulator::entra::{ApplicationCertificate, Issuer};
use nordpass_simulator::{Endpoint, SimulationOptions, entra, ingestion};

use crate::proxy::Proxy;
use crate::support::{World, history, output, said};

/// The subject that a pod's token names.
pub const SUBJECT: &str = "system:serviceaccount:security:nordpass-sentinel";

const EVENTS: usize = 200;

async fn world() -> World {
    World::with_tls(SimulationOptions { events: history(9, EVENTS), ..SimulationOptions::default() }).await
}

/// Runs a pipeline with this credential to its end: everything arrives, with tokens of this endpoint.
async fn delivers(world: &World, path: &Path, change: impl FnOnce(&mut Command), issued_by: Option<Endpoint>) {
    let mut command = world.command(&["run", path.to_str().expect("a path"), "--once", "--timeout", "600s"]);
    change(&mut command);
    let end = output(command).await;
    assert!(end.status.success(), "{}", said(&end));
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (EVENTS as u64, 0, 0), "{verdict:?}");
    for endpoint in [Endpoint::Entra, Endpoint::Identity] {
        let asked = !world.simulation.log().at(endpoint).is_empty();
        assert_eq!(asked, issued_by == Some(endpoint), "{endpoint:?}");
    }
}

fn application() -> String {
    let entra::Settings { tenant, client_id, .. } = entra::Settings::default();
    format!("tenant_id = \"{tenant}\"\nclient_id = \"{client_id}\"\nauthority_host = \"{{authority}}\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificate() {
    let certificate = ApplicationCertificate::new().expect("a certificate");
    let lines = format!("kind = \"client_certificate\"\n{}certificate_file = \"app.pem\"\n", application());

    let one = world().await;
    one.simulation.entra.keys.register(&certificate);
    std::fs::write(one.folder.path().join("app.pem"), certificate.pem() + &certificate.key_pem()).expect("writes");
    delivers(&one, &one.with_credential(&lines), |_| {}, Some(Endpoint::Entra)).await;

    let two = world().await;
    two.simulation.entra.keys.register(&certificate);
    std::fs::write(two.folder.path().join("app.pem"), certificate.pem()).expect("writes");
    std::fs::write(two.folder.path().join("app.key"), certificate.key_pem()).expect("writes");
    let lines = lines + "private_key_file = \"app.key\"\nsend_certificate_chain = true\n";
    delivers(&two, &two.with_credential(&lines), |_| {}, Some(Endpoint::Entra)).await;
}

/// All that the pipeline file says is the kind: the rest is what Kubernetes sets in the pod.
#[tokio::test(flavor = "multi_thread")]
async fn workload_identity_with_what_kubernetes_sets() {
    let world = world().await;
    let issuer = Issuer::new("https://oidc.cluster.example/").expect("a key");
    world.simulation.entra.keys.trust(&issuer, SUBJECT);
    let file = world.folder.path().join("azure-identity-token");
    std::fs::write(&file, issuer.token(SUBJECT, SystemClock.now(), Duration::from_hours(1))).expect("writes");
    let path = world.with_credential("kind = \"workload_identity\"\n");
    let authority = world.servers.entra.url() + "/";
    let change = |command: &mut Command| {
        command.env("AZURE_FEDERATED_TOKEN_FILE", &file).env("AZURE_AUTHORITY_HOST", authority);
    };
    delivers(&world, &path, change, Some(Endpoint::Entra)).await;
}

/// App Service, Functions and Container Apps share this endpoint; that of a virtual machine has a fixed address, so it is
/// tested inside the process, in `src/azure/tests.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn managed_identity_of_app_service_by_each_of_its_names() {
    let own = entra::Settings::default().user_identity.expect("an identity");
    for line in [String::new(), format!("client_id = \"{own}\""), format!("object_id = \"{own}\"")] {
        let world = world().await;
        let path = world.with_credential(&format!("kind = \"managed_identity\"\n{line}\n"));
        delivers(&world, &path, |_| {}, Some(Endpoint::Identity)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_cli() {
    let world = world().await;
    world.simulation.entra.tokens.accept("token-of-the-cli");
    let script = "#!/bin/sh\n[ \"$1 $2\" = 'account get-access-token' ] && echo '{\"accessToken\":\"token-of-the-cli\",\"expires_on\":4102444800}'\n";
    let (draft, az) = (world.folder.path().join("draft"), world.folder.path().join("az"));
    std::fs::write(&draft, script).expect("writes");
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o700)).expect("may be run");
    std::fs::rename(&draft, &az).expect("renames");
    // Found by its name, as usual.
    let path = world.with_credential("kind = \"azure_cli\"\n");
    let folder = format!("{}:/usr/bin:/bin", world.folder.path().display());
    let change = |command: &mut Command| {
        command.env("PATH", folder);
    };
    delivers(&world, &path, change, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_the_machines_own_identity_goes_through_the_proxy() {
    let (world, proxy) = (world().await, Proxy::start().await);
    let lines = format!("kind = \"client_secret\"\n{}client_secret = \"${{AZURE_CLIENT_SECRET}}\"\n", application());
    let through = |text: &str| {
        let url = proxy.url();
        text.replace("type = \"sentinel\"", &format!("type = \"sentinel\"\nproxy = \"{url}\""))
            .replace("type = \"nordpass\"", &format!("type = \"nordpass\"\nproxy = \"{url}\""))
    };
    let text = std::fs::read_to_string(world.with_credential(&lines)).expect("a file");
    delivers(&world, &world.pipeline("proxy.toml", &through(&text)), |_| {}, Some(Endpoint::Entra)).await;
    let servers = &world.servers;
    let mut targets: Vec<String> = [&servers.nordpass, &servers.entra, &servers.ingestion]
        .map(|server| server.url().trim_start_matches("https://").to_owned())
        .into();
    targets.sort();
    assert_eq!(proxy.targets(), targets);

    let (world, proxy) = (self::world().await, proxy);
    let before = proxy.targets().len();
    let text = std::fs::read_to_string(world.with_credential("kind = \"managed_identity\"\n")).expect("a file");
    let text = text.replace("type = \"sentinel\"", &format!("type = \"sentinel\"\nproxy = \"{}\"", proxy.url()));
    delivers(&world, &world.pipeline("proxy.toml", &text), |_| {}, Some(Endpoint::Identity)).await;
    assert_eq!(proxy.targets().len(), before + 1, "the ingestion only");
}

/// Each sovereign cloud has an audience of its own, and the wrong one is refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_audience_is_that_of_the_cloud() {
    for (cloud, audience) in [("us_government", "https://monitor.azure.us"), ("china", "https://monitor.azure.cn")] {
        let ingestion = ingestion::Settings { audience: audience.into(), ..ingestion::Settings::default() };
        let options = SimulationOptions { events: history(9, EVENTS), ingestion, ..SimulationOptions::default() };
        let world = World::with_tls(options).await;
        let lines =
            format!("kind = \"client_secret\"\n{}client_secret = \"${{AZURE_CLIENT_SECRET}}\"\n", application());
        let path = world.with_credential(&lines);
        let end = output(world.command(&["validate", "--connect", path.to_str().expect("a path")])).await;
        assert!(said(&end).contains("Azure refuses the token (401)"), "{}", said(&end));
        let path = world.with_credential(&format!("{lines}cloud = \"{cloud}\"\n"));
        delivers(&world, &path, |_| {}, Some(Endpoint::Entra)).await;
    }
}

/// Without the private authority's certificate nobody is believed, and the sentence says what to set.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_has_to_be_named() {
    let world = world().await;
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let path = world.pipeline("untrusting.toml", &text.replace("[sinks.sentinel.tls]\nca_file = \"ca.pem\"\n", ""));
    let end = output(world.command(&["validate", "--connect", path.to_str().expect("a path")])).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    assert!(said(&end).contains("TLS with localhost:"), "{}", said(&end));
}

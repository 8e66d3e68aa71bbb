//! The whole way of a token: our cache, `azure_identity`, our transport, and the simulated Entra ID.

mod assertions;
mod cli;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_identity::UserAssignedId;
use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::*;
use crate::http::{HttpClient, HttpError, Network};
use crate::settings::Secret;
use nordpass_env::{MemoryDisk, SeededRandom, TestClock};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::{Simulation, SimulationOptions, entra};

const SCOPE: &str = "https://monitor.azure.com/.default";

type Instead = Option<Result<(u16, &'static str), HttpError>>;

/// A network that keeps what is sent, and can be told what to answer instead of the simulators.
#[derive(Clone)]
struct Wire {
    simulated: Arc<SimulatedNetwork>,
    sent: Arc<Mutex<Vec<http::Request<Bytes>>>>,
    instead: Arc<Mutex<Instead>>,
    direct: Arc<Mutex<Vec<bool>>>,
}

struct Tapped {
    wire: Wire,
    client: Arc<dyn HttpClient>,
}

impl Network for Wire {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        self.direct.lock().expect("unpoisoned").push(settings.direct);
        Ok(Arc::new(Tapped { wire: self.clone(), client: self.simulated.client(settings)? }))
    }
}

impl HttpClient for Tapped {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        self.wire.sent.lock().expect("unpoisoned").push(request.clone());
        let instead = self.wire.instead.lock().expect("unpoisoned").clone();
        match instead {
            None => self.client.send(request),
            Some(answer) => Box::pin(async move {
                let (status, body) = answer?;
                let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
                *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
                Ok(response)
            }),
        }
    }
}

struct Rig {
    wire: Wire,
    entra: Arc<entra::Entra>,
    disk: Arc<MemoryDisk>,
    env: Env,
}

fn rig() -> Rig {
    let start = Timestamp::from_second(1_700_000_000).expect("a time");
    let clock = Arc::new(TestClock::starting_at(start));
    let simulation = Simulation::new(SimulationOptions::default(), start);
    let wire = Wire {
        simulated: Arc::new(simulation.network(clock.clone(), 1)),
        sent: Arc::default(),
        instead: Arc::default(),
        direct: Arc::default(),
    };
    let disk = Arc::new(MemoryDisk::new());
    let env =
        Env { clock, random: Arc::new(SeededRandom::new(1)), disk: disk.clone(), network: Arc::new(wire.clone()) };
    Rig { wire, entra: simulation.entra.clone(), disk, env }
}

impl Rig {
    fn provider(&self, settings: CredentialSettings) -> Arc<dyn TokenProvider> {
        provider(settings, SCOPE, &HttpSettings::default(), &self.env).expect("a provider")
    }

    fn client_secret(&self, client_secret: Secret) -> Arc<dyn TokenProvider> {
        self.provider(application(client_secret))
    }

    fn identity(&self, client_id: Option<&str>) -> Arc<dyn TokenProvider> {
        let identity = client_id.map(|id| UserAssignedId::ClientId(id.to_owned()));
        self.provider(CredentialKind::ManagedIdentity(identity).into())
    }

    fn sent(&self) -> usize {
        self.wire.sent.lock().expect("unpoisoned").len()
    }

    fn answer(&self, instead: Instead) {
        *self.wire.instead.lock().expect("unpoisoned") = instead;
    }

    fn lifetime(&self, token: &AccessToken) -> i64 {
        token.expires.expect("an end").duration_since(self.env.clock.now()).as_secs()
    }
}

fn application(client_secret: Secret) -> CredentialSettings {
    CredentialKind::ClientSecret { application: ours(), client_secret }.into()
}

fn ours() -> Application {
    let entra::Settings { tenant, client_id, .. } = entra::Settings::default();
    Application { tenant_id: tenant, client_id }
}

async fn failure(provider: &dyn TokenProvider) -> String {
    provider.token().await.map(drop).expect_err("no token").reason
}

const RIGHT: &str = "simulated-client-secret";

#[tokio::test(start_paused = true)]
async fn a_client_secret_gets_a_token_that_ends_on_our_clock() {
    let rig = rig();
    let provider = rig.client_secret(Secret::literal(RIGHT));
    let (token, other) = tokio::join!(provider.token(), provider.token());
    let (token, other) = (token.expect("a token"), other.expect("a token"));
    assert_eq!((token.serial, rig.sent()), (other.serial, 1), "one request for both");
    assert!((3590..=3599).contains(&rig.lifetime(&token)), "the machine's clock is years ahead of this one");

    let request = rig.wire.sent.lock().expect("unpoisoned")[0].clone();
    let tenant = entra::Settings::default().tenant;
    assert_eq!(request.uri().to_string(), format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"));
    let form = String::from_utf8_lossy(request.body()).into_owned();
    assert!(form.contains("scope=https%3A%2F%2Fmonitor.azure.com%2F.default"), "{form}");
    assert_eq!(*rig.wire.direct.lock().expect("unpoisoned"), [false]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_entra_is_bridged_by_the_old_token() {
    let rig = rig();
    let provider = rig.client_secret(Secret::literal(RIGHT));
    let first = provider.token().await.expect("a token");
    tokio::time::advance(Duration::from_secs(3400)).await;
    rig.answer(Some(Ok((503, "<html>"))));
    assert_eq!(provider.token().await.expect("the old one").serial, first.serial);
    assert_eq!(rig.sent(), 2, "it was tried");
    rig.answer(None);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_ne!(provider.token().await.expect("a new one").serial, first.serial);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_and_a_secret_that_is_wrong_by_now_is_an_error() {
    let rig = rig();
    rig.disk.put("/run/secrets/azure", "simulated-client-secret\n");
    let provider = rig.client_secret(Secret::file("/run/secrets/azure"));
    provider.token().await.expect("a token");
    rig.disk.put("/run/secrets/azure", "old-s3cret\n");
    tokio::time::advance(Duration::from_secs(3600)).await;
    let reason = failure(&*provider).await;
    assert_eq!(
        reason,
        "no token from login.microsoftonline.com (invalid_client, AADSTS7000215, 401): the client secret is wrong: use \
         the secret's value, not its ID"
    );
    rig.disk.put("/run/secrets/azure", "simulated-client-secret\n");
    provider.token().await.expect("a renewed file counts without a restart");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_taken_from_the_library_s_cache() {
    let rig = rig();
    let provider = rig.client_secret(Secret::literal(RIGHT));
    let first = provider.token().await.expect("a token");
    provider.invalidate(&first);
    let second = provider.token().await.expect("a token");
    assert_ne!(first.secret.expose_secret(), second.secret.expose_secret());
    provider.invalidate(&first);
    assert_eq!(provider.token().await.expect("a token").serial, second.serial, "the refused one isn't current");
    assert_eq!(rig.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_ready_token_is_read_again_when_it_is_refused() {
    let rig = rig();
    let provider = rig.provider(CredentialKind::Token(Secret::file("/run/token")).into());
    assert!(failure(&*provider).await.contains("/run/token"), "missing");
    rig.disk.put("/run/token", "\n");
    assert!(failure(&*provider).await.contains("/run/token is empty"));
    rig.disk.put("/run/token", "first\n");
    let first = provider.token().await.expect("a token");
    rig.disk.put("/run/token", "second\n");
    assert_eq!(provider.token().await.expect("a token").secret.expose_secret(), "first");
    provider.invalidate(&first);
    assert_eq!(provider.token().await.expect("a token").secret.expose_secret(), "second");
    let empty = rig.provider(CredentialKind::Token(Secret::literal("")).into());
    assert!(failure(&*empty).await.contains("empty"));
    assert_eq!(rig.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn odd_answers_are_reasons_to_wait_and_are_not_quoted() {
    let rig = rig();
    let provider = rig.client_secret(Secret::literal("s3cret"));
    let timeout = HttpError::Timeout { host: "login.example".into(), after: Duration::from_secs(30) };
    for (answer, part) in [
        (Ok((200, "<html>hush</html>")), "return a token"),
        (Ok((200, r#"{"access_token":"","token_type":"","expires_in":5}"#)), "return a token"),
        (Ok((200, r#"{"access_token":7,"expires_in":"hush"}"#)), "return a token"),
        (Ok((302, "")), "302"),
        (Ok((407, "<html>hush</html>")), "whether a proxy is in between"),
        (Ok((429, "hush")), "throttling requests"),
        (Ok((503, "<html>hush</html>")), "(503): it has an internal problem"),
        (Err(timeout), "no token: login.example didn't respond within 30 s"),
    ] {
        rig.answer(Some(answer));
        let (began, before) = (Instant::now(), rig.sent());
        let reason = failure(&*provider).await;
        assert!(reason.contains(part), "{reason}");
        assert!(!reason.contains("s3cret") && !reason.contains("hush"), "{reason}");
        assert_eq!((began.elapsed(), rig.sent() - before), (Duration::ZERO, 1), "no retries of the library's own");
    }
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_secret() {
    let rig = rig();
    let settings = application(Secret::literal(RIGHT));
    let token = rig.provider(settings.clone()).token().await.expect("a token");
    let ready = CredentialSettings::from(CredentialKind::Token(Secret::literal(RIGHT)));
    let shown = format!("{settings:?} {ready:?} {token:?}");
    assert!(!shown.contains(RIGHT) && !shown.contains(token.secret.expose_secret()), "{shown}");
}

/// `azure_identity` reads the environment of the process, which a test can't change in its own: it runs itself again.
fn in_a_process_with(test: &str, variables: &[(&str, &str)], body: impl AsyncFnOnce()) {
    const CHILD: &str = "NORDPASS_SENTINEL_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        return runtime.expect("a runtime").block_on(body());
    }
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.arg("--exact").arg(format!("azure::tests::{test}")).env(CHILD, "1");
    for name in ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().expect("it runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

/// What holds for both endpoints; answers the first request.
async fn an_identity_gets_tokens(rig: &Rig) -> http::Request<Bytes> {
    for client_id in [None, entra::Settings::default().user_identity] {
        let provider = rig.identity(client_id.as_deref());
        let first = provider.token().await.expect("a token");
        assert!((3590..=3599).contains(&rig.lifetime(&first)));
        provider.invalidate(&first);
        assert_ne!(provider.token().await.expect("a token").secret.expose_secret(), first.secret.expose_secret());
        let query = rig.wire.sent.lock().expect("unpoisoned").last().expect("sent").uri().query().map(str::to_owned);
        assert_eq!(query.expect("a query").contains("client_id="), client_id.is_some());
    }
    let refused = failure(&*rig.identity(Some("nobody"))).await;
    assert!(refused.contains("no such identity"), "{refused}");

    let provider = rig.identity(None);
    let unreachable = HttpError::Connect { host: "identity".into(), reason: "refused".into() };
    for (answer, part) in [
        (Ok((404, "hush")), "(404)"),
        (Ok((500, "hush")), "(500): it has an internal problem"),
        (Err(unreachable), "no token: no connection to identity: refused"),
    ] {
        rig.answer(Some(answer));
        let (began, before) = (Instant::now(), rig.sent());
        let reason = failure(&*provider).await;
        assert!(reason.contains(part) && !reason.contains("hush"), "{reason}");
        assert_eq!((began.elapsed(), rig.sent() - before), (Duration::ZERO, 1), "no retries of the library's own");
    }
    assert!(rig.wire.direct.lock().expect("unpoisoned").iter().all(|direct| *direct), "never through a proxy");
    rig.wire.sent.lock().expect("unpoisoned")[0].clone()
}

const QUERY: &str = "api-version=2019-08-01&resource=https%3A%2F%2Fmonitor.azure.com";

#[test]
fn managed_identity_of_app_service() {
    let header = entra::Settings::default().identity_header;
    let variables = [("IDENTITY_ENDPOINT", Simulation::IDENTITY_URL), ("IDENTITY_HEADER", &header)];
    in_a_process_with("managed_identity_of_app_service", &variables, async || {
        let request = an_identity_gets_tokens(&rig()).await;
        assert_eq!(request.uri().to_string(), format!("{}?{QUERY}", Simulation::IDENTITY_URL));
        assert_eq!(request.headers()["x-identity-header"], header);
    });
}

#[test]
fn managed_identity_of_a_virtual_machine() {
    in_a_process_with("managed_identity_of_a_virtual_machine", &[], async || {
        let request = an_identity_gets_tokens(&rig()).await;
        let url = format!("http://169.254.169.254/metadata/identity/oauth2/token?{QUERY}");
        assert_eq!(request.uri().to_string(), url);
        assert_eq!(request.headers()["metadata"], "true");
        let own = entra::Settings::default().user_identity.expect("an identity");
        for (identity, name) in [
            (UserAssignedId::ObjectId(own.clone()), "object_id"),
            (UserAssignedId::ResourceId(own.clone()), "msi_res_id"),
        ] {
            let rig = rig();
            rig.provider(CredentialKind::ManagedIdentity(Some(identity)).into()).token().await.expect("a token");
            let uri = rig.wire.sent.lock().expect("unpoisoned")[0].uri().to_string();
            assert!(uri.ends_with(&format!("&{name}={own}")), "{uri}");
        }
    });
}

/// One answer ended the process: the library adds the seconds to the machine's clock.
#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_names_no_possible_time_ends_nothing() {
    let rig = rig();
    let provider = rig.client_secret(Secret::literal("hush"));
    rig.answer(Some(Ok((200, r#"{"token_type":"Bearer","access_token":"good","expires_in":1000000000000}"#))));
    let token = provider.token().await.expect("a token");
    assert_eq!(rig.lifetime(&token), 30 * 86_400);
    for nonsense in ["[]", "5", r#"{"expires_in":1000000000000}"#, r#"{"access_token":5}"#] {
        let provider = rig.client_secret(Secret::literal("hush"));
        rig.answer(Some(Ok((200, nonsense))));
        failure(&*provider).await;
    }
}

/// Each request with it would have failed, for a reason that doesn't say so.
#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_stand_in_a_header_is_refused_at_once() {
    for bad in ["two\nlines", "with space", "\u{e9}", "\u{0}"] {
        let rig = rig();
        let answer = serde_json::json!({"token_type": "Bearer", "access_token": bad, "expires_in": 3599}).to_string();
        rig.answer(Some(Ok((200, Box::leak(answer.into_boxed_str())))));
        let reason = failure(&*rig.client_secret(Secret::literal("hush"))).await;
        assert!(reason.contains("no HTTP header may have") && !reason.contains(bad), "{reason}");
        let reason = failure(&*rig.provider(CredentialKind::Token(Secret::literal(bad)).into())).await;
        assert!(reason.contains("no HTTP header may have") && !reason.contains(bad), "{reason}");
    }
}

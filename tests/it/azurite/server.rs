//! A running Azurite, and what an operator does to it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use nordpass_sentinel::azure::blob::Container;
use nordpass_sentinel::azure::{CredentialKind, CredentialSettings};
use nordpass_sentinel::http::{HttpClient, HttpSettings, Network, SystemNetwork};
use nordpass_sentinel::settings::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::support::{Process, now};

/// The account that Azurite has from the start.
pub const ACCOUNT: &str = "devstoreaccount1";

/// A running Azurite; it ends with the test.
pub struct Azurite {
    _process: Process,
    /// The account's blob endpoint.
    pub endpoint: String,
    pub folder: tempfile::TempDir,
    requests: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Azurite {
    #[expect(clippy::disallowed_methods, reason = "where a tool of the tests is, is no setting of the program")]
    pub fn start() -> Self {
        let script = std::env::var("AZURITE").expect("AZURITE names Azurite's main.js; run `cargo xtask test azurite`");
        let folder = tempfile::tempdir().expect("a folder");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        for (name, text) in [("ca.pem", issuer.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())] {
            std::fs::write(folder.path().join(name), text).expect("writes");
        }
        let mut command = Command::new("node");
        command.arg(script).args(["--inMemoryPersistence", "--disableTelemetry", "--oauth", "basic"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--cert", "cert.pem", "--key", "key.pem"]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn().expect("node starts"));
        let mut said = BufReader::new(process.0.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let address = said
            .find_map(|line| line.split_once("listens on https://127.0.0.1:").map(|(_, port)| port.trim().to_owned()));
        let port = address.expect("it says where it listens");
        // From here on, it writes a line for each request.
        let requests = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let counts = requests.clone();
        std::thread::spawn(move || {
            for kind in said.filter_map(|line| kind(&line)) {
                *counts.lock().expect("no panic").entry(kind).or_default() += 1;
            }
        });
        Self { _process: process, endpoint: format!("https://localhost:{port}/{ACCOUNT}"), folder, requests }
    }

    /// How many requests it has answered, by their kind.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().expect("no panic").clone()
    }

    pub fn ca_file(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn http(&self) -> HttpSettings {
        HttpSettings { ca_file: Some(self.ca_file()), ..HttpSettings::default() }
    }

    pub fn client(&self) -> Arc<dyn HttpClient> {
        SystemNetwork::default().client(&self.http()).expect("a client")
    }

    pub fn container(&self, name: &str) -> Container {
        let credential = CredentialSettings::from(CredentialKind::Token(Secret::literal(token())));
        Container::new(&self.endpoint, name, credential, &self.http(), &nordpass_sentinel::http::system_env())
            .expect("a container")
    }
}

/// What a line of the access log is about: the method, the operation, and what it is done to.
fn kind(line: &str) -> Option<String> {
    let (_, request) = line.split_once('"')?;
    let (method, rest) = request.split_once(' ')?;
    let (path, query) = rest.split_once(" HTTP/1.1\"")?.0.split_once('?').unwrap_or((rest, ""));
    let operation = query.split('&').find_map(|part| part.strip_prefix("comp=")).unwrap_or("blob");
    // After the account and the container.
    let what = path.split('/').nth(3).unwrap_or("container");
    Some(format!("{method} {operation} of {what}"))
}

/// A token as Entra issues them for storage, but for the signature, which Azurite doesn't check.
pub fn token() -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    let header = part(&json!({"alg": "RS256", "typ": "JWT"}));
    let payload = part(&json!({
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-4000-8000-000000000001/",
        "iat": now() - 60, "nbf": now() - 60, "exp": now() + 3_600,
    }));
    format!("{header}.{payload}.{}", base64url(b"nobody signed this"))
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(LETTERS[number >> (18 - 6 * place) & 63]));
        }
    }
    text
}

/// Breaks the lease on a blob after so many seconds, as an operator can; the program never does.
pub async fn break_lease(http: &dyn HttpClient, blob: &str, token: &str, seconds: u64) -> u16 {
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now().unsigned_abs());
    let date = httpdate::fmt_http_date(date);
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!("{blob}?comp=lease"))
        .header("authorization", format!("Bearer {token}"))
        .header("x-ms-version", "2023-11-03")
        .header("x-ms-date", date)
        .header("x-ms-lease-action", "break")
        .header("x-ms-lease-break-period", seconds)
        .header("content-length", "0");
    http.send(request.body(Bytes::new()).expect("a request")).await.expect("an answer").status().as_u16()
}

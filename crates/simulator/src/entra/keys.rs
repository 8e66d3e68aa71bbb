//! The keys that client assertions are checked against: certificates of the application, and issuers that it trusts.
//!
//! The RSA keys are files beside this one, because ring, the program's only crypto provider, can't generate any. They are
//! public, and nothing but the simulator trusts them.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::assertion::{self, Jwt, Refused};
use nordpass_env::Mutex;

/// The audience that Entra wants in a platform's token.
const EXCHANGE: &str = "api://AzureADTokenExchange";

const APPLICATION_KEY: &str = include_str!("keys/application.pem");
const RENEWED_KEY: &str = include_str!("keys/renewed.pem");
const PLATFORM_KEY: &str = include_str!("keys/platform.pem");

/// A certificate as an application uses it, with its key.
#[derive(Debug)]
pub struct ApplicationCertificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl ApplicationCertificate {
    /// A self-signed one with an RSA key of 2048 bits.
    pub fn new() -> Result<Self, String> {
        Self::of(APPLICATION_KEY)
    }

    /// Another one, with another key.
    pub fn renewed() -> Result<Self, String> {
        Self::of(RENEWED_KEY)
    }

    fn of(key: &str) -> Result<Self, String> {
        let failed = |error: rcgen::Error| format!("can't make a certificate: {error}");
        let key = KeyPair::from_pem_and_sign_algo(key, &PKCS_RSA_SHA256).map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "nordpass-sentinel simulated application");
        Ok(Self { certificate: parameters.self_signed(&key).map_err(failed)?, key })
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A client assertion with these claims, as an older client signs it (RS256).
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5t#S256": self.thumbprint() });
        jwt(&self.key, &header, claims)
    }

    fn thumbprint(&self) -> String {
        assertion::encode(&Sha256::digest(self.certificate.der()))
    }

    /// Its key in PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// A platform whose tokens an application can trust, such as a Kubernetes cluster.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    key: KeyPair,
}

impl Issuer {
    /// An issuer at this URL.
    pub fn new(url: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem_and_sign_algo(PLATFORM_KEY, &PKCS_RSA_SHA256);
        let key = key.map_err(|error| format!("can't read a key: {error}"))?;
        Ok(Self { url: url.to_owned(), key })
    }

    /// A token about a subject, for the exchange at Entra.
    pub fn token(&self, subject: &str, now: Timestamp, life: Duration) -> String {
        self.token_for(EXCHANGE, subject, now, life)
    }

    /// A token for any audience.
    pub fn token_for(&self, audience: &str, subject: &str, now: Timestamp, life: Duration) -> String {
        let (now, life) = (now.as_second(), i64::try_from(life.as_secs()).unwrap_or(0));
        let header = json!({ "alg": "RS256", "kid": "simulated", "typ": "JWT" });
        let claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": [audience],
            "iat": now,
            "nbf": now,
            "exp": now + life,
        });
        jwt(&self.key, &header, &claims)
    }
}

/// A JWT with this key's signature (RS256).
fn jwt(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| assertion::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(signed.as_bytes()).unwrap_or_default();
    format!("{signed}.{}", assertion::encode(&signature))
}

/// What one application accepts.
#[derive(Debug, Default)]
pub struct Keys(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    certificates: Vec<Registered>,
    federated: Vec<Federated>,
    /// The assertions that were used, by their `jti`.
    used: BTreeSet<String>,
}

#[derive(Debug)]
struct Registered {
    thumbprint: String,
    public_key: Vec<u8>,
}

#[derive(Debug)]
struct Federated {
    issuer: String,
    subject: String,
    public_key: Vec<u8>,
}

impl Keys {
    /// Uploads a certificate for the application: assertions that its key has signed are accepted.
    pub fn register(&self, certificate: &ApplicationCertificate) {
        let thumbprint = certificate.thumbprint();
        let public_key = certificate.key.public_key_raw().to_vec();
        self.0.lock().certificates.push(Registered { thumbprint, public_key });
    }

    /// Adds a federated credential: this issuer's tokens about this subject are accepted for the application.
    pub fn trust(&self, issuer: &Issuer, subject: &str) {
        let public_key = issuer.key.public_key_raw().to_vec();
        let federated = Federated { issuer: issuer.url.clone(), subject: subject.to_owned(), public_key };
        self.0.lock().federated.push(federated);
    }

    /// Checks an assertion for an application at a token endpoint, as Entra does.
    pub(super) fn check(&self, text: &str, client_id: &str, endpoint: &str, now: Timestamp) -> Result<(), Refused> {
        let jwt = Jwt::parse(text)?;
        let state = &mut *self.0.lock();
        match jwt.thumbprint() {
            Some(thumbprint) => state.check_own(&jwt, thumbprint, client_id, endpoint, now),
            None => state.check_federated(&jwt, now),
        }
    }
}

impl State {
    fn check_own(
        &mut self,
        jwt: &Jwt<'_>,
        thumbprint: &str,
        client_id: &str,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let invalid = |reason: &str| format!("Client assertion contains an invalid signature. [Reason - {reason}]");
        let known = self.certificates.iter().find(|known| known.thumbprint == thumbprint);
        let known = known.ok_or_else(|| (700_027, invalid("The key was not found.")))?;
        let signed = jwt.is_signed_by(&known.public_key);
        demand(signed, 700_027, invalid("The key was used but the signature was invalid."))?;
        let own = jwt.text("iss") == client_id && jwt.text("sub") == client_id;
        demand(own, 700_021, "Client assertion application identifier doesn't match 'client_id' parameter.")?;
        demand(jwt.is_for(endpoint), 700_023, "Client assertion audience claim does not match Realm issuer.")?;
        jwt.check_time(now)?;
        // Microsoft documents that `jti` must be unique, and no number for one that isn't.
        let jti = jwt.text("jti");
        let fresh = !jti.is_empty() && self.used.insert(jti.to_owned());
        demand(fresh, 50_013, "Assertion is invalid: its jti is missing or was used before.")
    }

    fn check_federated(&self, jwt: &Jwt<'_>, now: Timestamp) -> Result<(), Refused> {
        let unknown =
            |claim: &str| format!("No matching federated identity record found for presented assertion {claim}.");
        let (issuer, subject) = (jwt.text("iss"), jwt.text("sub"));
        let known: Vec<_> = self.federated.iter().filter(|known| known.issuer == issuer).collect();
        let first = known.first().ok_or_else(|| (700_211, unknown(&format!("issuer '{issuer}'"))))?;
        demand(jwt.is_signed_by(&first.public_key), 50_013, "Assertion failed signature validation.")?;
        let trusted = known.iter().any(|known| known.subject == subject);
        demand(trusted, 700_213, unknown(&format!("subject '{subject}'")))?;
        demand(jwt.is_for(EXCHANGE), 700_212, unknown("audience"))?;
        jwt.check_time(now)
    }
}

fn demand(met: bool, code: u32, text: impl Into<String>) -> Result<(), Refused> {
    if met { Ok(()) } else { Err((code, text.into())) }
}

//! The keys that client assertions are checked against: certificates of the application, and issuers that it trusts.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::assertion::{self, Jwt, Refused};

/// The audience that Entra wants in a platform's token.
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// A certificate as an application uses it, with its key. Made anew for each run.
pub struct ApplicationCertificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl ApplicationCertificate {
    /// A self-signed one with an RSA key of 2048 bits.
    pub fn new() -> Result<Self, String> {
        let failed = |error: rcgen::Error| format!("can't make a certificate: {error}");
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(failed)?;
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

impl fmt::Debug for ApplicationCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApplicationCertificate")
    }
}

/// A platform whose tokens an application can trust, such as a Kubernetes cluster.
pub struct Issuer {
    url: String,
    key: KeyPair,
}

impl Issuer {
    /// An issuer with a new key.
    pub fn new(url: &str) -> Result<Self, String> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(|error| format!("can't make a key: {error}"))?;
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

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.url).finish_non_exhaustive()
    }
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
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts what this certificate's key signs.
    pub fn register(&self, certificate: &ApplicationCertificate) {
        let thumbprint = certificate.thumbprint();
        let public_key = certificate.key.public_key_raw().to_vec();
        self.state().certificates.push(Registered { thumbprint, public_key });
    }

    /// Accepts this issuer's tokens about a subject.
    pub fn trust(&self, issuer: &Issuer, subject: &str) {
        let public_key = issuer.key.public_key_raw().to_vec();
        let federated = Federated { issuer: issuer.url.clone(), subject: subject.to_owned(), public_key };
        self.state().federated.push(federated);
    }

    /// Checks an assertion for an application at a token endpoint, as Entra does.
    pub fn check(&self, text: &str, client_id: &str, endpoint: &str, now: Timestamp) -> Result<(), Refused> {
        let jwt = Jwt::parse(text)?;
        let mut state = self.state();
        match jwt.thumbprint() {
            Some(thumbprint) => {
                let known = state.certificates.iter().find(|known| known.thumbprint == thumbprint);
                let known = known.ok_or_else(|| {
                    (
                        700_027,
                        "Client assertion contains an invalid signature. [Reason - The key was not found.]".into(),
                    )
                })?;
                jwt.verify(&known.public_key).map_err(|()| {
                    (700_027, "Client assertion contains an invalid signature. [Reason - The key was used but the signature was invalid.]".into())
                })?;
                if jwt.text("iss") != client_id || jwt.text("sub") != client_id {
                    let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
                    return Err((700_021, text.to_owned()));
                }
                if !jwt.is_for(endpoint) {
                    let text = "Client assertion audience claim does not match Realm issuer.";
                    return Err((700_023, text.to_owned()));
                }
                jwt.check_time(now)?;
                // Microsoft documents that `jti` must be unique, and no number for one that isn't.
                let jti = jwt.text("jti");
                if jti.is_empty() || !state.used.insert(jti.to_owned()) {
                    return Err((50_013, "Assertion is invalid: its jti is missing or was used before.".to_owned()));
                }
                Ok(())
            }
            None => {
                let issuer = jwt.text("iss");
                let known: Vec<_> = state.federated.iter().filter(|known| known.issuer == issuer).collect();
                let Some(first) = known.first() else {
                    let text = format!(
                        "No matching federated identity record found for presented assertion issuer '{issuer}'."
                    );
                    return Err((700_211, text));
                };
                jwt.verify(&first.public_key)
                    .map_err(|()| (50_013, "Assertion failed signature validation.".to_owned()))?;
                let subject = jwt.text("sub");
                if !known.iter().any(|known| known.subject == subject) {
                    let text = format!(
                        "No matching federated identity record found for presented assertion subject '{subject}'."
                    );
                    return Err((700_213, text));
                }
                if !jwt.is_for(EXCHANGE) {
                    let text = "No matching federated identity record found for presented assertion audience.";
                    return Err((700_212, text.to_owned()));
                }
                jwt.check_time(now)
            }
        }
    }
}

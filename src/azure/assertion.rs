//! A certificate and its key, and the client assertion that is signed with them.
//!
//! The form is Entra's own ("certificate credentials": PS256, `x5t#S256`); the claims are `aud`, `iss`, `sub`, `jti`,
//! `nbf`, `exp`. rustls signs with ring, as it does for TLS: no OpenSSL. The files are read anew for each token, so a
//! renewed certificate counts without a restart.

use std::{fmt, path::PathBuf, sync::Arc};

use azure_core::base64;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::rustls::{SignatureAlgorithm, SignatureScheme};

use nordpass_env::Random;

/// How long an assertion is good, in seconds: long enough for one request on a slow line.
const LIFE: i64 = 300;
/// It is good from a little before now, for a clock that is a little ahead.
const BEFORE: i64 = 60;

/// No certificate chain is longer; the limit keeps a path such as /dev/zero from filling the memory.
pub const LONGEST_FILE: usize = 1 << 20;

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then its issuers; it may contain the key, too.
    pub certificate: PathBuf,
    /// PEM: the key, where it has a file of its own.
    pub private_key: Option<PathBuf>,
}

/// Who asserts, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The token endpoint.
    pub audience: &'a str,
    /// The application.
    pub client_id: &'a str,
    /// Whether the certificates go along, for applications that trust a subject name instead of a thumbprint.
    pub with_chain: bool,
}

/// A certificate with its key, ready to sign. `Debug` shows neither.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

impl Identity {
    /// Reads PEM. `key` is the text that contains the key. The error is a sentence about the files' content, without
    /// any of it.
    pub fn parse(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| "it isn't PEM".to_owned())?;
        if chain.is_empty() {
            return Err("it contains no PEM certificate (`-----BEGIN CERTIFICATE-----`)".to_owned());
        }
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key(key))?;
        // ring signs with no others.
        let unusable = |_| "its private key can't be used: create an RSA key of 2,048 to 4,096 bits".to_owned();
        let signing = any_supported_type(&private).map_err(unusable)?;
        if signing.algorithm() != SignatureAlgorithm::RSA {
            return Err("its key isn't an RSA key, the only kind that Entra accepts".to_owned());
        }
        let mut of_leaf = CertifiedKey::new(chain.clone(), signing.clone());
        of_leaf.cert.truncate(1);
        of_leaf.keys_match().map_err(|_| "the private key doesn't match the first certificate".to_owned())?;
        Ok(Self { chain, key: signing })
    }

    /// A new assertion.
    pub fn assert(&self, claim: Claim<'_>, now: Timestamp, random: &dyn Random) -> Result<String, String> {
        let leaf = self.chain.first().map(Sha256::digest).unwrap_or_default();
        let mut header = json!({ "typ": "JWT", "alg": "PS256", "x5t#S256": base64::encode_url_safe(leaf) });
        if claim.with_chain {
            header["x5c"] = self.chain.iter().map(base64::encode).collect();
        }
        let seconds = now.as_second();
        let claims = json!({
            "aud": claim.audience,
            "iss": claim.client_id,
            "sub": claim.client_id,
            "jti": format!("{:016x}{:016x}", random.next_u64(), random.next_u64()),
            "nbf": seconds - BEFORE,
            "exp": seconds + LIFE,
        });
        let [header, claims] = [header, claims].map(|part| base64::encode_url_safe(part.to_string()));
        let text = format!("{header}.{claims}");
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]);
        let signature = signer.and_then(|signer| signer.sign(text.as_bytes()).ok());
        let signature = signature.ok_or("the certificate's key can't sign: is it at least 2048 bits long?")?;
        Ok(format!("{text}.{}", base64::encode_url_safe(signature)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Why there is no key in a text.
fn no_key(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED") {
        "its private key is encrypted: decrypt it (openssl pkey -in key.pem -out plain.pem), and let only this user \
         read it"
            .to_owned()
    } else {
        "it contains no PEM private key (`-----BEGIN PRIVATE KEY-----`): append it after the certificate, or set \
         `private_key_file`"
            .to_owned()
    }
}

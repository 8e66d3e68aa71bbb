//! A client assertion: a JWT, read and verified. Written apart from the library that signs the product's own.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::crypto::ring;

/// The number after AADSTS, and the text.
pub type Refused = (u32, String);

/// Entra's tolerance for clocks that differ, in seconds.
const SKEW: i64 = 300;

/// Base64 for URLs, without padding.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The parts of an assertion.
pub struct Jwt<'a> {
    signed: &'a [u8],
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Jwt<'a> {
    /// Reads it, without believing any of it.
    pub fn parse(text: &'a str) -> Result<Self, Refused> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return Err(malformed()) };
        let object = |part: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
            serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(|_| malformed())
        };
        Ok(Self {
            signed: &text.as_bytes()[..header.len() + 1 + claims.len()],
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?,
            header: object(header)?,
            claims: object(claims)?,
        })
    }

    /// The certificate's SHA-256 thumbprint, where one is named.
    pub fn thumbprint(&self) -> Option<&str> {
        self.header.get("x5t#S256").and_then(Value::as_str)
    }

    /// A claim's text.
    pub fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether an audience is (among) its own.
    pub fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(own)) => own == audience,
            Some(Value::Array(own)) => own.iter().any(|own| own == audience),
            _ => false,
        }
    }

    /// Whether the signature is that of this RSA key.
    pub fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let scheme = match self.header.get("alg").and_then(Value::as_str) {
            Some("PS256") => SignatureScheme::RSA_PSS_SHA256,
            Some("RS256") => SignatureScheme::RSA_PKCS1_SHA256,
            _ => return false,
        };
        let known = ring::default_provider().signature_verification_algorithms;
        let algorithms = known.mapping.iter().find(|(name, _)| *name == scheme).map_or(&[][..], |(_, found)| *found);
        let good = |algorithm: &&dyn tokio_rustls::rustls::pki_types::SignatureVerificationAlgorithm| {
            algorithm.verify_signature(public_key, self.signed, &self.signature).is_ok()
        };
        algorithms.iter().any(good)
    }

    /// Whether it is valid now.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Refused> {
        let time = |claim: &str| self.claims.get(claim).and_then(Value::as_i64);
        let (from, to) = (time("nbf").unwrap_or(0), time("exp").unwrap_or(0));
        let now = now.as_second();
        if (from - SKEW..to + SKEW).contains(&now) {
            return Ok(());
        }
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {from}, expiry time of assertion {to}."
        );
        Err((700_024, text))
    }
}

fn malformed() -> Refused {
    (50_027, "JWT token is invalid or malformed.".to_owned())
}

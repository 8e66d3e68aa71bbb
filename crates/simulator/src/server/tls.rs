//! A certificate authority for one run, and the servers' certificate.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that nobody trusts but who is given its certificate, and a certificate of it for loopback. The keys
/// are made anew for each run and never leave the process.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The authority's certificate in PEM, for clients to trust.
    pub pem: String,
    /// The servers' TLS configuration.
    pub(super) config: Arc<ServerConfig>,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self, String> {
        let failed = |error: rcgen::Error| format!("can't make a certificate: {error}");
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "nordpass-sentinel simulator");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(failed)?).map_err(failed)?;

        let mut leaf = CertificateParams::new(["localhost", "127.0.0.1"].map(String::from)).map_err(failed)?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers (Python 3.13) want both key identifiers.
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;

        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .map_err(|error| format!("can't set up TLS: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { pem: issuer.pem(), config: Arc::new(config) })
    }
}

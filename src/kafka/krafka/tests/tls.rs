//! TLS over TCP: an authority of one's own, and client certificates.

use std::path::Path;
use std::sync::Arc;

use krafka::testing::FakeBroker;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::connected;
use nordpass_env::kafka::Trouble;

/// A certificate of an authority, and its key.
struct Leaf {
    pem: String,
    der: CertificateDer<'static>,
    key: KeyPair,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority")
}

fn leaf(issuer: &Issuer, name: &str) -> Leaf {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("names");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    Leaf { pem: certificate.pem(), der: certificate.der().clone(), key }
}

/// Ends TLS in front of a broker, and demands a certificate of this authority. Returns its address.
async fn in_front_of(broker: String, issuer: &Issuer, clients: Option<&Issuer>) -> String {
    let _ = ring::default_provider().install_default();
    let own = leaf(issuer, "127.0.0.1");
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).expect("an authority");
            builder
                .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::try_from(own.key.serialize_der()).expect("a key");
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![own.der], key).expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, broker) = (acceptor.clone(), broker.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let Ok(mut inside) = TcpStream::connect(broker).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}

#[tokio::test]
async fn only_a_known_authority_is_trusted_and_a_client_shows_its_certificate() {
    let fake = FakeBroker::start().await.expect("a broker");
    let folder = tempfile::tempdir().expect("a folder");
    let (issuer, other) = (issuer(), issuer());
    let ca = written(folder.path(), "ca.pem", &issuer.pem());
    let wrong_ca = written(folder.path(), "other.pem", &other.pem());
    let open = in_front_of(fake.bootstrap_servers(), &issuer, None).await;
    let text = |address: &str, tls: &str| {
        format!(
            "bootstrap_servers = [\"{address}\"]\nrequest_timeout = \"5s\"\nsecurity_protocol = \"SSL\"\n[tls]\n{tls}"
        )
    };
    let with_ca = |ca: &str| format!("ca_file = \"{ca}\"\n");
    assert!(connected(&text(&open, &with_ca(&ca))).kafka().await.is_ok());
    for tls in [String::new(), with_ca(&wrong_ca)] {
        let error = connected(&text(&open, &tls)).kafka().await.map(drop).expect_err("an unknown authority");
        assert_eq!(error.trouble, Trouble::Authentication, "{error:?}");
    }
    let closed = in_front_of(fake.bootstrap_servers(), &issuer, Some(&issuer)).await;
    assert!(connected(&text(&closed, &with_ca(&ca))).kafka().await.is_err(), "it has no certificate");
    let client = leaf(&issuer, "client.example");
    let cert = written(folder.path(), "cert.pem", &client.pem);
    let key = written(folder.path(), "key.pem", &client.key.serialize_pem());
    let mutual = format!("{}cert_file = \"{cert}\"\nkey_file = \"{key}\"\n", with_ca(&ca));
    assert!(connected(&text(&closed, &mutual)).kafka().await.is_ok());
    // A file that goes away is said by its name.
    std::fs::remove_file(&key).expect("removes");
    let gone = connected_unchecked(&text(&closed, &mutual)).await;
    assert!(gone.contains("can't read `key_file`"), "{gone}");
}

/// What is said when a file of the settings can't be read when it is needed.
async fn connected_unchecked(text: &str) -> String {
    let mut section =
        crate::settings::Section::parse(text, super::FIELDS, crate::settings::Environment::of::<&str, &str>([]));
    let settings = super::ConnectionSettings::read(&mut section);
    let broker = super::KrafkaBroker::new(&settings, &crate::http::system_env()).expect("settings");
    broker.kafka().await.map(drop).expect_err("no key").to_string()
}

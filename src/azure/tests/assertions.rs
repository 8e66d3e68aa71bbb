//! Certificates and platforms' tokens.

use std::path::Path;

use super::*;
use nordpass_simulator::entra::{ApplicationCertificate, Issuer};

const CERTIFICATE: &str = "/run/secrets/sentinel.pem";
const KEY: &str = "/run/secrets/sentinel.key";

fn of_certificate(key: Option<&str>) -> CredentialSettings {
    let files = CertificateFiles { certificate: CERTIFICATE.into(), private_key: key.map(Into::into) };
    CredentialKind::ClientCertificate { application: ours(), files, send_chain: true }.into()
}

fn certificate(rig: &Rig) -> ApplicationCertificate {
    let certificate = ApplicationCertificate::new().expect("a certificate");
    rig.entra.keys.register(&certificate);
    certificate
}

#[tokio::test(start_paused = true)]
async fn a_certificate_signs_for_each_token_anew() {
    let rig = rig();
    let certificate = certificate(&rig);
    rig.disk.put(CERTIFICATE, format!("{}{}", certificate.pem(), certificate.key_pem()));
    let provider = rig.provider(of_certificate(None));
    let first = provider.token().await.expect("a token");
    assert_eq!(rig.lifetime(&first), 3599);
    provider.invalidate(&first);
    // The simulator refuses an assertion that it has seen.
    provider.token().await.expect("a token of a new assertion");

    let renewed = ApplicationCertificate::renewed().expect("a certificate");
    rig.disk.put(CERTIFICATE, renewed.pem());
    rig.disk.put(KEY, renewed.key_pem());
    let provider = rig.provider(of_certificate(Some(KEY)));
    let reason = failure(&*provider).await;
    assert!(reason.contains("AADSTS700027") && reason.contains("upload it"), "{reason}");
    rig.entra.keys.register(&renewed);
    provider.token().await.expect("two files, and another certificate without a restart");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_used_is_a_reason_to_wait_and_shows_nothing() {
    let rig = rig();
    let (certificate, other) = (certificate(&rig), ApplicationCertificate::renewed().expect("a certificate"));
    let provider = rig.provider(of_certificate(Some(KEY)));
    let elliptic = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    for (chain, key, part) in [
        (None, None, "can't read /run/secrets/sentinel.pem"),
        (Some(certificate.pem()), None, "can't read /run/secrets/sentinel.key"),
        (Some(String::new()), Some(certificate.key_pem()), "contains no PEM certificate"),
        (Some(certificate.pem()), Some(certificate.pem()), "contains no PEM private key"),
        (Some(certificate.pem()), Some(other.key_pem()), "doesn't match the first certificate"),
        (Some(certificate.pem()), Some(elliptic), "isn't an RSA key"),
        (Some(certificate.pem()), Some(include_str!("rsa-1024.pem").into()), "RSA key of 2,048 to 4,096 bits"),
        (Some(certificate.pem()), Some("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".into()), "is encrypted"),
        (Some(certificate.pem()), Some(certificate.key_pem().replace("MII", "AII")), "private key"),
    ] {
        for (path, content) in [(CERTIFICATE, chain), (KEY, key)] {
            if let Some(content) = content {
                rig.disk.put(path, content);
            }
        }
        let reason = failure(&*provider).await;
        assert!(reason.contains(part), "{part}: {reason}");
        assert!(!reason.contains("MII"), "{reason}");
    }
    assert_eq!(rig.sent(), 0, "nobody was asked");
}

#[tokio::test(start_paused = true)]
async fn a_platforms_token_is_read_anew_for_each_exchange() {
    let rig = rig();
    let (issuer, subject) = (Issuer::new("https://cluster.example").expect("a key"), "system:serviceaccount:a:b");
    rig.entra.keys.trust(&issuer, subject);
    let file = "/var/run/secrets/azure/tokens/azure-identity-token";
    let token_file = Path::new(file).to_owned();
    let provider = rig.provider(CredentialKind::WorkloadIdentity { application: ours(), token_file }.into());
    let hour = Duration::from_hours(1);
    let write = |subject: &str| rig.disk.put(Path::new(file), issuer.token(subject, rig.env.clock.now(), hour));
    assert!(failure(&*provider).await.contains(file), "missing");
    write("system:serviceaccount:a:other");
    let reason = failure(&*provider).await;
    assert!(reason.contains("AADSTS700213") && reason.contains("serviceaccount"), "{reason}");
    write(subject);
    let first = provider.token().await.expect("a token");
    // Ten seconds before its end Entra's token is renewed; the platform's is over by then, and was renewed as well.
    tokio::time::advance(Duration::from_secs(3_590 + 600)).await;
    let reason = failure(&*provider).await;
    assert!(reason.contains("AADSTS700024") && reason.contains("no longer renewed"), "{reason}");
    write(subject);
    assert_ne!(provider.token().await.expect("a token").serial, first.serial);
}

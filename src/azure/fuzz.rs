//! Fuzz targets: what Entra, a managed identity's endpoint and the Azure CLI answer, and a certificate's files.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::assertion::{Claim, Identity};
use super::{AccessToken, Application, CredentialKind, TokenError, cli, provider};
use crate::fuzz::{answer, disk, env, marked, number_line, silent, wait};
use crate::http::HttpSettings;
use crate::settings::Secret;

const SCOPE: &str = "https://monitor.azure.com/.default";
const LONGEST_LIFE: i64 = 30 * 86_400;

/// Entra's answer.
pub(crate) fn entra(data: &[u8]) {
    let application =
        Application { tenant_id: "6f5f4a3c-0000-4000-8000-000000000001".to_owned(), client_id: "app".to_owned() };
    let client_secret = Secret::literal("a value");
    token(data, CredentialKind::ClientSecret { application, client_secret });
}

/// The answer of a virtual machine's identity endpoint.
pub(crate) fn identity(data: &[u8]) {
    token(data, CredentialKind::ManagedIdentity(None));
}

fn token(data: &[u8], kind: CredentialKind) {
    let env = env(&disk("unused", ""), answer(&marked(data)));
    let provider = provider(kind.into(), SCOPE, &HttpSettings::default(), &env).expect("settings");
    check(wait(provider.token()), env.clock.now_seconds());
}

fn check(token: Result<AccessToken, TokenError>, now: i64) {
    match token {
        Err(error) => silent(&error.to_string()),
        Ok(token) => {
            fits(token.secret.expose_secret());
            silent(&format!("{token:?}"));
            if let Some(expires) = token.expires {
                let life = expires.as_second() - now;
                assert!((1..=LONGEST_LIFE).contains(&life), "lives {life} s");
            }
        }
    }
}

fn fits(token: &str) {
    assert!((1..=16 << 10).contains(&token.len()), "{} bytes", token.len());
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "can't stand in a header");
}

/// What `az` writes: its exit code in the first line, then its output or, if it failed, its errors.
pub(crate) fn az(data: &[u8]) {
    let (code, output) = number_line(data);
    let output = marked(output);
    let now = jiff::Timestamp::from_second(1_748_000_000).expect("a time");
    if code.is_some_and(|code| code != 0) {
        return silent(&cli::advice(&output));
    }
    match cli::answer("az", &output, now) {
        Err(why) => silent(&why),
        Ok((_, life)) => {
            assert!(life.is_none_or(|life| life > Duration::ZERO && life.as_secs() <= LONGEST_LIFE.unsigned_abs()));
        }
    }
}

/// A certificate and its key, in one file.
pub(crate) fn certificate(data: &[u8]) {
    let file = marked(data);
    match Identity::parse(&file, &file) {
        Err(reason) => silent(&reason),
        Ok(identity) => {
            let env = env(&disk("unused", ""), http::Response::default());
            let claim = Claim { audience: "https://login.example", client_id: "app", with_chain: true };
            match identity.assert(claim, env.clock.now(), env.random.as_ref()) {
                Ok(assertion) => assert_eq!(assertion.split('.').count(), 3),
                Err(reason) => silent(&reason),
            }
        }
    }
}

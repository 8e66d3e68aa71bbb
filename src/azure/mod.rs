//! Azure: clouds, credentials, and tokens for the Logs Ingestion API.
//!
//! Tokens come from Microsoft's `azure_identity`, over our own transport ([`transport`]), through one cache of ours
//! ([`cache`]). A new credential is made for each token: `azure_identity` would otherwise hand out its own cached
//! copy of a token that Azure has just refused. It also computes expiry with the machine's clock, which nothing here
//! reads: the transport takes a token's life from the response itself, and the cache counts it on the
//! [`Clock`](nordpass_env::Clock) handle. A certificate's assertion is signed here ([`assertion`]), because the library
//! would do it with OpenSSL; the Azure CLI is started here ([`cli`]), with bounds (ADR 0016).

mod assertion;
pub mod blob;
mod cache;
mod cli;
mod clouds;
mod credential;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod refusal;
mod settings;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;

pub use assertion::CertificateFiles;
pub use clouds::{Cloud, scope};
pub use fields::FIELDS;
pub use settings::{Application, CredentialKind, CredentialSettings, check_tenant};

use crate::http::HttpSettings;
use nordpass_env::Env;

/// A bearer token. `Debug` doesn't show it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token's text.
    pub secret: SecretString,
    /// When it ends; `None` if unknown.
    pub expires: Option<Timestamp>,
    /// Counts the tokens of a provider, so that a refused one can be named.
    pub serial: u64,
}

/// Why there is no token. Always waited for, never a loss.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenError {
    /// A sentence that an operator can act on: with Entra's error code, without any secret.
    pub reason: String,
}

/// Gives tokens.
pub trait TokenProvider: Send + Sync {
    /// A token that should be good now.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>>;
    /// This token was refused: the next one is fetched again.
    fn invalidate(&self, refused: &AccessToken);
}

/// A provider for these settings. The error is a sentence about the settings.
pub fn provider(
    settings: CredentialSettings,
    scope: &str,
    http: &HttpSettings,
    env: &Env,
) -> Result<Arc<dyn TokenProvider>, String> {
    let source = credential::source(settings, scope, http, env)?;
    Ok(Arc::new(cache::TokenCache::new(source, env)))
}

//! TLS and SASL, from the settings.

use std::path::Path;
use std::sync::Arc;

use krafka::KrafkaError;
use krafka::auth::{AuthConfig, OAuthBearerToken, TlsConfig};
use secrecy::ExposeSecret as _;

use crate::azure::{self, AccessToken, TokenProvider};
use crate::http::LONGEST_PEM_FILE;
use crate::kafka::connection::ConnectionSettings;
use crate::kafka::sasl::SaslSettings;
use nordpass_env::kafka::{BrokerError, Trouble};
use nordpass_env::{Disk, Env, Mutex};

/// A token whose end isn't known is taken to live this long, in milliseconds.
const UNKNOWN_LIFETIME_MS: i64 = 300_000;

/// Makes the client's security settings.
pub struct Security {
    settings: ConnectionSettings,
    disk: Arc<dyn Disk>,
    tokens: Option<Tokens>,
}

/// Gives tokens to the client, and keeps the reason why there was none.
#[derive(Clone)]
struct Tokens {
    provider: Arc<dyn TokenProvider>,
    env: Env,
    failure: Arc<Mutex<Option<String>>>,
    /// The latest one.
    last: Arc<Mutex<Option<AccessToken>>>,
}

impl Security {
    /// Of these settings. The error is a sentence about them.
    pub fn new(settings: &ConnectionSettings, env: &Env) -> Result<Self, String> {
        let tokens = match &settings.sasl {
            Some(SaslSettings::OauthBearer(credential, scope)) => Some(Tokens {
                provider: azure::provider((**credential).clone(), scope, &settings.http, env)?,
                env: env.clone(),
                failure: Arc::default(),
                last: Arc::default(),
            }),
            _ => None,
        };
        Ok(Self { settings: settings.clone(), disk: env.disk.clone(), tokens })
    }

    /// Why there was no token the last time.
    pub fn no_credential(&self) -> Option<String> {
        self.tokens.as_ref()?.failure.lock().clone()
    }

    /// The broker has refused the credential: the next token is fetched again.
    pub fn refused(&self) {
        if let Some(tokens) = &self.tokens
            && let Some(token) = tokens.last.lock().take()
        {
            tokens.provider.invalidate(&token);
        }
    }

    /// The client's settings, with secrets and certificates as they are now; `None`: neither TLS nor SASL.
    pub async fn auth(&self) -> Result<Option<AuthConfig>, BrokerError> {
        let tls = if self.settings.is_encrypted { Some(self.tls().await?) } else { None };
        let Some(sasl) = &self.settings.sasl else { return Ok(tls.map(AuthConfig::ssl)) };
        let auth = match sasl {
            SaslSettings::Plain(username, password) => {
                AuthConfig::sasl_plain(username, self.load(password).await?.expose_secret())
            }
            SaslSettings::Scram { is_sha512, username, password } => {
                let password = self.load(password).await?;
                if *is_sha512 {
                    AuthConfig::sasl_scram_sha512(username, password.expose_secret())
                } else {
                    AuthConfig::sasl_scram_sha256(username, password.expose_secret())
                }
            }
            SaslSettings::OauthBearer(..) => {
                let tokens = self.tokens.clone();
                AuthConfig::sasl_oauthbearer_provider(move || {
                    let tokens = tokens.clone();
                    async move {
                        match tokens {
                            Some(tokens) => tokens.next().await,
                            None => Err(KrafkaError::auth("no token")),
                        }
                    }
                })
            }
        };
        Ok(Some(match tls {
            Some(tls) => auth.with_tls(tls),
            None => auth,
        }))
    }

    async fn load(&self, secret: &crate::settings::Secret) -> Result<secrecy::SecretString, BrokerError> {
        let loaded = secret.load(self.disk.as_ref()).await;
        loaded.map_err(|error| BrokerError::new(Trouble::NoCredential(error.to_string())))
    }

    /// The system's certificate authorities, and those of `ca_file`.
    async fn tls(&self) -> Result<TlsConfig, BrokerError> {
        let http = &self.settings.http;
        let mut tls = TlsConfig::new().with_native_roots();
        if let Some(path) = &http.ca_file {
            tls = tls.with_ca_cert_pem(self.read(path, "ca_file").await?);
        }
        if let (Some(cert), Some(key)) = (&http.cert_file, &http.key_file) {
            let (cert, key) = (self.read(cert, "cert_file").await?, self.read(key, "key_file").await?);
            tls = tls.with_client_cert_pem(cert, key);
        }
        Ok(tls)
    }

    async fn read(&self, path: &Path, name: &str) -> Result<Vec<u8>, BrokerError> {
        self.disk.read_bounded(path, LONGEST_PEM_FILE).await.map_err(|error| {
            let reason = format!("can't read `{name}` {}: {error}", path.display());
            BrokerError::new(Trouble::NoCredential(reason))
        })
    }
}

impl Tokens {
    async fn next(&self) -> krafka::Result<OAuthBearerToken> {
        match self.provider.token().await {
            Ok(token) => {
                *self.failure.lock() = None;
                *self.last.lock() = Some(token.clone());
                let end = token.expires.map_or_else(
                    || self.env.clock.now().as_millisecond() + UNKNOWN_LIFETIME_MS,
                    jiff::Timestamp::as_millisecond,
                );
                Ok(OAuthBearerToken::new(token.secret.expose_secret()).with_lifetime_ms(end))
            }
            Err(error) => {
                *self.failure.lock() = Some(error.reason);
                Err(KrafkaError::auth("no token"))
            }
        }
    }
}

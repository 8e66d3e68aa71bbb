//! Fetches one token at a time: from Entra, from the machine's identity, or from a secret.
//!
//! A new credential of the library is made for each fetch. It costs nothing beside the request, and it is the only
//! way past the library's own cache, which would hand out a refused token again; a renewed secret file counts at once.

use std::{fmt, panic::AssertUnwindSafe, path::Path, pin::Pin, sync::Arc, time::Duration};

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::http::{ClientMethodOptions, ClientOptions};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
};
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use secrecy::{ExposeSecret, SecretString};

use super::assertion::{CertificateFiles, Claim, Identity, LONGEST_FILE};
use super::refusal::Asked;
use super::settings::{Application, CredentialKind};
use super::transport::{Exchange, LONGEST_ANSWER, NO_TOKEN, Seen};
use super::{CredentialSettings, TokenError, cli};
use crate::http::{HttpClient, HttpSettings};
use crate::settings::Secret;
use nordpass_env::{Disk, Env};

/// The longest token. Entra's have a few thousand bytes.
const LONGEST_TOKEN: usize = 16 << 10;

/// A token as fetched, and how long it lives; `None` if unknown.
pub type Fetched = (SecretString, Option<Duration>);

/// Where tokens come from.
pub trait TokenSource: Send + Sync {
    /// Fetches a new token.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>>;
}

/// The source for these settings.
pub fn source(
    settings: CredentialSettings,
    scope: &str,
    http: &HttpSettings,
    env: &Env,
) -> Result<Box<dyn TokenSource>, String> {
    let http = HttpSettings { max_body_bytes: LONGEST_ANSWER.min(http.max_body_bytes), ..http.clone() };
    let http = match &settings.kind {
        // The identity's endpoints are on this machine or link-local: never through a proxy.
        CredentialKind::ManagedIdentity(_) => HttpSettings { direct: true, ..http },
        _ => http,
    };
    let http = env.network.client(&http)?;
    Ok(Box::new(Source { settings, scope: scope.to_owned(), http, env: env.clone() }))
}

struct Source {
    settings: CredentialSettings,
    scope: String,
    http: Arc<dyn HttpClient>,
    env: Env,
}

impl TokenSource for Source {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            let (token, lifetime) = self.fetch_any().await?;
            // Every request with it would fail, each for a reason that doesn't say so.
            if !fits_a_header(token.expose_secret()) {
                return Err(no_token("the token contains characters that no HTTP header may have, or is too long"));
            }
            Ok((token, lifetime))
        })
    }
}

impl Source {
    fn fetch_any(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            match &self.settings.kind {
                CredentialKind::Token(token) => Ok((self.load(token).await?, None)),
                CredentialKind::ClientSecret { application, client_secret } => {
                    let secret = self.load(client_secret).await?;
                    let secret = AzureSecret::from(secret.expose_secret().to_owned());
                    let Application { tenant_id, client_id } = application;
                    self.ask(Asked::Secret, |client_options| {
                        let options = ClientSecretCredentialOptions { client_options };
                        Ok(ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options))?)
                    })
                    .await
                }
                CredentialKind::ClientCertificate { application, files, send_chain } => {
                    let assertion = self.sign(application, files, *send_chain).await?;
                    self.exchange(Asked::Certificate, application, assertion).await
                }
                CredentialKind::WorkloadIdentity { application, token_file } => {
                    let token = self.load(&Secret::file(token_file)).await?;
                    self.exchange(Asked::Federated, application, token).await
                }
                CredentialKind::ManagedIdentity(identity) => {
                    let user_assigned_id = identity.clone();
                    self.ask(Asked::Identity, |client_options| {
                        let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                        Ok(ManagedIdentityCredential::new(Some(options))?)
                    })
                    .await
                }
                CredentialKind::AzureCli { tenant_id, program } => {
                    let now = self.env.clock.now();
                    cli::fetch(program, tenant_id.as_deref(), &self.scope, now, cli::LIMIT).await
                }
            }
        })
    }
}

impl Source {
    /// Exchanges an assertion, one's own or a platform's, for a token.
    async fn exchange(
        &self,
        asked: Asked,
        application: &Application,
        assertion: SecretString,
    ) -> Result<Fetched, TokenError> {
        let Application { tenant_id, client_id } = application.clone();
        self.ask(asked, |client_options| {
            let options = ClientAssertionCredentialOptions { client_options };
            Ok(ClientAssertionCredential::new(tenant_id, client_id, Ready(assertion), Some(options))?)
        })
        .await
    }

    /// Makes a credential over a transport of its own and asks it once.
    async fn ask(
        &self,
        asked: Asked,
        credential: impl FnOnce(ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>>,
    ) -> Result<Fetched, TokenError> {
        let exchange = Exchange::new(self.http.clone(), self.env.clock.clone(), asked);
        let options = ClientOptions { cloud: Some(Arc::new(self.cloud())), ..exchange.options() };
        let token = match credential(options) {
            // A panic of the library is one failed request, not the end of the process.
            Ok(credential) => {
                let token = AssertUnwindSafe(async { credential.get_token(&[&self.scope], None).await });
                token.catch_unwind().await.unwrap_or_else(|_| Err(exchange.fail(NO_TOKEN.to_owned())))
            }
            Err(error) => Err(error),
        };
        let reason = match (token, exchange.seen()) {
            (Ok(token), Seen::Answer(lifetime)) if !token.token.secret().is_empty() => {
                return Ok((SecretString::from(token.token.secret().to_owned()), lifetime));
            }
            (_, Seen::Failed(reason)) => reason,
            // The library's words may quote the response, which is nearly a token.
            (_, Seen::Answer(_)) => NO_TOKEN.to_owned(),
            // Before any request: a kind of managed identity that the library doesn't know, for one.
            (Err(error), Seen::Nothing) => {
                format!("no token for Azure: {}", error.to_string().lines().next().unwrap_or_default())
            }
            (Ok(_), Seen::Nothing) => "no token for Azure: none was requested".to_owned(),
        };
        Err(TokenError { reason })
    }

    async fn load(&self, secret: &Secret) -> Result<SecretString, TokenError> {
        let value = secret.load(&*self.env.disk).await.map_err(|error| no_token(&error.to_string()))?;
        if value.expose_secret().is_empty() {
            return Err(no_token("the credential's secret is empty"));
        }
        Ok(value)
    }

    /// Signs an assertion with the certificate as it is in the files now.
    async fn sign(
        &self,
        application: &Application,
        files: &CertificateFiles,
        with_chain: bool,
    ) -> Result<SecretString, TokenError> {
        let certificate = read(&*self.env.disk, &files.certificate).await?;
        let key = OptionFuture::from(files.private_key.as_ref().map(|path| read(&*self.env.disk, path)));
        let key = key.await.transpose()?;
        let wrong = |reason: String| no_token(&format!("the certificate in {}: {reason}", files.certificate.display()));
        let identity = Identity::parse(&certificate, key.as_ref().unwrap_or(&certificate)).map_err(wrong)?;
        let authority = self.settings.authority().unwrap_or("https://login.microsoftonline.com");
        let audience = format!("{}/{}/oauth2/v2.0/token", authority.trim_end_matches('/'), application.tenant_id);
        let claim = Claim { audience: &audience, client_id: &application.client_id, with_chain };
        identity.assert(claim, self.env.clock.now(), &*self.env.random).map(SecretString::from).map_err(wrong)
    }

    /// The cloud is always named: without one the library would read `AZURE_AUTHORITY_HOST`, and what a pipeline
    /// depends on is in its file.
    fn cloud(&self) -> CloudConfiguration {
        let Some(host) = self.settings.authority() else { return CloudConfiguration::AzurePublic };
        let mut custom = CustomConfiguration::default();
        host.clone_into(&mut custom.authority_host);
        custom.into()
    }
}

/// Whether a token can stand in a header. Servers take heads of 16 KiB at most, or less.
fn fits_a_header(token: &str) -> bool {
    token.len() <= LONGEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn no_token(why: &str) -> TokenError {
    TokenError { reason: format!("no token for Azure: {why}") }
}

async fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, TokenError> {
    disk.read_bounded(path, LONGEST_FILE)
        .await
        .map_err(|error| no_token(&format!("can't read {}: {error}", path.display())))
}

/// An assertion that is there already. `Debug` doesn't show it.
struct Ready(SecretString);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

type Assertion<'a> = Pin<Box<dyn Future<Output = azure_core::Result<String>> + Send + 'a>>;

/// Written out instead of with `async_trait`: one method isn't worth a dependency.
impl ClientAssertion for Ready {
    fn secret<'life0, 'life1, 'async_trait>(
        &'life0 self,
        _options: Option<ClientMethodOptions<'life1>>,
    ) -> Assertion<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async { Ok(self.0.expose_secret().to_owned()) })
    }
}

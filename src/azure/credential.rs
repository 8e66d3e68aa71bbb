//! Fetches one token at a time: from Entra, from the machine's identity, or from a secret.
//!
//! A credential of the library is made anew for each fetch. It costs nothing beside the request, and it is the only
//! way past the library's own cache, which would hand out a refused token again; a renewed secret file counts at once.

use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::refusal::Asked;
use super::transport::{Exchange, Seen};
use super::{CredentialSettings, TokenError};
use crate::config::Secret;
use crate::handles::{Clock, Disk, Handles};
use crate::http::{HttpClient, HttpSettings};

/// A token as fetched, and how long it lives; `None` where nobody knows.
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
    handles: &Handles,
) -> Result<Box<dyn TokenSource>, String> {
    let http = match &settings {
        // The identity's endpoints are on this machine or link-local: never through a proxy.
        CredentialSettings::ManagedIdentity { .. } => HttpSettings { direct: true, ..http.clone() },
        _ => http.clone(),
    };
    let http = handles.network.client(&http)?;
    let (clock, disk) = (handles.clock.clone(), handles.disk.clone());
    Ok(Box::new(Source { settings, scope: scope.to_owned(), http, clock, disk }))
}

struct Source {
    settings: CredentialSettings,
    scope: String,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
}

impl TokenSource for Source {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            match &self.settings {
                CredentialSettings::Token { token } => Ok((self.load(token).await?, None)),
                CredentialSettings::ClientSecret { tenant_id, client_id, client_secret, authority_host } => {
                    let secret = self.load(client_secret).await?;
                    let secret = AzureSecret::from(secret.expose_secret().to_owned());
                    let cloud = Arc::new(cloud(authority_host.as_deref()));
                    self.ask(Asked::Entra, |options| {
                        let client_options = ClientOptions { cloud: Some(cloud), ..options };
                        let options = ClientSecretCredentialOptions { client_options };
                        Ok(ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options))?)
                    })
                    .await
                }
                CredentialSettings::ManagedIdentity { client_id } => {
                    let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
                    self.ask(Asked::Identity, |client_options| {
                        let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                        Ok(ManagedIdentityCredential::new(Some(options))?)
                    })
                    .await
                }
            }
        })
    }
}

impl Source {
    /// Makes a credential over a transport of its own and asks it once.
    async fn ask(
        &self,
        asked: Asked,
        credential: impl FnOnce(ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>>,
    ) -> Result<Fetched, TokenError> {
        let exchange = Exchange::new(self.http.clone(), self.clock.clone(), asked);
        let token = match credential(exchange.options()) {
            Ok(credential) => credential.get_token(&[&self.scope], None).await,
            Err(error) => Err(error),
        };
        let reason = match (token, exchange.seen()) {
            (Ok(token), Seen::Answer(lifetime)) if !token.token.secret().is_empty() => {
                return Ok((SecretString::from(token.token.secret().to_owned()), lifetime));
            }
            (_, Seen::Failed(reason)) => reason,
            // The library's words may quote the answer, which is nearly a token.
            (_, Seen::Answer(_)) => "the token endpoint's answer isn't a token: is a proxy in between?".to_owned(),
            // Before any request: a kind of managed identity that the library doesn't know, for one.
            (Err(error), Seen::Nothing) => {
                format!("no token for Azure: {}", error.to_string().lines().next().unwrap_or_default())
            }
            (Ok(_), Seen::Nothing) => "no token for Azure: nobody was asked".to_owned(),
        };
        Err(TokenError { reason })
    }

    async fn load(&self, secret: &Secret) -> Result<SecretString, TokenError> {
        let failed = |why: String| TokenError { reason: format!("no token for Azure: {why}") };
        let value = secret.load(&*self.disk).await.map_err(|error| failed(error.to_string()))?;
        if value.expose_secret().is_empty() {
            return Err(failed("the credential's secret is empty".to_owned()));
        }
        Ok(value)
    }
}

/// The cloud is always named: without one the library would read `AZURE_AUTHORITY_HOST`, and what a pipeline depends
/// on stands in its file.
fn cloud(authority_host: Option<&str>) -> CloudConfiguration {
    let Some(host) = authority_host else { return CloudConfiguration::AzurePublic };
    let mut custom = CustomConfiguration::default();
    host.clone_into(&mut custom.authority_host);
    custom.into()
}

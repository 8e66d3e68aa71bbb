//! Fetches one token at a time: from Entra, from the machine's identity, or from a secret.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret as AzureSecret, TokenCredential};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialSettings, TokenError, transport};
use crate::handles::{Disk, Handles};
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
        CredentialSettings::ManagedIdentity { .. } => HttpSettings { proxy: Some("none".to_owned()), ..http.clone() },
        _ => http.clone(),
    };
    let client = handles.network.client(&http)?;
    Ok(Box::new(Source { settings, scope: scope.to_owned(), client, disk: handles.disk.clone() }))
}

struct Source {
    settings: CredentialSettings,
    scope: String,
    client: Arc<dyn HttpClient>,
    disk: Arc<dyn Disk>,
}

impl TokenSource for Source {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            let credential = match &self.settings {
                CredentialSettings::Token { token } => {
                    let token = token.load(&*self.disk).await.map_err(|error| unreadable(&error))?;
                    return Ok((token, None));
                }
                CredentialSettings::ClientSecret { .. } => self.client_secret().await,
                CredentialSettings::ManagedIdentity { client_id } => self.managed_identity(client_id.clone()),
            }?;
            let token = credential.get_token(&[&self.scope], None).await.map_err(|error| explain(&error))?;
            // The library says when it expires by the machine's clock; what counts is how long that is from now.
            let lifetime = (token.expires_on - OffsetDateTime::now_utc()).try_into().unwrap_or(Duration::ZERO);
            Ok((SecretString::from(token.token.secret().to_owned()), Some(lifetime)))
        })
    }
}

impl Source {
    async fn client_secret(&self) -> Result<Arc<dyn TokenCredential>, TokenError> {
        let CredentialSettings::ClientSecret { tenant_id, client_id, client_secret, authority_host } = &self.settings
        else {
            return Err(TokenError { reason: "no client secret is configured".to_owned() });
        };
        let secret = client_secret.load(&*self.disk).await.map_err(|error| unreadable(&error))?;
        let mut client_options = transport::options(self.client.clone());
        client_options.cloud = Some(Arc::new(match authority_host {
            None => CloudConfiguration::AzurePublic,
            Some(host) => {
                let mut custom = CustomConfiguration::default();
                custom.authority_host.clone_from(host);
                custom.into()
            }
        }));
        let secret = AzureSecret::from(secret.expose_secret().to_owned());
        let options = ClientSecretCredentialOptions { client_options };
        let credential = ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options));
        Ok(credential.map_err(|error| explain(&error))?)
    }

    fn managed_identity(&self, client_id: Option<String>) -> Result<Arc<dyn TokenCredential>, TokenError> {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(UserAssignedId::ClientId),
            client_options: transport::options(self.client.clone()),
        };
        Ok(ManagedIdentityCredential::new(Some(options)).map_err(|error| explain(&error))?)
    }
}

fn unreadable(error: &crate::config::SecretError) -> TokenError {
    TokenError { reason: format!("no token for Azure: {error}") }
}

/// Entra's codes that an operator can act on.
const KNOWN_CODES: &[(&str, &str)] = &[
    ("7000215", "the client secret is wrong; take the secret's value, not its id"),
    ("7000222", "the client secret has expired; create a new one in the app registration"),
    ("700016", "the client_id isn't known in this tenant"),
    ("90002", "the tenant_id isn't known; check it and authority_host"),
    ("900023", "the tenant_id isn't a tenant's id"),
    ("500011", "the audience isn't known in this cloud; check authority_host"),
];

/// The library's error in a sentence. Its description holds ids and times, so only Entra's code is taken from it; an
/// error of the transport is our own text.
fn explain(error: &azure_core::Error) -> TokenError {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        texts.push(inner.to_string());
        source = inner.source();
    }
    let code = texts.iter().find_map(|text| {
        let digits = text.split_once("AADSTS")?.1;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        (end > 0).then(|| digits[..end].to_owned())
    });
    let reason = if let Some(code) = code {
        let advice = KNOWN_CODES.iter().find(|(known, _)| *known == code);
        let advice = advice.map_or("look the code up in Microsoft's list of Entra errors", |(_, advice)| *advice);
        format!("Entra gives no token (AADSTS{code}): {advice}")
    } else if let Some(status) = error.http_status() {
        format!("the identity's endpoint gives no token: it answers {}", u16::from(status))
    } else {
        let text = texts.last().map(|text| text.lines().next().unwrap_or_default().to_owned());
        format!("no token for Azure: {}", text.unwrap_or_default())
    };
    TokenError { reason }
}

//! Who sends: a token, a user, a header, an Azure identity, or nobody.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use crate::azure::{self, AccessToken, CredentialSettings, TokenProvider};
use crate::http::{HttpSettings, bearer, hidden};
use crate::settings::{Field, Kind, Secret, Section};
use nordpass_env::{Disk, Env};

/// The kinds. The rest are those of a `credential`.
const KINDS: &[&str] = &["bearer", "basic", "header", "azure"];

/// The fields of the table `auth`.
pub static FIELDS: &[Field] = &[
    Field::required("kind", Kind::Choice(KINDS)).doc(
        "`bearer`: `Authorization: Bearer TOKEN`. `basic`: user name and password. `header`: a secret in a header of its own. \
         `azure`: a token of Entra.",
    ),
    Field::optional("token", Kind::Secret).doc("The token; a file is read again for each request. For `bearer`."),
    Field::optional("username", Kind::Text).doc("The user. For `basic`."),
    Field::optional("password", Kind::Secret).doc("The password; a file is read again for each request. For `basic`."),
    Field::optional("name", Kind::Text).doc("The header, such as `Authorization` or `X-API-Key`. For `header`."),
    Field::optional("value", Kind::Secret)
        .doc("Its value, such as `Splunk ${HEC_TOKEN}`; a file is read again for each request. For `header`."),
    Field::optional("scope", Kind::Text).doc("What the token is for, such as `api://ID/.default`. For `azure`."),
    Field::optional("credential", Kind::Table(azure::FIELDS)).doc("The identity. For `azure`."),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub enum AuthSettings {
    /// Nobody.
    None,
    /// A bearer token.
    Bearer(Secret),
    /// A user and a password.
    Basic(String, Secret),
    /// A header of its own.
    Header(HeaderName, Secret),
    /// An Azure identity, and the scope of its token.
    Azure(Box<CredentialSettings>, String),
}

impl AuthSettings {
    /// Reads the table, if it is there.
    pub fn read(sink: &mut Section) -> Self {
        if !sink.has("auth") {
            return Self::None;
        }
        let mut section = sink.table("auth");
        let kind = section.text("kind");
        if section.is_wrong("kind") {
            return Self::None;
        }
        match kind.as_str() {
            "basic" => Self::Basic(text(&mut section, &kind, "username"), secret(&mut section, &kind, "password")),
            "header" => {
                let name = text(&mut section, &kind, "name");
                let value = secret(&mut section, &kind, "value");
                let Ok(header) = HeaderName::try_from(&name) else {
                    if !name.is_empty() {
                        section.error("name", "this isn't the name of a header", "write letters, digits and hyphens");
                    }
                    return Self::None;
                };
                Self::Header(header, value)
            }
            "azure" => {
                let scope = text(&mut section, &kind, "scope");
                if !section.has("credential") {
                    section.error(
                        "credential",
                        "`azure` needs `credential`",
                        "add [sinks.….auth.credential] with its `kind`",
                    );
                    return Self::None;
                }
                Self::Azure(Box::new(CredentialSettings::read(&mut section.table("credential"))), scope)
            }
            _ => Self::Bearer(secret(&mut section, &kind, "token")),
        }
    }
}

fn text(section: &mut Section, kind: &str, name: &str) -> String {
    section.optional_text(name).unwrap_or_else(|| {
        section.error(name, format!("`{kind}` needs `{name}`"), format!("add {name} = \"…\""));
        String::new()
    })
}

fn secret(section: &mut Section, kind: &str, name: &str) -> Secret {
    section.optional_secret(name).unwrap_or_else(|| {
        if !section.is_wrong(name) {
            section.error(name, format!("`{kind}` needs `{name}`"), format!("add {name} = \"${{VARIABLE}}\""));
        }
        Secret::literal("")
    })
}

/// Adds a header to each request.
pub enum Auth {
    /// From settings; a file is read again each time.
    Own(AuthSettings, Arc<dyn Disk>),
    /// A token of Entra.
    Azure(Arc<dyn TokenProvider>),
}

/// A request's header for it, and the token that must be dropped if it is refused.
pub type Header = (Option<(HeaderName, HeaderValue)>, Option<AccessToken>);

impl Auth {
    /// Creates it. Fails with a sentence about the settings.
    pub fn new(settings: &AuthSettings, http: &HttpSettings, env: &Env) -> Result<Self, String> {
        Ok(match settings {
            AuthSettings::Azure(credential, scope) => {
                Self::Azure(azure::provider((**credential).clone(), scope, http, env)?)
            }
            other => Self::Own(other.clone(), env.disk.clone()),
        })
    }

    /// The header for the next request. The error is a sentence.
    pub async fn header(&self) -> Result<Header, String> {
        let odd = |_| "the secret has characters that can't stand in a header: write it again".to_owned();
        let own = match self {
            Self::Azure(tokens) => {
                let token = tokens.token().await.map_err(|error| error.reason)?;
                let value = bearer(&token.secret).map_err(odd)?;
                return Ok((Some((header::AUTHORIZATION, value)), Some(token)));
            }
            Self::Own(own, disk) => (own, disk),
        };
        let (own, disk) = own;
        let load = async |secret: &Secret| secret.load(disk.as_ref()).await.map_err(|error| error.to_string());
        let header = match own {
            AuthSettings::None | AuthSettings::Azure(..) => None,
            AuthSettings::Bearer(token) => Some((header::AUTHORIZATION, bearer(&load(token).await?).map_err(odd)?)),
            AuthSettings::Basic(user, password) => {
                let password = load(password).await?;
                let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
                let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
                Some((header::AUTHORIZATION, hidden(&text).map_err(odd)?))
            }
            AuthSettings::Header(name, value) => {
                let value = load(value).await?;
                Some((name.clone(), hidden(value.expose_secret()).map_err(odd)?))
            }
        };
        Ok((header, None))
    }

    /// A token was refused: the next one is fetched again.
    pub fn refused(&self, token: Option<&AccessToken>) -> bool {
        match (self, token) {
            (Self::Azure(tokens), Some(token)) => {
                tokens.invalidate(token);
                true
            }
            _ => false,
        }
    }
}

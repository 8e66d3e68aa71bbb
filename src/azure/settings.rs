//! The `credential` table in the pipeline file.

use crate::config::{Field, Kind, Presence, Secret, Section};

/// The kinds, those that come with a later version included.
const KINDS: &[&str] =
    &["client_secret", "managed_identity", "token", "workload_identity", "client_certificate", "azure_cli"];

/// The fields of a `credential` table.
pub static FIELDS: &[Field] = &[
    Field {
        name: "kind",
        kind: Kind::Choice(KINDS),
        presence: Presence::Required,
        doc: "`client_secret`: an app registration. `managed_identity`: the identity of the App Service, Container App or VM \
              that this runs on. `token`: a ready bearer token, usually `${file:PATH}` that someone else renews.",
    },
    Field {
        name: "tenant_id",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "The directory's (tenant's) id. For `client_secret`.",
    },
    Field {
        name: "client_id",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "The application's (client's) id. For `client_secret`; for `managed_identity` the user-assigned identity, without \
              it the system-assigned one.",
    },
    Field {
        name: "client_secret",
        kind: Kind::Secret,
        presence: Presence::Optional,
        doc: "The application's secret; a file is read again for each token. For `client_secret`.",
    },
    Field {
        name: "token",
        kind: Kind::Secret,
        presence: Presence::Optional,
        doc: "The bearer token; a file is read again when Azure refuses the token. For `token`.",
    },
    Field {
        name: "authority_host",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "Where tokens are asked for: `https://login.microsoftonline.us` for US Government, \
              `https://login.chinacloudapi.cn` for China. The public cloud without it.",
    },
];

/// A checked credential.
#[derive(Clone, Debug)]
pub enum CredentialSettings {
    /// An app registration with a secret.
    ClientSecret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Where tokens are asked for; the public cloud without it.
        authority_host: Option<String>,
    },
    /// The identity of the machine that this runs on.
    ManagedIdentity {
        /// The user-assigned identity; the system-assigned one without it.
        client_id: Option<String>,
    },
    /// A ready token.
    Token {
        /// The token.
        token: Secret,
    },
}

impl CredentialSettings {
    /// Reads a `credential` table.
    pub fn read(section: &mut Section) -> Self {
        let kind = section.text("kind");
        let authority_host = authority_host(section);
        match kind.as_str() {
            "client_secret" => {
                let mut needed = |name: &str| {
                    section.optional_text(name).unwrap_or_else(|| {
                        section.error(
                            name,
                            format!("`client_secret` needs `{name}`"),
                            "the app registration's page shows it",
                        );
                        String::new()
                    })
                };
                let (tenant_id, client_id) = (needed("tenant_id"), needed("client_id"));
                check_tenant(section, &tenant_id);
                let client_secret = secret(section, "client_secret", "client_secret");
                Self::ClientSecret { tenant_id, client_id, client_secret, authority_host }
            }
            "token" => Self::Token { token: secret(section, "token", "token") },
            "workload_identity" | "client_certificate" | "azure_cli" => {
                let hint = "use `client_secret`, `managed_identity` or `token`";
                section.error("kind", format!("`{kind}` comes with a later version"), hint);
                Self::ManagedIdentity { client_id: None }
            }
            _ => Self::ManagedIdentity { client_id: section.optional_text("client_id") },
        }
    }

    /// Where tokens are asked for, where that is set.
    pub fn authority_host(&self) -> Option<&str> {
        match self {
            Self::ClientSecret { authority_host, .. } => authority_host.as_deref(),
            Self::ManagedIdentity { .. } | Self::Token { .. } => None,
        }
    }
}

/// Always https, loopback hosts included: `azure_identity` would refuse it, which at run time means waiting for ever.
fn authority_host(section: &mut Section) -> Option<String> {
    let url = section.optional_url("authority_host")?;
    if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) {
        let hint = "write https://…; for one of your own, name its certificate's authority in `tls.ca_file`";
        section.error("authority_host", "`authority_host` must be https", hint);
    }
    Some(url)
}

/// What `azure_identity` would refuse, for the same reason.
fn check_tenant(section: &mut Section, tenant: &str) {
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) {
        let hint = "copy the Directory (tenant) ID from the app registration's overview";
        section.error("tenant_id", "`tenant_id` is neither an ID nor a domain name", hint);
    }
}

fn secret(section: &mut Section, kind: &str, name: &str) -> Secret {
    section.optional_secret(name).unwrap_or_else(|| {
        let hint = format!("write `{name} = \"${{AZURE_SECRET}}\"` or `\"${{file:/run/secrets/azure}}\"`");
        section.error(name, format!("the kind `{kind}` needs `{name}`"), hint);
        Secret::literal("")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn errors(text: &str) -> Vec<String> {
        let mut section = Section::parse(text, FIELDS, Environment::of([("S", "secret")]));
        CredentialSettings::read(&mut section);
        section
            .diagnostics()
            .iter()
            .filter(|d| d.severity == crate::config::Severity::Error)
            .map(|d| d.message.clone())
            .collect()
    }

    #[test]
    fn each_kind_says_what_it_lacks() {
        assert_eq!(errors("kind = \"client_secret\"").len(), 3);
        assert_eq!(errors("kind = \"token\"").len(), 1);
        assert_eq!(errors("kind = \"managed_identity\"").len(), 0);
        assert!(errors("kind = \"azure_cli\"")[0].contains("later version"));
        let whole = "kind = \"client_secret\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"${S}\"";
        assert_eq!(errors(whole).len(), 0);
    }

    #[test]
    fn what_would_only_fail_at_run_time_is_an_error_at_once() {
        let with = |tenant: &str, host: &str| {
            errors(&format!(
                "kind = \"client_secret\"\ntenant_id = \"{tenant}\"\nclient_id = \"c\"\nclient_secret = \"${{S}}\"\n\
                 authority_host = \"{host}\""
            ))
        };
        assert_eq!(with("contoso.onmicrosoft.com", "https://127.0.0.1:1"), Vec::<String>::new());
        assert_eq!(with("t", "http://127.0.0.1:1"), ["`authority_host` must be https"]);
        assert_eq!(with("t", "http://login.example").len(), 1, "said once");
        assert_eq!(with("a/b", "https://login.example"), ["`tenant_id` is neither an ID nor a domain name"]);
    }
}

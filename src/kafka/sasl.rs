//! Who connects: the table `sasl`.

use crate::azure::{self, CredentialSettings};
use crate::settings::{Field, Kind, Secret, Section};

/// Kafka's names of the mechanisms.
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// What the hosts of Event Hubs end with, in each cloud.
const EVENT_HUBS: [&str; 3] =
    [".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn"];

/// The fields of the table `sasl`.
pub static FIELDS: &[Field] = &[
    Field::required("mechanism", Kind::Choice(MECHANISMS))
        .doc("`OAUTHBEARER`: a token of Entra, for Event Hubs. The others: a user name and a password."),
    Field::optional("username", Kind::Text)
        .doc("The user; `$ConnectionString` for a connection string of Event Hubs with `PLAIN`."),
    Field::optional("password", Kind::Secret).doc("The password, or the connection string. A file is read again for each client."),
    Field::optional("credential", Kind::Table(azure::FIELDS)).doc(
        "The identity to use. For `OAUTHBEARER`. On Event Hubs it needs the role Azure Event Hubs Data Sender or Receiver on the hub.",
    ),
    Field::optional("scope", Kind::Text).doc(
        "What the token is for. For `OAUTHBEARER`; Event Hubs' own by default: `https://NAMESPACE.servicebus.windows.net/.default`.",
    ),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub enum SaslSettings {
    /// The password is sent.
    Plain(String, Secret),
    /// The password is proven: SHA-512, or else SHA-256.
    Scram {
        /// Which hash.
        is_sha512: bool,
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token of Entra for this scope.
    OauthBearer(Box<CredentialSettings>, String),
}

impl SaslSettings {
    /// Reads the table. `host` is the first broker's, which the scope follows from.
    pub fn read(section: &mut Section, host: &str) -> Self {
        let mechanism = section.text("mechanism");
        if section.is_wrong("mechanism") {
            return Self::Plain(String::new(), Secret::literal(""));
        }
        if mechanism == "OAUTHBEARER" {
            return Self::oauth(section, host);
        }
        let username = section.optional_text("username").unwrap_or_default();
        if username.is_empty() {
            section.error("username", format!("`{mechanism}` needs `username`"), "add username = \"…\"");
        }
        let password = section.optional_secret("password").unwrap_or_else(|| {
            if !section.is_wrong("password") {
                section.error("password", format!("`{mechanism}` needs `password`"), "add password = \"${VARIABLE}\"");
            }
            Secret::literal("")
        });
        match mechanism.as_str() {
            "SCRAM-SHA-256" => Self::Scram { is_sha512: false, username, password },
            "SCRAM-SHA-512" => Self::Scram { is_sha512: true, username, password },
            _ => Self::Plain(username, password),
        }
    }

    fn oauth(section: &mut Section, host: &str) -> Self {
        let is_event_hubs = EVENT_HUBS.iter().any(|ending| host.to_ascii_lowercase().ends_with(ending));
        let scope =
            section.optional_text("scope").or_else(|| is_event_hubs.then(|| format!("https://{host}/.default")));
        let scope = scope.unwrap_or_else(|| {
            let hint = "add scope = \"api://ID/.default\"; only Event Hubs' scope is known by its host";
            section.error("scope", "`OAUTHBEARER` needs `scope` for this broker", hint);
            String::new()
        });
        if !section.has("credential") {
            section.error(
                "credential",
                "`OAUTHBEARER` needs `credential`",
                "add credential = { kind = \"managed_identity\" }",
            );
            return Self::Plain(String::new(), Secret::literal(""));
        }
        Self::OauthBearer(Box::new(CredentialSettings::read(&mut section.table("credential"))), scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Severity};

    fn read(text: &str, host: &str) -> (SaslSettings, Vec<String>) {
        let mut section = Section::parse(text, FIELDS, Environment::of([("PASSWORD", "s3cret-of-this-test")]));
        let settings = SaslSettings::read(&mut section, host);
        let errors = section.diagnostics().into_iter().filter(|found| found.severity == Severity::Error);
        (settings, errors.map(|found| found.message).collect())
    }

    #[test]
    fn the_scope_of_event_hubs_follows_from_its_host() {
        let text = "mechanism = \"OAUTHBEARER\"\n[credential]\nkind = \"managed_identity\"";
        for host in ["acme.servicebus.windows.net", "acme.servicebus.chinacloudapi.cn"] {
            let (SaslSettings::OauthBearer(_, scope), errors) = read(text, host) else { panic!("OAUTHBEARER") };
            assert_eq!((scope, errors), (format!("https://{host}/.default"), Vec::new()));
        }
        assert_eq!(read(text, "kafka.example").1, ["`OAUTHBEARER` needs `scope` for this broker"]);
        assert_eq!(
            read("mechanism = \"OAUTHBEARER\"", "a.servicebus.windows.net").1,
            ["`OAUTHBEARER` needs `credential`"]
        );
    }

    #[test]
    fn passwords_are_never_shown() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let text = format!("mechanism = \"{mechanism}\"\nusername = \"u\"\npassword = \"${{PASSWORD}}\"");
            let (settings, errors) = read(&text, "a");
            assert_eq!(errors, [""; 0]);
            assert!(!format!("{settings:?}").contains("s3cret"));
            assert_eq!(read(&format!("mechanism = \"{mechanism}\""), "a").1.len(), 2);
        }
    }
}

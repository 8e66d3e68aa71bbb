//! The `credential` table in the pipeline file, checked.

use std::path::PathBuf;

use azure_identity::UserAssignedId;

use super::assertion::{CertificateFiles, Identity, LONGEST_FILE};
use super::clouds::Cloud;
use super::fields::FIELDS;
use crate::settings::value::shown_path;
use crate::settings::{Secret, Section};
use nordpass_env::read_bounded;

/// A checked credential.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// Who requests tokens.
    pub kind: CredentialKind,
    /// The cloud, where one is named.
    pub cloud: Option<Cloud>,
    /// Where tokens are asked for, where that is set.
    pub authority_host: Option<String>,
}

/// An application of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The directory.
    pub tenant_id: String,
    /// The application.
    pub client_id: String,
}

/// Who asks for tokens, and with what.
#[derive(Clone, Debug)]
pub enum CredentialKind {
    /// An app registration with a secret.
    ClientSecret {
        /// Which.
        application: Application,
        /// Its secret.
        client_secret: Secret,
    },
    /// An app registration with a certificate.
    ClientCertificate {
        /// Which.
        application: Application,
        /// The certificate.
        files: CertificateFiles,
        /// Whether the certificates go along.
        send_chain: bool,
    },
    /// An app registration or identity that trusts a platform's tokens.
    WorkloadIdentity {
        /// Which.
        application: Application,
        /// The file with the platform's token.
        token_file: PathBuf,
    },
    /// The identity of the machine that this runs on: without a name the system-assigned one.
    ManagedIdentity(Option<UserAssignedId>),
    /// The user who is signed in at the Azure CLI.
    AzureCli {
        /// Which directory, where there are several.
        tenant_id: Option<String>,
        /// The program.
        program: PathBuf,
    },
    /// A ready token.
    Token(Secret),
}

impl From<CredentialKind> for CredentialSettings {
    /// In the public cloud.
    fn from(kind: CredentialKind) -> Self {
        Self { kind, cloud: None, authority_host: None }
    }
}

impl CredentialSettings {
    /// Reads a `credential` table.
    pub fn read(section: &mut Section) -> Self {
        let word = section.text("kind");
        let cloud = section.optional_text("cloud").and_then(|name| Cloud::named(&name));
        let mut authority_host = authority_host(section);
        if section.is_wrong("kind") {
            // Which keys it needs depends on what was meant.
            return Self { kind: CredentialKind::ManagedIdentity(None), cloud, authority_host };
        }
        let kind = match word.as_str() {
            "client_secret" => CredentialKind::ClientSecret {
                application: application(section, &word, "the app registration's page shows it"),
                client_secret: secret(section, "client_secret", "client_secret"),
            },
            "client_certificate" => CredentialKind::ClientCertificate {
                application: application(section, &word, "the app registration's page shows it"),
                files: certificate(section),
                send_chain: section.has("send_certificate_chain") && section.flag("send_certificate_chain"),
            },
            "workload_identity" => {
                authority_host = authority_host.or_else(|| section.variable("AZURE_AUTHORITY_HOST"));
                workload(section)
            }
            "azure_cli" => {
                let tenant_id = section.optional_text("tenant_id");
                check_tenant(section, tenant_id.as_deref().unwrap_or_default());
                let program = section.optional_text("azure_cli_path").unwrap_or_else(|| "az".to_owned());
                CredentialKind::AzureCli { tenant_id, program: PathBuf::from(program) }
            }
            "token" => CredentialKind::Token(secret(section, "token", "token")),
            _ => CredentialKind::ManagedIdentity(assigned(section)),
        };
        unused(section, &word);
        Self { kind, cloud, authority_host }
    }

    /// The authority to ask, where the file or the cloud names one.
    pub fn authority(&self) -> Option<&str> {
        self.authority_host.as_deref().or_else(|| self.cloud.map(Cloud::authority))
    }

    /// The cloud that `cloud` or the authority names.
    pub fn named_cloud(&self) -> Option<Cloud> {
        self.cloud.or_else(|| self.authority_host.as_deref().and_then(Cloud::of_authority))
    }

    /// The scope for Azure Monitor at this endpoint.
    pub fn monitor_scope(&self, endpoint: &str) -> &'static str {
        super::scope(self.cloud, self.authority_host.as_deref(), endpoint)
    }
}

/// Warns of keys that the kind doesn't use.
fn unused(section: &mut Section, kind: &str) {
    let used: &[&str] = match kind {
        "client_secret" => &["tenant_id", "client_id", "client_secret", "authority_host"],
        "client_certificate" => &[
            "tenant_id",
            "client_id",
            "certificate_file",
            "private_key_file",
            "send_certificate_chain",
            "authority_host",
        ],
        "workload_identity" => &["tenant_id", "client_id", "federated_token_file", "authority_host"],
        "azure_cli" => &["tenant_id", "azure_cli_path"],
        "token" => &["token"],
        _ => &["client_id", "object_id", "resource_id"],
    };
    for field in FIELDS.iter().filter(|field| !["kind", "cloud"].contains(&field.name)) {
        if section.has(field.name) && !used.contains(&field.name) {
            let hint = format!("`{kind}` uses {}: remove this line, or set another `kind`", list(used));
            section.warning(field.name, format!("the kind `{kind}` doesn't use `{}`", field.name), hint);
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn application(section: &mut Section, kind: &str, hint: &str) -> Application {
    let mut needed = |name: &str| {
        section.optional_text(name).unwrap_or_else(|| {
            section.error(name, format!("`{kind}` needs `{name}`"), hint);
            String::new()
        })
    };
    let application = Application { tenant_id: needed("tenant_id"), client_id: needed("client_id") };
    check_tenant(section, &application.tenant_id);
    application
}

/// The file's own settings count before the variables that Kubernetes sets.
fn workload(section: &mut Section) -> CredentialKind {
    let mut needed = |name: &str, variable: &str| {
        section.optional_text(name).or_else(|| section.variable(variable)).unwrap_or_else(|| {
            if !section.is_on_its_machine() {
                return String::new();
            }
            let hint = format!(
                "set it, or run in a pod with the label azure.workload.identity/use: \"true\", which sets {variable}"
            );
            section.error(name, format!("`workload_identity` needs `{name}`, and {variable} isn't set"), hint);
            String::new()
        })
    };
    let tenant_id = needed("tenant_id", "AZURE_TENANT_ID");
    let client_id = needed("client_id", "AZURE_CLIENT_ID");
    let token_file = PathBuf::from(needed("federated_token_file", "AZURE_FEDERATED_TOKEN_FILE"));
    check_tenant(section, &tenant_id);
    CredentialKind::WorkloadIdentity { application: Application { tenant_id, client_id }, token_file }
}

fn assigned(section: &mut Section) -> Option<UserAssignedId> {
    let mut found = Vec::new();
    found.extend(section.optional_text("client_id").map(UserAssignedId::ClientId));
    found.extend(section.optional_text("object_id").map(UserAssignedId::ObjectId));
    found.extend(section.optional_text("resource_id").map(UserAssignedId::ResourceId));
    if found.len() > 1 {
        let name = if section.has("resource_id") { "resource_id" } else { "object_id" };
        let hint = "keep one of `client_id`, `object_id` and `resource_id`";
        section.error(name, "the identity is selected in several ways", hint);
    }
    found.into_iter().next()
}

/// Reads the files once already here: what is wrong with them would only be found at the first token otherwise.
fn certificate(section: &mut Section) -> CertificateFiles {
    let Some(path) = section.optional_text("certificate_file") else {
        let hint = "name the PEM file with the certificate: certificate_file = \"/run/secrets/sentinel.pem\"";
        section.error("certificate_file", "`client_certificate` needs `certificate_file`", hint);
        return CertificateFiles { certificate: PathBuf::new(), private_key: None };
    };
    let files = CertificateFiles {
        certificate: PathBuf::from(path),
        private_key: section.optional_text("private_key_file").map(PathBuf::from),
    };
    if !section.is_on_its_machine() {
        return files;
    }
    let mut read = |name: &str, path: &PathBuf| {
        read_bounded(path, LONGEST_FILE).map_err(|reason| {
            let hint = "check that the path is right and that this user may read it";
            section.error(name, format!("can't read the file{}: {reason}", shown_path(path)), hint);
        })
    };
    let certificate = read("certificate_file", &files.certificate);
    let key = files.private_key.as_ref().map(|path| read("private_key_file", path)).transpose();
    if let (Ok(certificate), Ok(key)) = (certificate, key)
        && let Err(reason) = Identity::parse(&certificate, key.as_ref().unwrap_or(&certificate))
    {
        let name = if files.private_key.is_some() { "private_key_file" } else { "certificate_file" };
        section.error(name, format!("this certificate can't be used: {reason}"), "see docs/guide/troubleshooting.md");
    }
    files
}

/// Always https, loopback hosts included: `azure_identity` would refuse it, which at run time means waiting for ever.
fn authority_host(section: &mut Section) -> Option<String> {
    let url = section.optional_url("authority_host")?;
    if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) {
        let hint = "write https://…; for your own server, set `tls.ca_file` to its certificate authority";
        section.error("authority_host", "`authority_host` must be https", hint);
    }
    Some(url)
}

/// Checks a directory: what `azure_identity` would refuse, for the same reason.
pub fn check_tenant(section: &mut Section, tenant: &str) {
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) {
        let hint = "copy the Directory (tenant) ID from the app registration's overview page";
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
    use crate::settings::{Environment, Severity};

    fn said(text: &str, environment: Environment, severity: Severity) -> Vec<String> {
        let mut section = Section::parse(text, FIELDS, environment);
        CredentialSettings::read(&mut section);
        let found = section.diagnostics();
        found.iter().filter(|found| found.severity == severity).map(|found| found.message.clone()).collect()
    }

    fn errors(text: &str) -> Vec<String> {
        said(text, Environment::of([("S", "secret")]), Severity::Error)
    }

    #[test]
    fn each_kind_says_what_it_lacks() {
        assert_eq!(errors("kind = \"client_secret\"").len(), 3);
        assert_eq!(errors("kind = \"client_certificate\"").len(), 3);
        assert_eq!(errors("kind = \"workload_identity\"").len(), 3);
        assert_eq!(errors("kind = \"token\"").len(), 1);
        assert_eq!(errors("kind = \"managed_identity\"").len(), 0);
        assert_eq!(errors("kind = \"azure_cli\"").len(), 0);
        let whole = "kind = \"client_secret\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"${S}\"";
        assert_eq!(errors(whole).len(), 0);
        let twice = "kind = \"managed_identity\"\nclient_id = \"c\"\nobject_id = \"o\"";
        assert_eq!(errors(twice), ["the identity is selected in several ways"]);
    }

    /// A mistyped `kind` brought three errors of the first kind along, in front of its own.
    #[test]
    fn a_mistyped_kind_is_one_error() {
        let found = errors("kind = \"managed-identity\"\nclient_id = \"c\"");
        assert_eq!(found, ["`kind` can't have this value"]);
    }

    #[test]
    fn what_kubernetes_sets_is_enough_and_the_file_counts_first() {
        let injected = [
            ("AZURE_TENANT_ID", "tenant"),
            ("AZURE_CLIENT_ID", "client"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"),
        ];
        let read = |text: &str| {
            let mut section = Section::parse(text, FIELDS, Environment::of(injected));
            let settings = CredentialSettings::read(&mut section);
            assert!(section.diagnostics().is_empty(), "{:?}", section.diagnostics());
            let CredentialKind::WorkloadIdentity { application, token_file } = &settings.kind else { panic!("{text}") };
            (application.client_id.clone(), token_file.clone(), settings.authority().map(str::to_owned))
        };
        let government = Some("https://login.microsoftonline.us/".to_owned());
        assert_eq!(read("kind = \"workload_identity\""), ("client".into(), "/var/run/token".into(), government));
        let own = "kind = \"workload_identity\"\nclient_id = \"mine\"\nauthority_host = \"https://login.example\"";
        assert_eq!(read(own), ("mine".into(), "/var/run/token".into(), Some("https://login.example".into())));
    }

    #[test]
    fn what_a_kind_does_not_read_is_a_warning() {
        let text = "kind = \"managed_identity\"\nclient_secret = \"${S}\"\ntenant_id = \"t\"";
        let warnings = said(text, Environment::of([("S", "secret")]), Severity::Warning);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
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
        let certificate = |path: &str| {
            errors(&format!(
                "kind = \"client_certificate\"\ntenant_id = \"t\"\nclient_id = \"c\"\ncertificate_file = \"{path}\""
            ))
        };
        assert!(certificate("/there/is/none.pem")[0].contains("can't read the file /there/is/none.pem"));
        assert!(certificate("Cargo.toml")[0].contains("no PEM certificate"));
        assert!(certificate("/dev/zero")[0].contains("it's a device, not a regular file"));
    }
}

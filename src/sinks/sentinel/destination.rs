//! A destination of one organization: its own rule, in its own workspace, cloud and directory.

use super::settings::{Settings, check_clouds, endpoint, immutable_id};
use crate::azure::{self, CredentialKind, CredentialSettings};
use crate::settings::{Field, Kind, Section};

/// The keys of an organization's `destination`.
pub(super) static FIELDS: &[Field] = &[
    Field::required("endpoint", Kind::Text),
    Field::required("dcr_immutable_id", Kind::Text),
    Field::optional("tenant_id", Kind::Text),
    Field::optional("credential", Kind::Table(azure::FIELDS)),
];

/// What a credential in the organizations file can't set, and why.
const OF_THE_OPERATOR: [(&str, &str); 2] = [
    ("authority_host", "secrets would be sent to any host that somebody writes there"),
    ("azure_cli_path", "it would run any program that somebody writes there"),
];

/// The sink's settings with this destination.
pub(super) fn read(settings: &Settings, section: &mut Section) -> Settings {
    let mut own = settings.clone();
    own.endpoint = endpoint(section);
    own.dcr_immutable_id = immutable_id(section);
    if section.has("credential") {
        let mut credential = section.table("credential");
        for (key, why) in OF_THE_OPERATOR {
            if credential.has(key) {
                credential.error(key, format!("`{key}` can't stand in this file: {why}"), "remove it");
            }
        }
        own.credential = CredentialSettings::read(&mut credential);
    }
    if let Some(tenant_id) = section.optional_text("tenant_id") {
        azure::check_tenant(section, &tenant_id);
        set_tenant(&mut own.credential, tenant_id, section);
    }
    check_clouds(section, &own);
    own
}

/// The same application in another directory.
fn set_tenant(credential: &mut CredentialSettings, tenant: String, section: &mut Section) {
    match &mut credential.kind {
        CredentialKind::ClientSecret { application, .. }
        | CredentialKind::ClientCertificate { application, .. }
        | CredentialKind::WorkloadIdentity { application, .. } => application.tenant_id = tenant,
        CredentialKind::AzureCli { tenant_id, .. } => *tenant_id = Some(tenant),
        CredentialKind::ManagedIdentity(_) | CredentialKind::Token(_) => {
            let hint = "remove it, or use an application that several directories know";
            section.error("tenant_id", "a credential of this kind belongs to one directory", hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::SinkSettings;
    use crate::settings::{Environment, Severity};

    fn template(kind: &str) -> Settings {
        let text = format!(
            "streams = {{ events = \"Custom-E\" }}\nendpoint = \"https://x.ingest.monitor.azure.com\"\n\
             dcr_immutable_id = \"dcr-{}\"\n[credential]\n{kind}",
            "0".repeat(32)
        );
        let mut section = Section::parse(&text, super::super::TYPE.fields, Environment::of([("S", "secret")]));
        let settings = Settings::read(&mut section, &["events".to_owned()]);
        assert!(section.diagnostics().is_empty(), "{:?}", section.diagnostics());
        settings
    }

    fn own(settings: &Settings, text: &str) -> (Settings, Vec<String>) {
        let mut section = Section::parse(text, settings.destination_fields(), Environment::of([("S", "secret")]));
        let own = read(settings, &mut section);
        let errors = section.diagnostics().into_iter().filter(|found| found.severity == Severity::Error);
        (own, errors.map(|found| found.message).collect())
    }

    const RULE: &str = "endpoint = \"https://y.ingest.monitor.azure.us/\"\ndcr_immutable_id = \"dcr-11111111111111111111111111111111\"\n";
    const SECRET: &str = "kind = \"client_secret\"\ntenant_id = \"mine\"\nclient_id = \"c\"\nclient_secret = \"${S}\"";

    #[test]
    fn a_destination_has_its_own_rule_and_keeps_the_rest() {
        let settings = template(SECRET);
        let (own, errors) = own(&settings, &format!("{RULE}tenant_id = \"theirs\""));
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(own.endpoint, "https://y.ingest.monitor.azure.us");
        assert_eq!(own.dcr_immutable_id, format!("dcr-{}", "1".repeat(32)));
        assert_eq!(own.streams, settings.streams);
        let CredentialKind::ClientSecret { application, .. } = &own.credential.kind else { panic!("another kind") };
        assert_eq!((application.tenant_id.as_str(), application.client_id.as_str()), ("theirs", "c"));
    }

    #[test]
    fn a_destination_can_have_its_own_credential_in_its_own_cloud() {
        let settings = template(SECRET);
        let (mine, errors) =
            own(&settings, &format!("{RULE}[credential]\nkind = \"managed_identity\"\nclient_id = \"i\""));
        assert_eq!(errors, Vec::<String>::new());
        assert!(matches!(mine.credential.kind, CredentialKind::ManagedIdentity(Some(_))));
        let (_, errors) =
            own(&settings, &format!("{RULE}[credential]\nkind = \"managed_identity\"\ncloud = \"china\""));
        assert_eq!(errors, ["this endpoint and the credential belong to different clouds"]);
    }

    #[test]
    fn what_would_give_the_files_author_the_operators_rights_is_an_error() {
        let settings = template("kind = \"managed_identity\"");
        let (_, errors) =
            own(&settings, &format!("{RULE}[credential]\nkind = \"azure_cli\"\nazure_cli_path = \"/tmp/x\""));
        assert_eq!(
            errors,
            ["`azure_cli_path` can't stand in this file: it would run any program that somebody writes there"]
        );
        let host = "authority_host = \"https://login.example\"";
        let (_, errors) = own(&settings, &format!("{RULE}[credential]\n{SECRET}\n{host}"));
        assert_eq!(
            errors,
            ["`authority_host` can't stand in this file: secrets would be sent to any host that somebody writes there"]
        );
        let (_, errors) = own(&settings, &format!("{RULE}tenant_id = \"theirs\""));
        assert_eq!(errors, ["a credential of this kind belongs to one directory"]);
    }

    #[test]
    fn a_destination_without_a_rule_or_with_a_wrong_one_is_an_error() {
        let settings = template("kind = \"managed_identity\"");
        assert_eq!(own(&settings, "").1, ["`endpoint` is missing", "`dcr_immutable_id` is missing"]);
        let text = "endpoint = \"https://x.ingest.monitor.azure.com\"\ndcr_immutable_id = \"/subscriptions/x\"";
        assert_eq!(own(&settings, text).1, ["this is a resource id, not the immutable id"]);
    }
}

//! The `checkpoint` table in the pipeline file.

use std::time::Duration;

use crate::azure::blob::check_container;
use crate::azure::{self, CredentialKind, CredentialSettings};
use crate::http::HttpSettings;
use crate::settings::{Field, Kind, Section, http_fields, read_http};

/// The fields of the `checkpoint` table.
pub static FIELDS: &[Field] = &[
    Field::with_default("kind", Kind::Choice(&["local", "azure_blob"]), "local").doc(
        "`local`: in `data_dir`, for one process. `azure_blob`: in a container of an Azure storage account, for \
         several processes; one reads each source and the others wait to take over. Dead letters are stored \
         beside the states. In both kinds, the files of `file` sinks stay on each process's own disk.",
    ),
    Field::optional("endpoint", Kind::Text).doc(
        "The storage account's blob endpoint, such as `https://ACCOUNT.blob.core.windows.net`, of any \
         cloud. For `azure_blob`.",
    ),
    Field::with_default("container", Kind::Text, "nordpass-sentinel")
        .doc("The container. A first run creates it if it doesn't exist."),
    Field::optional("prefix", Kind::Text)
        .doc("Prefix of the blobs' names, such as `production`, for several pipeline sets in one container."),
    Field::with_default("lease", Kind::Duration { min: "20s", max: "60s" }, "60s").doc(
        "How soon another process takes over the sources of one that is gone. Must be the same for all processes.",
    ),
    Field::optional("credential", Kind::Table(azure::FIELDS)).doc(
        "The identity to use. It needs the role Storage Blob Data Contributor on the account or the container. \
         For `azure_blob`.",
    ),
    Field::optional("takeover", Kind::Table(TAKEOVER)).doc(
        "Where the official connector keeps its cursor, in the same storage account. A `nordpass` source without \
         a state starts there. For `azure_blob`.",
    ),
    http_fields::REQUEST_TIMEOUT,
    http_fields::PROXY,
    http_fields::TLS,
];

static TAKEOVER: &[Field] = &[
    Field::with_default("container", Kind::Text, "nordpass-function-container")
        .doc("The official connector's container."),
    Field::with_default("blob", Kind::Text, "nordpass-activities-cursor")
        .doc("The blob with its cursor. It is only read."),
    Field::optional("endpoint", Kind::Text)
        .doc("The blob endpoint of its storage account, if it isn't the checkpoint's. Uses the same credential."),
    Field::optional("source", Kind::Text).doc(
        "The `nordpass` source that continues where the official connector stopped. Required if there are \
         several.",
    ),
    Field::optional("overlap", Kind::Duration { min: "0s", max: "30d" }).doc(
        "How much time before the cursor to read again. Defaults to the source's `overlap`. The official \
         connector loses events that NordPass shows late. Rows read again are marked, because they have probably \
         arrived before.",
    ),
];

/// Where to keep states.
#[derive(Clone, Debug, Default)]
pub enum CheckpointSettings {
    /// In `data_dir`.
    #[default]
    Local,
    /// In Azure Blob Storage.
    AzureBlob(Box<BlobSettings>),
}

/// The location in Azure Blob Storage.
#[derive(Clone, Debug)]
pub struct BlobSettings {
    /// The account's blob endpoint, without a trailing slash.
    pub endpoint: String,
    /// The container.
    pub container: String,
    /// The prefix of names: empty, or with a trailing slash.
    pub prefix: String,
    /// Maximum time until another process takes over after one is gone.
    pub lease: Duration,
    /// The identity for requests.
    pub credential: CredentialSettings,
    /// TLS, proxy, time-out.
    pub http: HttpSettings,
    /// The official connector's cursor.
    pub takeover: Option<TakeoverSettings>,
}

/// Where the official connector's cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeoverSettings {
    /// The account's blob endpoint, if it isn't the checkpoint's.
    pub endpoint: Option<String>,
    /// The container.
    pub container: String,
    /// The blob.
    pub blob: String,
    /// The source that takes over. If missing, the only source.
    pub source: Option<String>,
    /// How far before the cursor to read again.
    pub overlap: Option<Duration>,
}

impl CheckpointSettings {
    /// Reads the table.
    pub fn read(section: &mut Section) -> Self {
        if section.text("kind") != "azure_blob" {
            for name in ["endpoint", "credential", "takeover", "container", "prefix", "lease"] {
                if section.has(name) {
                    let message = format!("`{name}` has no effect with the kind `local`");
                    section.error(name, message, "write kind = \"azure_blob\", or remove the line");
                }
            }
            return Self::Local;
        }
        for name in ["endpoint", "credential"] {
            if !section.has(name) {
                let hint = match name {
                    "endpoint" => "write endpoint = \"https://ACCOUNT.blob.core.windows.net\"",
                    _ => "add [checkpoint.credential] with kind = \"managed_identity\"",
                };
                section.error(name, format!("`azure_blob` needs `{name}`"), hint);
            }
        }
        let endpoint = section.optional_url("endpoint").unwrap_or_default().trim_end_matches('/').to_owned();
        let container = container(section);
        let prefix = section.optional_text("prefix").unwrap_or_default();
        let prefix = prefix.trim_matches('/');
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
        if prefix.len() > 200 || !prefix.bytes().all(good) || prefix.split('/').any(|part| part == "." || part == "..")
        {
            let hint = "use at most 200 letters, digits, `-`, `_`, `.`, and `/` between parts";
            section.error("prefix", "`prefix` isn't a valid start of a blob's name", hint);
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let credential = if section.has("credential") {
            CredentialSettings::read(&mut section.table("credential"))
        } else {
            CredentialSettings::from(CredentialKind::ManagedIdentity(None))
        };
        let takeover = section.has("takeover").then(|| takeover(&mut section.table("takeover")));
        Self::AzureBlob(Box::new(BlobSettings {
            endpoint,
            container,
            prefix,
            lease: section.duration("lease"),
            credential,
            http: read_http(section, Duration::from_secs(30)),
            takeover,
        }))
    }

    /// The settings of the takeover, if any.
    pub fn takeover(&self) -> Option<&TakeoverSettings> {
        match self {
            Self::Local => None,
            Self::AzureBlob(settings) => settings.takeover.as_ref(),
        }
    }
}

fn takeover(section: &mut Section) -> TakeoverSettings {
    let container = container(section);
    let blob = section.text("blob");
    if !blob.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/')) {
        section.error(
            "blob",
            "`blob` isn't the name of an official connector's cursor",
            "it is nordpass-activities-cursor",
        );
    }
    let endpoint = section.optional_url("endpoint").map(|url| url.trim_end_matches('/').to_owned());
    let (source, overlap) = (section.optional_text("source"), section.optional_duration("overlap"));
    TakeoverSettings { endpoint, container, blob, source, overlap }
}

/// Reads a container's name.
fn container(section: &mut Section) -> String {
    let name = section.text("container");
    if let Err((message, hint)) = check_container(&name) {
        section.error("container", message, hint);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Severity};

    fn read(text: &str) -> (CheckpointSettings, Vec<String>) {
        let mut section = Section::parse(text, FIELDS, Environment::of::<&str, &str>([]));
        let settings = CheckpointSettings::read(&mut section);
        let errors = section.diagnostics().into_iter().filter(|found| found.severity == Severity::Error);
        (settings, errors.map(|found| found.message).collect())
    }

    const BLOB: &str = "kind = \"azure_blob\"\nendpoint = \"https://a.blob.core.windows.net/\"\n";
    const CREDENTIAL: &str = "[credential]\nkind = \"managed_identity\"\n";

    #[test]
    fn defaults() {
        assert!(matches!(read(""), (CheckpointSettings::Local, errors) if errors.is_empty()));
        let (settings, errors) = read(&format!("{BLOB}prefix = \"/a/b/\"\n{CREDENTIAL}[takeover]\n"));
        assert_eq!(errors, [""; 0]);
        let CheckpointSettings::AzureBlob(settings) = settings else { panic!("{settings:?}") };
        assert_eq!((&*settings.endpoint, &*settings.prefix), ("https://a.blob.core.windows.net", "a/b/"));
        assert_eq!((&*settings.container, settings.lease.as_secs()), ("nordpass-sentinel", 60));
        let takeover = settings.takeover.expect("one");
        let place = (&*takeover.container, &*takeover.blob, takeover.source, takeover.overlap);
        assert_eq!(place, ("nordpass-function-container", "nordpass-activities-cursor", None, None));
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        assert_eq!(read("kind = \"azure_blob\"").1.len(), 2);
        assert_eq!(read("endpoint = \"https://a.example\"").1, ["`endpoint` has no effect with the kind `local`"]);
        for (line, word) in [
            ("container = \"Upper\"", "container"),
            ("container = \"a--b\"", "container"),
            ("prefix = \"a b\"", "prefix"),
            ("prefix = \"../a\"", "prefix"),
            ("lease = \"10s\"", "lease"),
        ] {
            let errors = read(&format!("{BLOB}{line}\n{CREDENTIAL}")).1;
            assert!(errors.len() == 1 && errors[0].contains(word), "{line}: {errors:?}");
        }
    }
}

//! How a command reaches recordings in blobs, where it has no pipeline file that says so.

use super::error::CommandError;
use crate::azure::{self, CredentialSettings};
use crate::settings::{Environment, Section, Severity};
use crate::sources::recording_file::{BlobSettings, is_az};

/// For recordings such as `az://ACCOUNT/CONTAINER/2026-01-*/**/*.gz`.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Recordings in Azure Blob Storage")]
pub struct BlobArgs {
    /// Who reads blobs. Each takes its settings from the usual variables, such as `AZURE_CLIENT_ID`; `token` takes
    /// `AZURE_TOKEN`
    #[arg(long, value_name = "KIND", default_value = "azure-cli")]
    credential: CredentialArg,
    /// The storage account's blob endpoint, if it isn't `https://ACCOUNT.blob.core.windows.net`
    #[arg(long, value_name = "URL")]
    blob_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum CredentialArg {
    /// Who is signed in at the Azure CLI
    AzureCli,
    /// The identity of this machine
    ManagedIdentity,
    /// The platform's token
    WorkloadIdentity,
    /// A ready token
    Token,
}

/// What is wrong with the credential, and what to do.
#[derive(Debug)]
pub(super) struct Wrong(pub String, pub String);

impl From<Wrong> for CommandError {
    fn from(Wrong(message, hint): Wrong) -> Self {
        Self::usage(message, hint)
    }
}

impl BlobArgs {
    /// The settings, if one of these recordings is in blobs.
    pub(super) fn settings<'a>(
        &self,
        mut recordings: impl Iterator<Item = &'a std::path::PathBuf>,
    ) -> Result<Option<BlobSettings>, Wrong> {
        if !recordings.any(|path| is_az(&path.to_string_lossy())) {
            return Ok(None);
        }
        let client = std::env::var_os("AZURE_CLIENT_ID").map_or("", |_| "client_id = \"${AZURE_CLIENT_ID}\"\n");
        let text = match self.credential {
            CredentialArg::AzureCli => "kind = \"azure_cli\"\n".to_owned(),
            CredentialArg::ManagedIdentity => format!("kind = \"managed_identity\"\n{client}"),
            CredentialArg::WorkloadIdentity => "kind = \"workload_identity\"\n".to_owned(),
            CredentialArg::Token => "kind = \"token\"\ntoken = \"${AZURE_TOKEN}\"\n".to_owned(),
        };
        read(&text, self.blob_endpoint.as_deref(), Environment::system())
    }
}

fn read(text: &str, endpoint: Option<&str>, environment: Environment) -> Result<Option<BlobSettings>, Wrong> {
    let mut section = Section::parse(text, azure::FIELDS, environment);
    let credential = CredentialSettings::read(&mut section);
    let error = section.diagnostics().into_iter().find(|found| found.severity == Severity::Error);
    match error {
        Some(found) => {
            Err(Wrong(format!("the credential for blobs: {}", found.message), found.hint.unwrap_or_default()))
        }
        None => Ok(Some(BlobSettings::new(credential, endpoint.map(ToOwned::to_owned)))),
    }
}

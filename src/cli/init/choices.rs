//! What can be chosen, and what is taken without a choice.

use clap::ValueEnum;

use super::InitArgs;
use crate::cli::error::{CommandError, CommandResult};
use crate::settings::{format_duration, parse_duration};

/// Where `[api]` listens without another address.
pub(super) const API: &str = "127.0.0.1:8686";
/// How much history without another choice.
const HISTORY: &str = "7d";
/// Where the state is without another choice.
pub(super) const DATA_DIR: &str = "./data";

/// Where the rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Sink {
    /// Microsoft Sentinel
    #[default]
    Sentinel,
    /// Files, one folder per table; needs no Azure
    Files,
}

/// Whose columns the rows have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Tables {
    /// Sentinel's normalised tables (ASIM), which the built-in detections read
    #[default]
    Asim,
    /// `NordPassEventLogs_CL`, the official connector's table
    Official,
}

/// The identity that writes to Sentinel, spelled as in the pipeline file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Credential {
    /// An app registration with a secret
    #[default]
    ClientSecret,
    /// An app registration with a certificate
    ClientCertificate,
    /// The identity of the machine in Azure that runs the program
    ManagedIdentity,
    /// A token that Kubernetes or another platform writes to a file
    WorkloadIdentity,
    /// The user signed in with `az login`, for your own machine
    AzureCli,
    /// A ready token, renewed elsewhere
    Token,
}

/// What runs the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Systemd,
    Compose,
}

/// Everything that the files are made of.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// The URL of the NordPass API; `None` for a variable.
    pub region: Option<String>,
    pub sink: Sink,
    pub tables: Tables,
    /// The logs ingestion URL; `None` for a variable.
    pub data_collection_endpoint: Option<String>,
    /// `None` for a variable.
    pub dcr_immutable_id: Option<String>,
    pub credential: Credential,
    pub history: String,
    pub data_dir: String,
    pub archive: bool,
    /// The address that `[api]` listens on; `None` without it.
    pub api: Option<String>,
    pub host: Option<Host>,
}

impl Choices {
    /// What was given, and the defaults for the rest.
    pub fn of(args: InitArgs) -> CommandResult<Self> {
        let sink = args.sink.unwrap_or_default();
        let only_sentinel = [
            ("--data-collection-endpoint", args.data_collection_endpoint.is_some()),
            ("--dcr-immutable-id", args.dcr_immutable_id.is_some()),
            ("--credential", args.credential.is_some()),
        ];
        if sink == Sink::Files
            && let Some((option, _)) = only_sentinel.into_iter().find(|(_, is_given)| *is_given)
        {
            let hint = "leave it out, or use `--sink sentinel`";
            return Err(CommandError::usage(format!("`{option}` has no meaning with `--sink files`"), hint));
        }
        let host = match (args.systemd, args.compose) {
            (true, _) => Some(Host::Systemd),
            (_, true) => Some(Host::Compose),
            _ => None,
        };
        let credential = args.credential.unwrap_or_default();
        if host.is_some() && matches!(credential, Credential::AzureCli | Credential::WorkloadIdentity) {
            let hint = match credential {
                Credential::AzureCli => "it's for your own machine: choose another kind for a service",
                _ => "a platform has to write the token: see deploy/kubernetes in the repository",
            };
            let name = credential.word();
            return Err(CommandError::usage(format!("`--credential {name}` doesn't work in such a service"), hint));
        }
        Ok(Self {
            region: args.region,
            sink,
            tables: args.tables.unwrap_or_default(),
            data_collection_endpoint: args.data_collection_endpoint,
            dcr_immutable_id: args.dcr_immutable_id,
            credential,
            history: args.history.unwrap_or_else(|| HISTORY.to_owned()),
            data_dir: match host {
                None => args.data_dir.unwrap_or_else(|| DATA_DIR.to_owned()),
                Some(Host::Systemd) => "${STATE_DIRECTORY:-/var/lib/nordpass-sentinel}".to_owned(),
                Some(Host::Compose) => "/data".to_owned(),
            },
            archive: args.archive,
            api: match host {
                None => args.api,
                Some(Host::Systemd) => Some(args.api.unwrap_or_else(|| API.to_owned())),
                // Inside the container: the compose file publishes the port to this machine only.
                Some(Host::Compose) => Some("0.0.0.0:8686".to_owned()),
            },
            host,
        })
    }

    /// The folder that archives and files of rows are in.
    pub fn folder(&self) -> &str {
        if self.host.is_some() { &self.data_dir } else { "." }
    }
}

impl Credential {
    /// As the pipeline file spells it.
    pub fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Reads `--region`: the URL that it stands for.
pub(super) fn region(text: &str) -> Result<String, String> {
    let text = self::text(text)?;
    match text.to_ascii_lowercase().as_str() {
        known @ ("eu" | "us") => Ok(format!("https://api-activities.{known}.nordpass.com/activities/query")),
        _ if text.contains("://") || text.starts_with("${") => Ok(text),
        _ => Err("expected `eu`, `us` or the complete URL that the Admin Panel shows".to_owned()),
    }
}

/// Reads `--history`.
pub(super) fn history(text: &str) -> Result<String, String> {
    parse_duration(text.trim()).map(format_duration).map_err(|error| error.to_string())
}

/// Reads what stands in the file as it is given.
pub(super) fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("expected something".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("expected one line without control characters".to_owned());
    }
    Ok(text.to_owned())
}

//! The pipeline file, out of the tables of the files in `pipelines/`: their comments explain the same things.

use std::path::Path;

use super::choices::{Choices, Credential, Host, Sink, Tables};
use super::host;
use super::output::in_shell;

const ASIM: &str = include_str!("../../../pipelines/nordpass-to-sentinel.toml");
const OFFICIAL: &str = include_str!("../../../pipelines/drop-in.toml");
const WITH_FILES: &str = include_str!("../../../pipelines/nordpass-to-sentinel-and-files.toml");
const ROWS_IN_FILES: &str = include_str!("../../../pipelines/replay-recording.toml");

/// The stream of the official table in the Azure template's rule.
const OFFICIAL_STREAM: &str = "Custom-NordPassEventLogs_CL";
/// The role, as every credential's comment begins.
const ROLE: &str =
    "# The identity that writes. It needs the role \"Monitoring Metrics Publisher\" on the data collection rule.";

/// The whole file.
pub(super) fn text(choices: &Choices, file: &Path) -> String {
    let mut blocks = vec![head(choices, file), set(&block(ASIM, "data_dir = "), "data_dir", &choices.data_dir)];
    blocks.extend(choices.api.as_deref().map(|listen| api(listen, choices.host)));
    let source = block(ASIM, "[sources.nordpass]");
    let source = set_if(&source, "endpoint", choices.region.as_deref());
    let source = set(&source, "token", &host::secret(choices.host, "NORDPASS_TOKEN"));
    blocks.push(set(&source, "initial_lookback", &choices.history));
    blocks.push(match choices.tables {
        Tables::Asim => block(ASIM, "[transforms.asim]"),
        Tables::Official => block(OFFICIAL, "[transforms.event_log]"),
    });
    match choices.sink {
        Sink::Sentinel => blocks.extend(sentinel(choices)),
        Sink::Files => blocks.extend(files(choices)),
    }
    if choices.archive {
        blocks.push(archive(choices));
    }
    blocks.join("\n\n") + "\n"
}

fn head(choices: &Choices, file: &Path) -> String {
    let rows = match choices.tables {
        Tables::Asim => "Microsoft Sentinel's normalised tables (ASIM)",
        Tables::Official => "the official connector's table, NordPassEventLogs_CL",
    };
    let way = match choices.sink {
        Sink::Sentinel => "into",
        Sink::Files => "into files, as rows of",
    };
    let file = in_shell(file);
    let first = format!("# NordPass activity logs {way} {rows}. Made by `nordpass-sentinel init`.\n#\n");
    match choices.host {
        Some(host) => format!(
            "{first}# {} runs this file. Settings come from the file \"{}\", secrets from files.\n# Check it with\n#\n#   \
             nordpass-sentinel validate --no-environment {file}",
            host.unit_file(),
            host.settings_file()
        ),
        None => {
            let variables = lines(ASIM, |line| line.starts_with("# Every `${NAME}`"));
            format!(
                "{first}#   nordpass-sentinel validate --connect {file}\n#   nordpass-sentinel run {file}\n#\n{variables}"
            )
        }
    }
}

fn api(listen: &str, host: Option<Host>) -> String {
    let table = set(&block(ASIM, "[api]"), "listen", listen);
    let reach = match host {
        Some(Host::Compose) => "; compose.yaml publishes the port to this machine only",
        _ if listen.starts_with("127.") || listen.starts_with("[::1]") => return table,
        _ => ", for whoever can reach this address",
    };
    let rest = lines(&table, |line| line == "[api]");
    format!("# Serves /health, /ready, /metrics and a status page{reach}.\n{rest}")
}

fn sentinel(choices: &Choices) -> [String; 3] {
    let mut table = block(ASIM, "[sinks.sentinel]");
    let mut streams = block(ASIM, "[sinks.sentinel.streams]");
    if choices.tables == Tables::Official {
        let is_inputs = |line: &&str| line.starts_with("inputs = ");
        let inputs = table.lines().find(is_inputs).unwrap_or_default().to_owned();
        table = table.replace(&inputs, "inputs = [\"event_log\"]");
        streams = set(&block(OFFICIAL, "[sinks.sentinel.streams]"), "event_log", OFFICIAL_STREAM);
    }
    let table = set_if(&table, "endpoint", choices.data_collection_endpoint.as_deref());
    let table = set_if(&table, "dcr_immutable_id", choices.dcr_immutable_id.as_deref());
    [table, streams, credential(choices)]
}

fn credential(choices: &Choices) -> String {
    let app = "tenant_id = \"${AZURE_TENANT_ID}\"\nclient_id = \"${AZURE_CLIENT_ID}\"\n";
    let lines = match choices.credential {
        Credential::ClientSecret => {
            let table = block(ASIM, "[sinks.sentinel.credential]");
            return set(&table, "client_secret", &host::secret(choices.host, "AZURE_CLIENT_SECRET"));
        }
        Credential::ClientCertificate => format!(
            "{app}# A PEM file with the application's certificate and its private key, read again for each token.\n\
             certificate_file = {}",
            literal(&host::certificate(choices.host))
        ),
        Credential::ManagedIdentity => {
            "# Without a name it's the system-assigned one. For a user-assigned identity, add its client_id.".to_owned()
        }
        Credential::WorkloadIdentity => {
            "# AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE say which one; a pod with the label\n# \
             azure.workload.identity/use: \"true\" has all three."
                .to_owned()
        }
        Credential::AzureCli => "# The user signed in with `az login`.".to_owned(),
        Credential::Token => format!("token = {}", literal(&host::secret(choices.host, "AZURE_TOKEN"))),
    };
    let kind = literal(&choices.credential.word());
    format!("{ROLE}\n[sinks.sentinel.credential]\nkind = {kind}\n{lines}")
}

fn files(choices: &Choices) -> Vec<String> {
    let path = |table: &str| format!("{}/rows/{table}/{{date}}.ndjson.gz", choices.folder());
    let first = "# One folder per table; {date} is the event's UTC date. The extension selects the compression: .gz, .zst, or none.\n";
    match choices.tables {
        Tables::Asim => {
            let tables = [
                ("[sinks.audit_event]", "ASimAuditEventLogs"),
                ("[sinks.authentication]", "ASimAuthenticationEventLogs"),
                ("[sinks.user_management]", "ASimUserManagementActivityLogs"),
            ];
            let mut blocks: Vec<String> = tables
                .iter()
                .map(|(heading, table)| set(&block(ROWS_IN_FILES, heading), "path", &path(table)))
                .collect();
            blocks[0].insert_str(0, first);
            blocks
        }
        Tables::Official => {
            let path = literal(&path("NordPassEventLogs_CL"));
            vec![format!("{first}[sinks.rows]\ntype = \"file\"\ninputs = [\"event_log\"]\npath = {path}")]
        }
    }
}

fn archive(choices: &Choices) -> String {
    let path = format!("{}/archive/{{date}}/{{organization}}.ndjson.gz", choices.folder());
    let table = set(&block(WITH_FILES, "[sinks.archive]"), "path", &path);
    if choices.sink == Sink::Sentinel {
        return table;
    }
    // What remains speaks of Sentinel.
    let kept: Vec<&str> = table.lines().take_while(|line| !line.contains("required = true")).collect();
    kept.join("\n")
}

/// The block of a file that has a line which begins so: from the blank line before it to the one behind.
pub(super) fn block(text: &str, beginning: &str) -> String {
    let found = text.split("\n\n").find(|block| block.lines().any(|line| line.starts_with(beginning)));
    found.unwrap_or_default().trim_matches('\n').to_owned()
}

/// The lines from the first one that is meant.
fn lines(text: &str, is_first: impl Fn(&str) -> bool) -> String {
    let kept: Vec<&str> = text.lines().skip_while(|line| !is_first(line)).take_while(|line| !line.is_empty()).collect();
    kept.join("\n")
}

/// The block with another value of a key that it has.
fn set(block: &str, key: &str, value: &str) -> String {
    let replaced = |line: &str| match line.strip_prefix(key).map(str::trim_start) {
        Some(rest) if rest.starts_with('=') => format!("{key} = {}", literal(value)),
        _ => line.to_owned(),
    };
    block.lines().map(replaced).collect::<Vec<_>>().join("\n")
}

fn set_if(block: &str, key: &str, value: Option<&str>) -> String {
    value.map_or_else(|| block.to_owned(), |value| set(block, key, value))
}

/// A TOML string. The text has no control characters.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

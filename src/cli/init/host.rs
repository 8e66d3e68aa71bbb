//! What runs a pipeline file as a service: the files of `deploy/`, fitted to it.

use std::fmt::Write as _;
use std::path::Path;

use super::choices::{Choices, Credential, Host, Sink};
use super::output::OutputFile;
use super::variables;
use crate::cli::error::{CommandError, CommandResult};

const UNIT: &str = include_str!("../../../deploy/systemd/nordpass-sentinel.service");
const ENVIRONMENT: &str = include_str!("../../../deploy/systemd/environment.example");
const COMPOSE: &str = include_str!("../../../deploy/compose/compose.yaml");
const SETTINGS: &str = include_str!("../../../deploy/compose/settings.example.env");

/// What both files of `deploy/` call the secret of Azure.
const AZURE: [&str; 2] = ["azure-client-secret", "azure_client_secret"];

impl Host {
    /// The file that runs the pipeline file.
    pub fn unit_file(self) -> &'static str {
        match self {
            Self::Systemd => "nordpass-sentinel.service",
            Self::Compose => "compose.yaml",
        }
    }

    /// The example of the file that sets its variables.
    pub fn settings_file(self) -> &'static str {
        match self {
            Self::Systemd => "environment.example",
            Self::Compose => "settings.example.env",
        }
    }
}

/// The value of a secret in the pipeline file: a variable, or the file that the host puts it in.
pub(super) fn secret(host: Option<Host>, variable: &str) -> String {
    let name = variable.to_ascii_lowercase();
    match host {
        None => format!("${{{variable}}}"),
        Some(host) => format!("${{file:{}}}", in_host(host, &name)),
    }
}

/// The certificate's file.
pub(super) fn certificate(host: Option<Host>) -> String {
    host.map_or_else(|| "${AZURE_CERTIFICATE_FILE}".to_owned(), |host| in_host(host, "azure_certificate"))
}

fn in_host(host: Host, name: &str) -> String {
    match host {
        Host::Systemd => format!("${{CREDENTIALS_DIRECTORY}}/{}", name.replace('_', "-")),
        Host::Compose => format!("/run/secrets/{name}"),
    }
}

/// The pipeline file, and beside it what runs it.
pub(super) fn files(choices: &Choices, file: &Path, text: String) -> CommandResult<Vec<OutputFile>> {
    let variables: Vec<String> = variables::to_set(&text).into_iter().map(|(name, _)| name).collect();
    let mut files = vec![OutputFile { path: file.to_owned(), text }];
    let Some(host) = choices.host else { return Ok(files) };
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        let message = format!("a service can't run a file of the name {}", file.display());
        return Err(CommandError::usage(message, "use letters, digits, `.`, `_` and `-`"));
    }
    let secret = azure_secret(choices);
    let (unit, settings) = match host {
        Host::Systemd => (systemd(name, secret), example(ENVIRONMENT, &variables)),
        Host::Compose => (compose(name, secret, &variables), example(SETTINGS, &variables)),
    };
    files.push(OutputFile { path: file.with_file_name(host.unit_file()), text: unit });
    files.push(OutputFile { path: file.with_file_name(host.settings_file()), text: settings });
    Ok(files)
}

/// What the secret of Azure is called, if there is one.
fn azure_secret(choices: &Choices) -> Option<&'static str> {
    match choices.credential {
        _ if choices.sink == Sink::Files => None,
        Credential::ClientSecret => Some("azure_client_secret"),
        Credential::ClientCertificate => Some("azure_certificate"),
        Credential::Token => Some("azure_token"),
        _ => None,
    }
}

/// The text for another pipeline file and another secret of Azure, or none.
fn fitted(text: &str, name: &str, secret: Option<&str>) -> String {
    let line = |line: &str| {
        let Some(known) = AZURE.into_iter().find(|known| line.contains(known)) else {
            return Some(line.replace("pipeline.toml", name));
        };
        let secret = if known.contains('-') { secret?.replace('_', "-") } else { secret?.to_owned() };
        Some(line.replace(known, &secret))
    };
    let lines: Vec<String> = text.lines().filter_map(line).collect();
    lines.join("\n") + "\n"
}

fn systemd(name: &str, secret: Option<&str>) -> String {
    fitted(UNIT, name, secret)
}

fn compose(name: &str, secret: Option<&str>, variables: &[String]) -> String {
    let text = COMPOSE.replace("../README.md. To", "deploy/README.md in the\n# repository. To");
    let text = if secret.is_some() { text } else { text.replace("Make both readable", "Make it readable") };
    let (before, rest) = text.split_once("    environment:\n").unwrap_or((&text, ""));
    // The values are indented once more.
    let after = rest.split_inclusive('\n').skip_while(|line| line.starts_with("      ")).collect::<String>();
    let mut environment = String::new();
    for variable in variables {
        let head = if environment.is_empty() { "    environment:\n" } else { "" };
        let _ = writeln!(environment, "{head}      {variable}: ${{{variable}:?set it in .env}}");
    }
    fitted(&format!("{before}{environment}{after}"), name, secret)
}

/// An example of the settings: the groups of lines that set one of the variables, and those that nobody knows.
fn example(text: &str, variables: &[String]) -> String {
    let is_used = |line: &str| {
        line.split_once('=').is_some_and(|(name, _)| name == "IMAGE" || variables.iter().any(|known| known == name))
    };
    let mut lines = text.lines();
    let mut kept: Vec<String> = lines.next().map(str::to_owned).into_iter().collect();
    let mut comments: Vec<&str> = Vec::new();
    let mut ended = false;
    for line in lines {
        if line.starts_with('#') {
            if std::mem::take(&mut ended) {
                comments.clear();
            }
            comments.push(line);
        } else {
            ended = true;
            if is_used(line) {
                kept.extend(comments.drain(..).map(str::to_owned));
                kept.push(line.to_owned());
            }
        }
    }
    let is_known =
        |name: &String| text.lines().any(|line| line.split_once('=').is_some_and(|(known, _)| known == name));
    kept.extend(variables.iter().filter(|name| !is_known(name)).map(|name| format!("{name}=")));
    kept.join("\n") + "\n"
}

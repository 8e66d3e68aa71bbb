//! What the host and the operator set. All of it as variables: app settings of the Function App are just that.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::{Environment, format_duration, parse_duration};

/// Well under the five minutes after which the Consumption plan ends an invocation by default, its drain included.
const LIMIT: &str = "3m";
/// Below this, nothing could be drained.
const SHORTEST: Duration = Duration::from_secs(10);
/// Nothing in Azure Functions' plans gives an invocation more by default.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the host calls: always loopback.
    pub listen: SocketAddr,
    /// The pipeline files, read again for each call.
    pub files: Vec<PathBuf>,
    /// How long a call may take, draining included.
    pub limit: Duration,
}

impl Settings {
    /// Reads the variables. The error is a message and a hint.
    pub fn read(environment: &Environment) -> Result<Self, (String, String)> {
        let set = |name: &str| environment.variable(name).filter(|value| !value.trim().is_empty());
        let port = set("FUNCTIONS_CUSTOMHANDLER_PORT").or_else(|| set("FUNCTIONS_HTTPWORKER_PORT"));
        let Some(port) = port else {
            let hint = "the Functions host sets it; to try this without one: FUNCTIONS_CUSTOMHANDLER_PORT=7071";
            return Err(("FUNCTIONS_CUSTOMHANDLER_PORT isn't set".into(), hint.into()));
        };
        let port: u16 = port.trim().parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            ("FUNCTIONS_CUSTOMHANDLER_PORT isn't a port".to_owned(), "use a number from 1 to 65535".to_owned())
        })?;
        let limit = set("NORDPASS_SENTINEL_TIME_LIMIT").unwrap_or_else(|| LIMIT.to_owned());
        let limit =
            parse_duration(&limit).ok().filter(|limit| (SHORTEST..=LONGEST).contains(limit)).ok_or_else(|| {
                let bounds =
                    format!("write a duration from {} to {}", format_duration(SHORTEST), format_duration(LONGEST));
                let hint = format!("{bounds}, less than `functionTimeout` in host.json, such as \"{LIMIT}\"");
                ("NORDPASS_SENTINEL_TIME_LIMIT is invalid".to_owned(), hint)
            })?;
        let files = set("NORDPASS_SENTINEL_PIPELINE").unwrap_or_else(|| "pipeline.toml".to_owned());
        let home = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
        let home = home.unwrap_or_default();
        let names = files.split(',').map(str::trim).filter(|name| !name.is_empty());
        // An absolute path stays what it is.
        let files = names.map(|name| home.join(name)).collect();
        Ok(Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), files, limit })
    }
}

//! Which source of a pipeline set a recording stands for.

use super::error::{CommandError, CommandResult};
use crate::component::Records;
use crate::pipeline::Config;

/// The name of the wanted source of events, or of the only one.
pub(super) fn event_source(config: &Config, wanted: Option<&str>) -> CommandResult<String> {
    let of_events = config.sources.iter().filter(|source| source.component_type.records == Records::Events);
    let events: Vec<&str> = of_events.map(|source| source.name.as_str()).collect();
    let names = || events.join(", ");
    match (wanted, events.as_slice()) {
        (Some(name), _) if events.contains(&name) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (Some(name), _) => {
            let message = format!("`--source {name}`: no source of events has this name");
            Err(CommandError::usage(message, format!("available: {}", names())))
        }
        (None, []) => {
            let hint = "the recording replaces a source such as `nordpass` or `file`";
            Err(CommandError::usage("these files have no source of events", hint))
        }
        (None, _) => {
            let hint = format!("select the one to replace with --source: {}", names());
            Err(CommandError::usage("these files have several sources", hint))
        }
    }
}

//! Paths to fields: `metadata.ip_address`.

use crate::settings::value::quote;

/// Deeper paths are a mistake: no event nests so deep.
const DEEPEST: usize = 8;

/// The columns that show an event's id. They can't be changed: by it, two copies of an event are known to be one.
pub const ID_COLUMNS: [&str; 2] = ["EventOriginalUid", "event_id"];

/// Reads a path. An error is a message and a hint.
pub fn parse(text: &str) -> Result<Vec<String>, (String, String)> {
    let segments: Vec<String> = text.split('.').map(|segment| segment.trim().to_owned()).collect();
    let hint = || "write the names with dots between them, such as \"metadata.ip_address\"".to_owned();
    if segments.iter().any(String::is_empty) {
        return Err((format!("{} has an empty part beside a dot", quote(text)), hint()));
    }
    if segments.len() > DEEPEST {
        return Err((format!("{} is deeper than {DEEPEST} levels", quote(text)), hint()));
    }
    Ok(segments)
}

/// The same for a field that is to be changed.
pub fn parse_changed(text: &str) -> Result<Vec<String>, (String, String)> {
    let segments = parse(text)?;
    if segments.len() == 1 && ID_COLUMNS.contains(&segments[0].as_str()) {
        let message =
            format!("`{}` can't be changed: it is how two copies of an event are known to be one", segments[0]);
        return Err((message, "copy the event's id to another field where it is needed, or leave it out".into()));
    }
    Ok(segments)
}

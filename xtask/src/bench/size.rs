//! How large the program is.

use std::{path::Path, process::Command};

use serde_json::json;

use super::Bench;
use super::report::Section;

/// Measures it: as it is built, and without its symbols where there is a `strip`.
pub fn measure(bench: &Bench) -> Result<Section, String> {
    let built = size_of(&bench.programs.product)?;
    let stripped = bench.folder.join("stripped");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&bench.programs.product).status();
    let stripped = if strip.is_ok_and(|status| status.success()) { Some(size_of(&stripped)?) } else { None };
    Ok(Section {
        title: "Size of the program",
        head: &["bytes as built", "bytes without symbols"],
        lines: vec![vec![built.to_string(), stripped.map_or("no strip here".to_owned(), |bytes| bytes.to_string())]],
        raw: json!({"built_bytes": built, "stripped_bytes": stripped}),
        ..Section::default()
    })
}

fn size_of(path: &Path) -> Result<u64, String> {
    path.metadata().map(|data| data.len()).map_err(|error| format!("can't look at {}: {error}", path.display()))
}

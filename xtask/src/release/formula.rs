//! The Homebrew formula: made of a template and a release's sums.

use std::fmt::Write as _;

use super::facts::Facts;

const TEMPLATE: &str = include_str!("formula.rb.txt");

/// The systems that a formula can name: how Ruby asks for one, and its archive. macOS only if the release has it.
const SYSTEMS: [(&str, &str, &str); 4] = [
    ("on_macos", "on_arm", "aarch64-apple-darwin"),
    ("on_macos", "on_intel", "x86_64-apple-darwin"),
    ("on_linux", "on_arm", "aarch64-unknown-linux-gnu"),
    ("on_linux", "on_intel", "x86_64-unknown-linux-gnu"),
];

/// Returns the formula for the archives that `sum` knows.
pub fn formula(facts: &Facts, sum: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut systems = String::new();
    for system in ["on_macos", "on_linux"] {
        let mut inner = String::new();
        for (_, architecture, target) in SYSTEMS.iter().filter(|(of, _, _)| *of == system) {
            let name = facts.name(&format!("{target}.tar.gz"));
            let Some(sum) = sum(&name) else { continue };
            let url = format!("{}/{name}", facts.downloads());
            let _ = write!(inner, "    {architecture} do\n      url \"{url}\"\n      sha256 \"{sum}\"\n    end\n");
        }
        if !inner.is_empty() {
            let _ = write!(systems, "  {system} do\n{inner}  end\n\n");
        }
    }
    if systems.is_empty() {
        return Err("the release has no archive that a formula could name".to_owned());
    }
    let values = [
        ("@HOMEPAGE@", facts.repository.as_str()),
        ("@VERSION@", &facts.version.to_string()),
        ("@SYSTEMS@\n\n", &systems),
    ];
    Ok(values.iter().fold(TEMPLATE.to_owned(), |text, (place, value)| text.replace(place, value)))
}

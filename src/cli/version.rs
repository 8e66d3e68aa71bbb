//! `version`: which program this is, for people and as one line of JSON for programs.
//!
//! All of it is known when the program is compiled, and none of it by a build script: the same source, toolchain and
//! variables give the same program.

use std::env::consts::{ARCH, OS};
use std::process::ExitCode;

use serde::Serialize;

use super::console::write_data;
use super::error::CommandResult;

/// What `version` takes.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// Print one JSON object: name, version, commit, target, static, features
    #[arg(long)]
    json: bool,
}

/// What is known of this program.
#[derive(Debug, Serialize)]
struct Version {
    name: &'static str,
    #[serde(rename = "version")]
    number: &'static str,
    /// The commit that it was built from, where the builder has set `NORDPASS_SENTINEL_COMMIT`.
    commit: Option<&'static str>,
    /// What it was compiled for, as Rust calls it.
    target: String,
    /// Whether it needs no libraries of the system.
    #[serde(rename = "static")]
    is_static: bool,
    features: &'static [&'static str],
}

impl Version {
    fn of_this_program() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME"),
            number: env!("CARGO_PKG_VERSION"),
            commit: option_env!("NORDPASS_SENTINEL_COMMIT").filter(|commit| !commit.is_empty()),
            target: target(),
            is_static: cfg!(target_feature = "crt-static"),
            features: if cfg!(feature = "simulator") { &["simulator"] } else { &[] },
        }
    }

    fn human(&self) -> String {
        let Self { name, number, commit, target, is_static, features } = self;
        let mut parts = vec![target.clone()];
        if *is_static {
            parts.push("static".to_owned());
        }
        if !features.is_empty() {
            parts.push(format!("with {}", features.join(", ")));
        }
        parts.extend(commit.map(|commit| format!("commit {commit}")));
        format!("{name} {number} ({})\n", parts.join("; "))
    }
}

/// The target's triple, from what the compiler says of it: only a build script could know its literal name.
fn target() -> String {
    let system = match OS {
        "linux" => "unknown-linux",
        "macos" => "apple-darwin",
        "windows" => "pc-windows",
        other => other,
    };
    let abi =
        [("gnu", cfg!(target_env = "gnu")), ("musl", cfg!(target_env = "musl")), ("msvc", cfg!(target_env = "msvc"))];
    let abi = abi.into_iter().find(|(_, is)| *is).map(|(abi, _)| format!("-{abi}")).unwrap_or_default();
    format!("{ARCH}-{system}{abi}")
}

/// Writes it to standard output.
#[expect(clippy::needless_pass_by_value, reason = "as every command")]
pub(super) fn run(args: VersionArgs) -> CommandResult {
    let version = Version::of_this_program();
    let text = if args.json {
        let json = serde_json::to_string(&version).map_err(|error| format!("can't write JSON: {error}"))?;
        format!("{json}\n")
    } else {
        version.human()
    };
    write_data(&text).map_err(|error| format!("can't write to standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same_on_one_line() {
        let version = Version {
            commit: Some("0123abc"),
            is_static: true,
            features: &["simulator"],
            ..Version::of_this_program()
        };
        let human = version.human();
        assert!(human.starts_with(concat!("nordpass-sentinel ", env!("CARGO_PKG_VERSION"), " (")), "{human}");
        assert!(human.ends_with("; static; with simulator; commit 0123abc)\n"), "{human}");
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&version).unwrap()).unwrap();
        assert_eq!(
            (&json["commit"], &json["static"], &json["features"][0]),
            (&"0123abc".into(), &true.into(), &"simulator".into())
        );
        let parts = json["target"].as_str().unwrap().split('-').count();
        assert!((3..=4).contains(&parts), "{json}");
    }
}

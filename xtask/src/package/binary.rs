//! The program as one static file: it runs on any Linux of its architecture, in an empty image too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, elf};
use tools_common::process::{build_by, cargo, output};

/// What it is built for: this machine's architecture. Named, so that the flags don't reach build scripts, which can't be static.
pub const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// The features that a plain build hasn't and what is delivered has.
pub const FEATURES: &str = "kafka,remap";

/// The programs that are packed.
pub struct Programs {
    /// With the simulators, for people.
    pub whole: Vec<u8>,
    /// Without them: what is deployed.
    pub deployed: Vec<u8>,
}

/// Where and how they are built.
#[derive(Clone, Copy)]
pub struct Build<'a> {
    /// The folder of the sources, whose `target` the build uses.
    pub root: &'a Path,
    /// cargo-auditable, to embed the list of dependencies.
    pub auditable: Option<&'a Path>,
}

/// Builds both. The same commit, toolchain and C compiler make the same bytes in any folder.
pub fn programs(build: Build<'_>) -> Result<Programs, String> {
    // The second build only makes the program itself again.
    let deployed = build_with(build, &["--no-default-features", "--features", FEATURES])?;
    Ok(Programs { whole: build_with(build, &["--features", FEATURES])?, deployed })
}

fn build_with(build: Build<'_>, features: &[&str]) -> Result<Vec<u8>, String> {
    // What would tell the folders of this machine: the sources', and the registry's copies.
    let folders = [(build.root.to_owned(), "/source"), (cargo_home()?, "/cargo")];
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(folders.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    let c_flags: Vec<_> =
        folders.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display())).collect();
    let program = match build.auditable {
        None => cargo(),
        Some(path) => {
            let mut auditable = Command::new(path);
            auditable.arg("auditable");
            auditable
        }
    };
    let path = build_by(program, "nordpass-sentinel", |cargo| {
        cargo.args(["--profile", "dist", "--target", TARGET]).args(features);
        cargo.arg("--manifest-path").arg(build.root.join("Cargo.toml"));
        cargo.env("CARGO_TARGET_DIR", build.root.join("target"));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("SOURCE_DATE_EPOCH", "0");
        cargo.env("NORDPASS_SENTINEL_COMMIT", commit());
        cargo.env(format!("CFLAGS_{}", TARGET.replace('-', "_")), c_flags.join(" "));
    })?;
    let bytes = tools_common::bytes(&path)?;
    check(&bytes)?;
    for (folder, _) in &folders {
        if contains(&bytes, folder) {
            return Err(format!("the program holds the path {}: it would differ in another folder", folder.display()));
        }
    }
    // It starts with nothing in its environment.
    output(Command::new(path).arg("--version").env_clear())?;
    Ok(bytes)
}

/// Returns the commit of the sources, which `version --json` shows; nothing where git doesn't know, or knows of changes since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = output(Command::new("git").args(arguments)).ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let is_unchanged = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    git(&["rev-parse", "HEAD"]).filter(|_| is_unchanged).unwrap_or_default()
}

fn cargo_home() -> Result<PathBuf, String> {
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    home("CARGO_HOME")
        .or_else(|| Some(home("HOME")?.join(".cargo")))
        .ok_or_else(|| "neither CARGO_HOME nor HOME is set".to_owned())
}

fn contains(bytes: &[u8], folder: &Path) -> bool {
    let needle = OsString::from(folder).into_encoded_bytes();
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Checks that an ELF file needs nothing of the system it runs on: it names neither a loader nor a library.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let odd = |error| format!("the program isn't a 64-bit ELF file: {error}");
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(odd)?;
    for header in file.elf_program_headers() {
        if header.p_type(file.endian()) == elf::PT_INTERP {
            return Err("the program isn't static: it names a loader".to_owned());
        }
        let entries = header.dynamic(file.endian(), bytes).map_err(odd)?.unwrap_or_default();
        if entries.iter().any(|entry| entry.d_tag.get(file.endian()) == elf::DT_NEEDED) {
            return Err("the program isn't static: it needs a library".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_test_is_not_static() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("a program");
        assert!(check(&own).expect_err("it has a loader").contains("isn't static"));
        assert!(check(b"#!/bin/sh\n").is_err() && check(b"\x7fELF\x02").is_err() && check(b"").is_err());
    }

    #[test]
    fn a_path_is_found_wherever_it_stands() {
        assert!(contains(b"..../home/me/x", Path::new("/home/me")));
        assert!(!contains(b"..../home/m", Path::new("/home/me")));
    }
}

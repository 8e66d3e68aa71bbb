//! `cargo xtask package`: what the Azure template deploys, in `target/package/`, the same bytes on each run.
//!
//! - `nordpass-sentinel`: the program, one static file, with the simulators.
//! - `function.zip`: the program without them, `deploy/functions/` and the pipeline files, for Azure Functions.
//! - `image.tar.gz`: the program without them and `deploy/container/`, what an image builder needs.
//! - `solution.zip`: the Sentinel solution's folder, and `solution/`, the same unpacked.
//! - `SHA256SUMS`: the sums for the template's parameters, and to check downloads.

pub mod binary;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tools_common::archive::{self, Entries, Entry, collect};
use tools_common::{json, root};
use tools_solution::write_package;

use self::binary::{Build, Programs};

/// The folders that the archives are made of.
const FUNCTION: &str = "deploy/functions";
const CONTAINER: &str = "deploy/container";

/// Builds everything and says what it is.
pub fn run() -> Result<(), String> {
    let mut files = artefacts(&root(), &binary::programs(Build { root: &root(), auditable: None })?)?;
    let folder = root().join("target/package");
    // Nothing of an earlier run stays: a sum has to be of what lies beside it.
    tools_common::empty(&folder)?;
    files.push(("solution.zip", write_package(&folder.join("solution"))?));
    for (name, bytes) in &files {
        tools_common::write(folder.join(name), bytes)?;
        println!("{:>10} bytes  target/package/{name}", bytes.len());
    }
    #[cfg(unix)]
    fs::set_permissions(folder.join("nordpass-sentinel"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(|error| format!("can't make the program executable: {error}"))?;
    print!("{}", sums(&files));
    tools_common::write(folder.join("SHA256SUMS"), sums(&files))
}

/// Packages the Sentinel solution alone, which needs no build of the program.
pub fn solution() -> Result<(), String> {
    let folder = root().join("target/package");
    let _ = fs::remove_dir_all(folder.join("solution"));
    let zip = write_package(&folder.join("solution"))?;
    tools_common::write(folder.join("solution.zip"), &zip)?;
    print!("{}", sums(&[("solution.zip", zip)]));
    Ok(())
}

/// Returns the files by name, in the order of their names.
fn artefacts(root: &Path, programs: &Programs) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let [function, image] = deployed(root, &programs.deployed)?;
    Ok(vec![("function.zip", function), ("image.tar.gz", image), ("nordpass-sentinel", programs.whole.clone())])
}

/// Returns the function's zip and the image's build context, as a release publishes them, too.
pub fn deployed(root: &Path, program: &[u8]) -> Result<[Vec<u8>; 2], String> {
    Ok([archive::zip(&function(root, program)?)?, archive::tar_gz(&image(root, program)?)?])
}

/// Returns the function's files; the program has the name that `host.json` calls it by.
fn function(root: &Path, binary: &[u8]) -> Result<Entries, String> {
    let mut entries = Entries::new();
    // The same pipeline files as in the image: the template chooses among them for both hosts.
    collect(&root.join(CONTAINER), "", &mut entries)?;
    entries.retain(|path, _| path.ends_with(".toml"));
    collect(&root.join(FUNCTION), "", &mut entries)?;
    let Some(Entry::File(host)) = entries.get("host.json") else {
        return Err(format!("{FUNCTION}/host.json is missing"));
    };
    let host: serde_json::Value = json::parse(&format!("{FUNCTION}/host.json"), host)?;
    let program = host["customHandler"]["description"]["defaultExecutablePath"]
        .as_str()
        .ok_or_else(|| format!("{FUNCTION}/host.json has no customHandler.description.defaultExecutablePath"))?;
    let below = format!("{program}/");
    if entries.keys().any(|path| *path == program || path.starts_with(&below)) {
        return Err(format!("{FUNCTION}/host.json: `{program}` is the program's name and that of another entry"));
    }
    entries.insert(program.to_owned(), Entry::Program(binary.to_vec()));
    Ok(entries)
}

/// Returns the image's build context.
fn image(root: &Path, binary: &[u8]) -> Result<Entries, String> {
    let mut entries = Entries::new();
    collect(&root.join(CONTAINER), "", &mut entries)?;
    if !entries.contains_key("Dockerfile") {
        return Err(format!("{CONTAINER}/Dockerfile is missing"));
    }
    // The folder that a volume is mounted over: the image has to have it, with the right owner.
    entries.insert("data".to_owned(), Entry::Folder);
    entries.insert("nordpass-sentinel".to_owned(), Entry::Program(binary.to_vec()));
    Ok(entries)
}

/// Formats the sums as `sha256sum` does, so that `sha256sum --check SHA256SUMS` works.
pub fn sums<N: std::fmt::Display>(files: &[(N, Vec<u8>)]) -> String {
    files.iter().fold(String::new(), |text, (name, bytes)| format!("{text}{}  {name}\n", sum(bytes)))
}

/// Returns the SHA-256 as `sha256sum` writes it.
pub fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

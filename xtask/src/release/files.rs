//! What one machine adds to a release: `cargo xtask release --build`, in `target/release-files/`.
//!
//! Each architecture has an archive, a Debian package, an SBOM and the image's build context. What is the same on all comes from x86-64.

use std::path::Path;
use std::process::Command;

use tools_common::archive::{self, Entries, Entry, collect};
use tools_common::process::output;
use tools_common::read;

use super::facts::Facts;
use super::{changelog, deb, sbom};
use crate::package::binary::{Build, Programs, TARGET, programs};
use crate::package::{deployed, sums};
use crate::tools;

/// A file: its name and its bytes.
pub type File = (String, Vec<u8>);

/// The words of the command line that shells complete.
const SHELLS: [(&str, &str); 3] =
    [("bash", "nordpass-sentinel.bash"), ("zsh", "_nordpass-sentinel"), ("fish", "nordpass-sentinel.fish")];

/// Builds them and writes them, with their sums.
pub fn write(root: &Path, facts: &Facts) -> Result<(), String> {
    let notes = changelog::notes(&read(root.join("CHANGELOG.md"))?, &facts.version)?;
    let mut files = build(root, facts)?;
    let sums = sums(&files);
    // Not a file of the release, so not among the sums.
    if is_first() {
        files.push(("NOTES.md".to_owned(), notes.into_bytes()));
    }
    files.push((format!("SHA256SUMS.{}", architecture()), sums.into_bytes()));
    save(&root.join("target/release-files"), &files)
}

/// Writes files into a folder that held others before, and says how long they are.
pub fn save(folder: &Path, files: &[File]) -> Result<(), String> {
    tools_common::empty(folder)?;
    for (name, bytes) in files {
        tools_common::write(folder.join(name), bytes)?;
        println!("{:>10} bytes  {name}", bytes.len());
    }
    Ok(())
}

/// Builds the files of the sources in a folder, in the order of their names.
pub fn build(root: &Path, facts: &Facts) -> Result<Vec<File>, String> {
    let auditable = tools::cargo_auditable()?;
    let programs = programs(Build { root, auditable: Some(&auditable) })?;
    for program in [&programs.whole, &programs.deployed] {
        sbom::check_embedded(program)?;
    }
    let extras = extras(root, &programs)?;
    let [function, image] = deployed(root, &programs.deployed)?;
    let architecture = architecture();
    let mut files = vec![
        (facts.name(&format!("{TARGET}.tar.gz")), archive(root, facts, &programs, &extras)?),
        (facts.name(&format!("{TARGET}.cdx.json")), sbom::write(root, TARGET)?),
        (facts.name(&format!("image-{architecture}.tar.gz")), image),
        (deb::name(facts), deb::build(root, facts, &programs.deployed, &extras)?),
    ];
    if is_first() {
        files.push((facts.name("function.zip"), function));
        files.push((facts.name("solution.zip"), tools_solution::write_package(&root.join("target/solution"))?));
        files.push(("install.sh".to_owned(), installer(root, facts)?.into_bytes()));
    }
    files.sort();
    Ok(files)
}

/// Returns the name of this machine's architecture, as Rust has it.
fn architecture() -> &'static str {
    TARGET.split('-').next().unwrap_or(TARGET)
}

/// Whether this machine makes what is the same on all.
fn is_first() -> bool {
    architecture() == "x86_64"
}

/// Returns the installer with the release's version and address.
pub fn installer(root: &Path, facts: &Facts) -> Result<String, String> {
    let text = read(root.join("deploy/install.sh"))?;
    Ok(text.replace("@VERSION@", &facts.version.to_string()).replace("@DOWNLOADS@", &facts.downloads()))
}

/// Returns the archive, all in one folder with the archive's name.
fn archive(root: &Path, facts: &Facts, programs: &Programs, extras: &Entries) -> Result<Vec<u8>, String> {
    let folder = facts.name(TARGET);
    let mut entries = Entries::new();
    for name in ["LICENSE", "README.md", "CHANGELOG.md"] {
        entries.insert(format!("{folder}/{name}"), Entry::File(tools_common::bytes(root.join(name))?));
    }
    collect(&root.join("pipelines"), &format!("{folder}/pipelines/"), &mut entries)?;
    entries.extend(extras.iter().map(|(path, entry)| (format!("{folder}/{path}"), entry.clone())));
    entries.insert(format!("{folder}/nordpass-sentinel"), Entry::Program(programs.whole.clone()));
    archive::tar_gz(&entries)
}

/// Returns what the program writes about itself: completions and the manual, if it has the commands for them.
fn extras(root: &Path, programs: &Programs) -> Result<Entries, String> {
    let program = root.join("target/release-program/nordpass-sentinel");
    save_program(&program, &programs.whole)?;
    let mut entries = Entries::new();
    // The reference is generated from the commands: what it names has to work.
    let reference = read(root.join("docs/reference/cli.md"))?;
    if reference.contains("nordpass-sentinel completions") {
        for (shell, name) in SHELLS {
            let text = output(Command::new(&program).args(["completions", shell]).env_clear())?.stdout;
            entries.insert(format!("completions/{name}"), Entry::File(text));
        }
    }
    if reference.contains("nordpass-sentinel man") {
        let text = output(Command::new(&program).arg("man").env_clear())?.stdout;
        entries.insert("man/nordpass-sentinel.1".to_owned(), Entry::File(text));
    }
    Ok(entries)
}

/// Writes a program that can be run.
pub fn save_program(path: &Path, bytes: &[u8]) -> Result<(), String> {
    tools_common::write(path, bytes)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(tools_common::failed("make executable", path))?;
    Ok(())
}

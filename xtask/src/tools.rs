//! The tools that the tests need, as [`tools_common::install`] installs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tools_common::install;
use tools_common::process::{cargo, output, run};

const CARGO_AUDITABLE: &str = "0.7.7";
const CARGO_CYCLONEDX: &str = "0.5.9";
const CARGO_DEB: &str = "3.8.0";
/// The version of cargo-deny.
pub const CARGO_DENY: &str = "0.20.2";

/// Installs cargo-deny.
pub fn cargo_deny() -> Result<PathBuf, String> {
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// Installs cargo-auditable, which embeds the list of dependencies in a program.
pub fn cargo_auditable() -> Result<PathBuf, String> {
    cargo_tool("cargo-auditable", CARGO_AUDITABLE)
}

/// Installs cargo-cyclonedx, which writes the SBOM.
pub fn cargo_cyclonedx() -> Result<PathBuf, String> {
    cargo_tool("cargo-cyclonedx", CARGO_CYCLONEDX)
}

/// Installs cargo-deb, which makes the Debian package.
pub fn cargo_deb() -> Result<PathBuf, String> {
    cargo_tool("cargo-deb", CARGO_DEB)
}

/// Installs a program that cargo builds, without optimization: it runs for a second, and builds in half the time.
fn cargo_tool(name: &str, version: &str) -> Result<PathBuf, String> {
    let build = |dir: &Path| {
        let mut install = cargo();
        install.args(["install", name, "--locked", "--quiet", "--version", version, "--root"]).arg(dir);
        for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("DEBUG", "0"), ("CODEGEN_UNITS", "16")] {
            install.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        // Its own build folder: nothing of the project's is rebuilt for it.
        install.env("CARGO_TARGET_DIR", dir.join("build"));
        run(&mut install)?;
        let _ = fs::remove_dir_all(dir.join("build"));
        Ok(())
    };
    let title = format!("{name} {version}, which takes about two minutes");
    Ok(install::once(name, version, &title, build)?.join("bin").join(name))
}

/// Installs the programs that check `.github/`. Returns their folder.
pub fn workflow_checks() -> Result<PathBuf, String> {
    install::python("workflows", "xtask/checks/workflows/requirements.txt", "zizmor and check-jsonschema")
}

/// Installs Python with `CycloneDX`'s own library and its schemas.
pub fn sbom_python() -> Result<PathBuf, String> {
    let programs = install::python("sbom", "xtask/checks/sbom/requirements.txt", "CycloneDX's validator")?;
    Ok(programs.join("python"))
}

/// Installs Valgrind, which counts instructions. It comes from the operating system, since it has to fit its C library.
pub fn valgrind() -> Result<(), String> {
    install::system("valgrind", &["valgrind"])
}

/// Installs Python with the official ingestion client.
pub fn python() -> Result<PathBuf, String> {
    Ok(install::python("python", "tests/clients/requirements.txt", "the official Python client")?.join("python"))
}

/// Installs the official JavaScript client. Returns its `node_modules`.
pub fn node() -> Result<PathBuf, String> {
    install::node("node", "tests/clients/package.json", "the official JavaScript client")
}

/// Installs noida-db, whose broker speaks Kafka's protocol. Returns its program.
pub fn kafka_broker() -> Result<PathBuf, String> {
    let programs = install::python("kafka", "tests/kafka/requirements.txt", "noida-db, a Kafka broker")?;
    // The program itself, not the script that starts it: that would leave it behind.
    let mut located = Command::new(programs.join("python"));
    located.args([
        "-c",
        "import os, noida_db as n; p = os.path.dirname(n.__file__) + '/noida-db'; os.chmod(p, 0o755); print(p)",
    ]);
    Ok(String::from_utf8_lossy(&output(&mut located)?.stdout).trim().into())
}

/// Installs Azurite, Microsoft's emulator of Azure Storage. Returns the script of its blob service, which node runs.
pub fn azurite() -> Result<PathBuf, String> {
    Ok(install::node("azurite", "tests/azurite/package.json", "Azurite")?.join("azurite/dist/src/blob/main.js"))
}

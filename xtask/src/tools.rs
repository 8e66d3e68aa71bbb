//! The tools that the tests need, each of a pinned version, in `target/tools/`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::run;
use crate::steps::cargo;

const CARGO_DENY: &str = "0.20.2";

const AZURITE: &str = "3.35.0";

/// A tool's folder, and whether it already holds what `stamp` says.
fn folder(tool: &str, stamp: &str) -> Result<(PathBuf, bool), String> {
    let dir = crate::root().join("target/tools").join(tool);
    let ready = fs::read_to_string(dir.join("stamp")).is_ok_and(|found| found == stamp);
    fs::create_dir_all(&dir).map_err(|error| format!("can't make {}: {error}", dir.display()))?;
    Ok((dir, ready))
}

fn stamp(dir: &std::path::Path, stamp: &str) -> Result<(), String> {
    fs::write(dir.join("stamp"), stamp).map_err(|error| format!("can't write to {}: {error}", dir.display()))
}

/// cargo-deny, built without optimisation: it runs for a second, and builds in half the time.
pub fn cargo_deny() -> Result<PathBuf, String> {
    let (dir, ready) = folder("cargo-deny", CARGO_DENY)?;
    if !ready {
        println!("installing cargo-deny {CARGO_DENY} (once, about two minutes)");
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--quiet", "--version", CARGO_DENY, "--root"]).arg(&dir);
        for (name, value) in [("OPT_LEVEL", "0"), ("LTO", "off"), ("DEBUG", "0"), ("CODEGEN_UNITS", "16")] {
            install.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        // Its own build folder: nothing of the project's is rebuilt for it.
        install.env("CARGO_TARGET_DIR", dir.join("build"));
        run(&mut install)?;
        let _ = fs::remove_dir_all(dir.join("build"));
        stamp(&dir, CARGO_DENY)?;
    }
    Ok(dir.join("bin/cargo-deny"))
}

/// Valgrind, which counts instructions. It comes from the system, as it has to fit its C library: installed here where
/// that can be done without asking anybody.
pub fn valgrind() -> Result<(), String> {
    install("valgrind", &["valgrind"])
}

/// Installs a program of the system's, if it isn't there and that can be done without asking anybody.
fn install(program: &str, packages: &[&str]) -> Result<(), String> {
    if works(program) {
        return Ok(());
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    if root && works("apt-get") {
        println!("installing {program} (once)");
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
        run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
        if works(program) {
            return Ok(());
        }
    }
    Err(format!("{program} is missing\nhint: install it, for example with `sudo apt-get install {program}`"))
}

/// Chromium, which draws the preview. It comes from the system, installed here where that can be done without asking
/// anybody.
pub fn chromium() -> Result<&'static str, String> {
    install("chromium", &["chromium", "fonts-open-sans"])?;
    Ok("chromium")
}

/// Whether a program can be run.
fn works(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Python with the official ingestion client, as `tests/clients/requirements.txt` pins it.
pub fn python() -> Result<PathBuf, String> {
    venv("python", "tests/clients/requirements.txt", "the official Python client").map(|folder| folder.join("python"))
}

/// Python with the executor of KQL, as `solution/tests/requirements.txt` pins it.
pub fn solution_python() -> Result<PathBuf, String> {
    venv("solution-python", "solution/tests/requirements.txt", "the executor of KQL")
        .map(|folder| folder.join("python"))
}

/// The folder with the programs that look at `deploy/`, as `deploy/checks/requirements.txt` pins them.
pub fn deploy_checks() -> Result<PathBuf, String> {
    venv("deploy", "deploy/checks/requirements.txt", "checkov, hadolint and kubernetes-validate")
}

/// A virtual environment of Python's; answers the folder with its programs.
fn venv(tool: &str, requirements: &str, what: &str) -> Result<PathBuf, String> {
    let wanted = read(requirements)?;
    let (dir, ready) = folder(tool, &wanted)?;
    let programs = dir.join("venv/bin");
    if !ready {
        println!("installing {what} (once)");
        let _ = fs::remove_dir_all(dir.join("venv"));
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(programs.join("python")).args(pip).arg(crate::root().join(requirements)))?;
        stamp(&dir, &wanted)?;
    }
    Ok(programs)
}

/// The folder whose `node_modules` has the official JavaScript client, as `tests/clients/package.json` pins it.
pub fn node() -> Result<PathBuf, String> {
    node_with("node", "the official JavaScript client", "tests/clients/package.json")
}

/// The folder whose `node_modules` has Microsoft's KQL parser, as `solution/tests/package.json` pins it.
pub fn solution_node() -> Result<PathBuf, String> {
    node_with("solution-node", "Microsoft's KQL parser", "solution/tests/package.json")
}

fn node_with(tool: &str, what: &str, package: &str) -> Result<PathBuf, String> {
    let wanted = read(package)?;
    let (dir, ready) = folder(tool, &wanted)?;
    if !ready {
        println!("installing {what} (once)");
        fs::write(dir.join("package.json"), &wanted).map_err(|error| error.to_string())?;
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"];
        run(Command::new("npm").args(npm).arg(&dir))?;
        stamp(&dir, &wanted)?;
    }
    Ok(dir)
}

/// Azurite's blob service, Microsoft's own stand-in for Azure Storage: the script that node runs.
pub fn azurite() -> Result<PathBuf, String> {
    let (dir, ready) = folder("azurite", AZURITE)?;
    let script = dir.join("node_modules/azurite/dist/src/blob/main.js");
    if !ready || !script.exists() {
        if !works("npm") {
            return Err("npm is missing, so Azurite can't be installed\nhint: install Node.js with npm".to_owned());
        }
        println!("installing Azurite {AZURITE} (once, about half a minute)");
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"];
        let mut install = Command::new("npm");
        install.args(npm).arg("--prefix").arg(&dir).arg(format!("azurite@{AZURITE}"));
        run(&mut install)?;
        stamp(&dir, AZURITE)?;
    }
    Ok(script)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(crate::root().join(path)).map_err(|error| format!("can't read {path}: {error}"))
}

//! Installs the tools that commands need, each of a pinned version, in `target/tools/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::run;
use crate::{read, root};

/// Returns a tool's folder after `install` has filled it, which happens once for each `version`. `title` is shown meanwhile.
pub fn once(
    tool: &str,
    version: &str,
    title: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let dir = root().join("target/tools").join(tool);
    let stamp = dir.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == version) {
        return Ok(dir);
    }
    println!("installing {title} (once)");
    crate::empty(&dir)?;
    install(&dir)?;
    crate::write(&stamp, version)?;
    Ok(dir)
}

/// Installs the packages of a `requirements.txt` of the repository. Returns the folder with their programs.
pub fn python(tool: &str, requirements: &str, title: &str) -> Result<PathBuf, String> {
    let install = |dir: &Path| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
        // What is imported is compiled then; checkov alone has a hundred packages.
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-r"];
        run(Command::new(dir.join("venv/bin/python")).args(pip).arg(root().join(requirements)))
    };
    Ok(once(tool, &read(requirements)?, title, install)?.join("venv/bin"))
}

/// Installs the packages of a `package.json` of the repository. Returns their `node_modules`.
pub fn node(tool: &str, package: &str, title: &str) -> Result<PathBuf, String> {
    let wanted = read(package)?;
    let install = |dir: &Path| {
        if !works("npm") {
            return Err("npm is missing\nhint: install Node.js with npm".to_owned());
        }
        crate::write(dir.join("package.json"), &wanted)?;
        let npm =
            ["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix"];
        run(Command::new("npm").args(npm).arg(dir))
    };
    Ok(once(tool, &wanted, title, install)?.join("node_modules"))
}

/// Installs a program of the operating system, if it is missing and that takes no password.
pub fn system(program: &str, packages: &[&str]) -> Result<(), String> {
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

/// Returns whether a program can be run.
fn works(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

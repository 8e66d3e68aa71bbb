//! The Debian package, by cargo-deb: the program without the simulators, as a service that waits to be configured.
//!
//! `[package.metadata.deb]` in `Cargo.toml` says what goes where. What it takes from `target/deb/` is put there first.

use std::path::Path;
use std::process::Command;

use tools_common::archive::{Entries, Entry};
use tools_common::process::{output, run};
use tools_common::{read, write};

use super::facts::Facts;
use super::files::save_program;
use crate::package::binary::TARGET;
use crate::tools;

/// What has to be in it, and nothing else but folders, the manual and completions.
const CONTENTS: &[&str] = &[
    "-rw-r--r-- ./etc/nordpass-sentinel/environment",
    "-rw-r--r-- ./etc/nordpass-sentinel/pipeline.toml",
    "-rw-r--r-- ./usr/lib/systemd/system/nordpass-sentinel.service",
    "-rw-r--r-- ./usr/lib/sysusers.d/nordpass-sentinel.conf",
    "-rw-r--r-- ./usr/share/doc/nordpass-sentinel/copyright",
    "-rw-r--r-- ./usr/share/doc/nordpass-sentinel/CHANGELOG.md",
    "-rwxr-xr-x ./usr/bin/nordpass-sentinel",
];

/// Returns the package's file name.
pub fn name(facts: &Facts) -> String {
    let architecture = if TARGET.starts_with("aarch64") { "arm64" } else { "amd64" };
    format!("nordpass-sentinel_{}-1_{architecture}.deb", facts.version.debian())
}

/// Makes the package and checks what is in it.
pub fn build(root: &Path, facts: &Facts, program: &[u8], extras: &Entries) -> Result<Vec<u8>, String> {
    let stage = root.join("target/deb");
    tools_common::empty(&stage)?;
    save_program(&stage.join("nordpass-sentinel"), program)?;
    write(
        stage.join("nordpass-sentinel.service"),
        unit(&read(root.join("deploy/systemd/nordpass-sentinel.service"))?)?,
    )?;
    for (path, entry) in extras {
        let place = match path.as_str() {
            "completions/nordpass-sentinel.bash" => "bash-completion/completions/nordpass-sentinel",
            "completions/_nordpass-sentinel" => "zsh/vendor-completions/_nordpass-sentinel",
            "completions/nordpass-sentinel.fish" => "fish/vendor_completions.d/nordpass-sentinel.fish",
            "man/nordpass-sentinel.1" => "man/man1/nordpass-sentinel.1",
            _ => return Err(format!("{path} has no place in the Debian package")),
        };
        let Entry::File(bytes) = entry else { continue };
        write(stage.join("share").join(place), bytes)?;
    }
    // Debian's place for it; with the others, so that their pattern always finds something.
    write(stage.join("share/doc/nordpass-sentinel/CHANGELOG.md"), read(root.join("CHANGELOG.md"))?)?;

    let package = root.join("target").join(name(facts));
    let mut cargo_deb = Command::new(tools::cargo_deb()?);
    cargo_deb.args([
        "--no-build",
        "--no-strip",
        "--locked",
        "--target",
        TARGET,
        "--profile",
        "dist",
        "--manifest-path",
    ]);
    cargo_deb.arg(root.join("Cargo.toml")).arg("--output").arg(&package);
    run(cargo_deb.env("SOURCE_DATE_EPOCH", "0").env("CARGO_TARGET_DIR", root.join("target")))?;
    let listed = output(Command::new("dpkg-deb").arg("--contents").arg(&package))?.stdout;
    check(&String::from_utf8_lossy(&listed))?;
    tools_common::bytes(&package)
}

/// Returns the service of `deploy/systemd/` as a package has it: the program in `/usr/bin`, a user that stays, and no start without a
/// token.
fn unit(text: &str) -> Result<String, String> {
    let (comments, unit) = text.split_once("\n[Unit]\n").ok_or("the unit has no [Unit]")?;
    if !comments.lines().all(|line| line.is_empty() || line.starts_with('#')) {
        return Err("the unit doesn't begin with comments".to_owned());
    }
    let mut unit = format!(
        "# NordPass activity logs into Microsoft Sentinel.\n\
         #\n\
         # Fill in /etc/nordpass-sentinel/environment, then, as root:\n\
         #   (umask 077; cat > /etc/nordpass-sentinel/nordpass-token)            # paste, then Ctrl-D\n\
         #   (umask 077; cat > /etc/nordpass-sentinel/azure-client-secret)\n\
         #   systemctl enable --now nordpass-sentinel\n\
         #\n\
         # systemd copies each secret when the service starts. After changing one, run: systemctl restart nordpass-sentinel\n\
         \n[Unit]\n{unit}"
    );
    for (from, to) in [
        (
            "\n[Service]\n",
            "\n# Without a token there is nothing to do.\nConditionPathExists=/etc/nordpass-sentinel/nordpass-token\n\n[Service]\n",
        ),
        ("/usr/local/bin/", "/usr/bin/"),
        (
            "# A user that exists only while the service runs. The state stays in /var/lib/nordpass-sentinel.\nDynamicUser=yes\n",
            "# The package's own user, which owns the state in /var/lib/nordpass-sentinel.\nUser=nordpass-sentinel\n\
             Group=nordpass-sentinel\n",
        ),
    ] {
        if unit.matches(from).count() != 1 {
            return Err(format!("deploy/systemd/nordpass-sentinel.service: `{}` isn't there once", from.trim()));
        }
        unit = unit.replace(from, to);
    }
    Ok(unit)
}

/// Checks what `dpkg-deb --contents` lists.
fn check(listed: &str) -> Result<(), String> {
    let mut missing: Vec<&str> = CONTENTS.to_vec();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, .., path] = words.as_slice() else { continue };
        if !["0/0", "root/root"].contains(owner) {
            return Err(format!("the Debian package's {path} belongs to {owner}"));
        }
        let found = format!("{mode} {path}");
        let is_extra =
            path.starts_with("./usr/share/") && (path.contains("completions") || path.contains("/man/man1/"));
        if let Some(place) = missing.iter().position(|wanted| *wanted == found) {
            missing.remove(place);
        } else if !(mode.starts_with("drwxr-xr-x") || is_extra && *mode == "-rw-r--r--") {
            return Err(format!("the Debian package shouldn't have `{found}`"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("the Debian package lacks {}", missing.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_the_package_is_that_of_the_repository_with_three_changes() {
        let ours = read("deploy/systemd/nordpass-sentinel.service").expect("a unit");
        let made = unit(&ours).expect("a unit");
        assert!(made.contains("\nExecStart=/usr/bin/nordpass-sentinel run /etc/nordpass-sentinel/pipeline.toml\n"));
        assert!(
            made.contains("\nUser=nordpass-sentinel\n")
                && !made.contains("DynamicUser")
                && !made.contains("/usr/local")
        );
        assert!(made.contains("\nConditionPathExists=/etc/nordpass-sentinel/nordpass-token\n\n[Service]\n"));
        let settings = |text: &str| text.lines().filter(|line| line.contains('=') && !line.starts_with('#')).count();
        assert_eq!(settings(&made), settings(&ours) + 2, "User and Group for DynamicUser, and the condition");
        assert!(unit(&ours.replace("DynamicUser=yes\n", "")).expect_err("refused").contains("isn't there once"));
    }

    #[test]
    fn the_contents_are_what_they_should_be() {
        let line = |text: &str| {
            let (mode, path) = text.split_once(' ').expect("two words");
            format!("{mode} root/root 9 1970-01-01 00:00 {path}\n")
        };
        let whole: String = CONTENTS.iter().map(|text| line(text)).collect();
        let folder = line("drwxr-xr-x ./usr/");
        let page = line("-rw-r--r-- ./usr/share/man/man1/nordpass-sentinel.1.gz");
        assert_eq!(check(&format!("{folder}{whole}{page}")), Ok(()));
        assert!(check(&folder).expect_err("empty").contains("lacks"));
        assert!(check(&format!("{whole}{}", line("-rw-r--r-- ./etc/passwd"))).expect_err("more").contains("shouldn't"));
        assert!(check(&whole.replace("-rwxr-xr-x", "-rwsr-xr-x")).expect_err("set-uid").contains("shouldn't"));
        assert!(check(&whole.replace("root/root", "me/me")).expect_err("an owner").contains("belongs to"));
    }
}

//! `cargo xtask test workflows`: checks `.github/` without the network: zizmor for what an attacker could use, GitHub's own schemas for what
//! it would refuse, and this project's rule for pinned actions.

use std::collections::BTreeMap;
use std::process::Command;

use tools_common::{files, passed, process, read};

use crate::tools;

const FOLDER: &str = ".github/workflows";

/// Runs all checks.
pub fn check() -> Result<(), String> {
    let mut pins = Pins::default();
    let mut workflows = Vec::new();
    for name in files(FOLDER)? {
        let path = format!("{FOLDER}/{name}");
        pins.read(&path, &read(&path)?);
        workflows.push(path);
    }
    passed(&pins.wrong)?;
    let programs = tools::workflow_checks()?;
    let schema = |name: &str, paths: &[String]| {
        let mut check = Command::new(programs.join("check-jsonschema"));
        process::run(check.args(["--builtin-schema", name]).args(paths))
    };
    schema("vendor.github-workflows", &workflows)?;
    schema("vendor.dependabot", &[".github/dependabot.yml".to_owned()])?;
    let mut zizmor = Command::new(programs.join("zizmor"));
    // Its strictest checks, without GitHub's API.
    process::run(zizmor.args(["--offline", "--no-progress", "--quiet", "--persona=auditor", ".github"]))
}

/// Which commit each action is pinned to, over all workflows.
#[derive(Default)]
struct Pins {
    seen: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Pins {
    /// Notes what is wrong with the actions of one workflow, and with its permissions.
    fn read(&mut self, path: &str, text: &str) {
        if !text.lines().any(|line| line == "permissions: {}") {
            self.wrong.push(format!("{path}: `permissions: {{}}` is missing at the top: each job names what it needs"));
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start().trim_start_matches("- ");
            let Some(action) = line.strip_prefix("uses: ").filter(|action| !action.starts_with("./")) else { continue };
            if let Err(message) = self.pin(action) {
                self.wrong.push(format!("{path}:{}: `{action}`: {message}", index + 1));
            }
        }
    }

    /// Checks that an action has a full commit and a version, and both as elsewhere.
    fn pin(&mut self, action: &str) -> Result<(), String> {
        let (name, pin) = action.split_once('@').ok_or("a commit is missing")?;
        let (commit, version) = pin.split_once(" # v").ok_or("the version is missing: `# v1.2.3`")?;
        if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("it has to be pinned by the 40 digits of a commit".to_owned());
        }
        if version.split('.').count() != 3 {
            return Err("the version has to be a full one, such as `# v1.2.3`".to_owned());
        }
        // The parts of one repository, such as `codeql-action/init`, have one commit.
        let repository = name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        match self.seen.insert(repository, pin.to_owned()) {
            Some(other) if other != pin => Err(format!("elsewhere it is pinned to {other}")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pins;

    fn wrong(text: &str) -> Vec<String> {
        let mut pins = Pins::default();
        pins.read("w.yml", text);
        pins.wrong
    }

    #[test]
    fn an_action_is_pinned_by_a_commit_and_named_by_a_version() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let with = |uses: &str| wrong(&format!("permissions: {{}}\njobs:\n  a:\n    steps:\n      - uses: {uses}\n"));
        assert_eq!(with(&format!("actions/checkout@{commit} # v6.0.2")), Vec::<String>::new());
        assert_eq!(with("./.github/workflows/ci.yml"), Vec::<String>::new());
        for (uses, message) in [
            ("actions/checkout@v6", "the version is missing"),
            ("actions/checkout@v6 # v6.0.2", "40 digits"),
            (&format!("actions/checkout@{commit}") as &str, "the version is missing"),
            (&format!("actions/checkout@{commit} # v6"), "a full one"),
            ("actions/checkout", "a commit is missing"),
        ] {
            let found = with(uses);
            assert!(found.len() == 1 && found[0].contains(message) && found[0].starts_with("w.yml:5: "), "{found:?}");
        }
    }

    #[test]
    fn two_pins_of_one_action_and_missing_permissions_are_found() {
        let uses =
            |part: &str, digit: &str| format!("uses: github/codeql-action/{part}@{} # v4.1.0\n", digit.repeat(40));
        let found = wrong(&format!("permissions: {{}}\n{}{}", uses("init", "1"), uses("analyze", "2")));
        assert!(found.len() == 1 && found[0].contains("elsewhere"), "{found:?}");
        assert!(wrong("permissions:\n  contents: read\n")[0].contains("permissions: {}"));
    }
}

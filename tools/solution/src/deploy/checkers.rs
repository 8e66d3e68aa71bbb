//! Runs third-party checkers over `deploy/`: checkov, hadolint, kubernetes-validate.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tools_common::json::{self, items};
use tools_common::{process, root};

use super::findings::{self, Finding};
use super::plain::plain;
use crate::tools;

const DOCKERFILE: &str = "deploy/container/Dockerfile";
const EXPLANATIONS: &str = "deploy/checks/findings.txt";

/// The version of Kubernetes whose schemas the manifests are held against.
const KUBERNETES: &str = "1.33";

/// Runs all of them.
pub fn check(template: &Value) -> Result<(), String> {
    let programs = tools::deploy_checks()?;
    let manifests = manifests()?;
    let mut validate = Command::new(programs.join("kubernetes-validate"));
    process::run(validate.args(["--strict", "--quiet", "-k", KUBERNETES]).args(&manifests))?;
    process::run(Command::new(programs.join("hadolint")).args(["--no-color", DOCKERFILE]))?;

    let folder = root().join("target/tools/deploy/input");
    let (ours, spoilt) = (folder.join("mainTemplate.json"), folder.join("spoilt.json"));
    let template = plain(template);
    tools_common::write(&ours, format!("{template:#}\n"))?;
    tools_common::write(&spoilt, format!("{:#}\n", spoil(&template)))?;
    let mut files = vec![ours.display().to_string(), spoilt.display().to_string(), DOCKERFILE.to_owned()];
    files.extend(manifests);
    let found = checkov(&programs, &files)?;
    // checkov has let everything pass before that it didn't understand. So it always gets one thing to find.
    let (planted, ours): (Vec<_>, Vec<_>) = found.into_iter().partition(|(file, _)| file.ends_with("spoilt.json"));
    if !planted.iter().any(|(_, finding)| finding.0 == "CKV_AZURE_110") {
        return Err("checkov doesn't see a key vault without purge protection, so it sees nothing".to_owned());
    }
    let ours: Vec<Finding> = ours.into_iter().map(|(_, finding)| finding).collect();
    let explanations = tools_common::read(EXPLANATIONS)?;
    let wrong = findings::unexplained(&ours, &explanations).map_err(|error| format!("{EXPLANATIONS}: {error}"))?;
    if wrong.is_empty() {
        println!("checkov: {} findings, all explained", ours.len());
        return Ok(());
    }
    Err(format!("{}\nhint: fix it, or explain it in {EXPLANATIONS}; remove stale explanations", wrong.join("\n")))
}

/// Returns the manifests, without kustomization.yaml, which is no resource of a cluster.
fn manifests() -> Result<Vec<String>, String> {
    let folder = "deploy/kubernetes";
    let entries = fs::read_dir(root().join(folder)).map_err(|error| format!("can't read {folder}: {error}"))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut manifests: Vec<_> = names
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
        .map(|name| format!("{folder}/{name}"))
        .collect();
    manifests.sort();
    Ok(manifests)
}

/// Returns the template with one thing wrong that checkov knows.
fn spoil(template: &Value) -> Value {
    let mut spoilt = template.clone();
    for resource in spoilt["resources"].as_array_mut().into_iter().flatten() {
        if resource["type"] == "Microsoft.KeyVault/vaults" {
            resource["properties"]["enablePurgeProtection"] = Value::Bool(false);
        }
    }
    spoilt
}

/// Returns every failed check with its file. A template's resource is named by its type.
fn checkov(programs: &Path, files: &[String]) -> Result<Vec<(String, Finding)>, String> {
    let mut checkov = Command::new(programs.join("checkov"));
    checkov.args(["--framework", "arm", "kubernetes", "dockerfile", "--skip-download", "--compact", "--quiet"]);
    checkov.args(["--soft-fail", "--output", "json", "--file"]).args(files);
    println!("$ checkov over {} files", files.len());
    let output = checkov.current_dir(root()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("can't run checkov: {error}"))?;
    let reports: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("checkov's answer can't be read: {error}"))?;
    let reports = reports.as_array().ok_or("checkov's answer isn't a report for each framework")?;
    let mut found = Vec::new();
    for report in reports {
        if report["summary"]["parsing_errors"] != 0 {
            return Err("checkov can't read a file".to_owned());
        }
        for check in items(&report["results"]["failed_checks"]) {
            let text = |name: &str| json::text(&check[name]).to_owned();
            let resource = text("resource");
            let on = match resource.rsplit_once(".resource") {
                Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => kind.to_owned(),
                _ => resource,
            };
            found.push((text("file_path"), (text("check_id"), on)));
        }
    }
    if reports.len() == 3 { Ok(found) } else { Err(format!("checkov looked at {} of 3 kinds of files", reports.len())) }
}

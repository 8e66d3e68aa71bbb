//! Runs third-party checkers over `deploy/`: checkov, hadolint, kubernetes-validate.

use std::{path::Path, process::Command};

use serde_json::Value;
use tools_common::json::{items, parse, pretty, text};
use tools_common::{process, root};

use super::findings::{self, Finding};
use super::plain::plain;
use crate::tools;

const DOCKERFILE: &str = "deploy/container/Dockerfile";
const EXPLANATIONS: &str = "deploy/checks/findings.txt";

/// The version of Kubernetes whose schemas the manifests are held against.
const KUBERNETES: &str = "1.33";

/// Runs all of them.
pub fn check(template: &Value, replicas: &Value) -> Result<(), String> {
    let programs = tools::deploy_checks()?;
    let manifests = manifests()?;
    let mut validate = Command::new(programs.join("kubernetes-validate"));
    process::run(validate.args(["--strict", "--quiet", "-k", KUBERNETES]).args(&manifests))?;
    process::run(Command::new(programs.join("hadolint")).args(["--no-color", DOCKERFILE]))?;

    let folder = root().join("target/tools/deploy/input");
    let [ours, spoilt, apps] = ["mainTemplate.json", "spoilt.json", "replicas.json"].map(|name| folder.join(name));
    let template = plain(template);
    tools_common::write(&ours, pretty(&template))?;
    tools_common::write(&spoilt, pretty(&spoil(template)))?;
    tools_common::write(&apps, pretty(&plain(replicas)))?;
    let mut files: Vec<String> = [&ours, &spoilt, &apps].map(|path| path.display().to_string()).into();
    files.push(DOCKERFILE.to_owned());
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

/// What `kubectl --kustomize` merges into another manifest: alone it has no schema.
const PATCH: &str = "replicas/statefulset.yaml";

/// Returns the manifests, without kustomization.yaml, which is no resource of a cluster, and patches.
fn manifests() -> Result<Vec<String>, String> {
    let manifests = tools_common::files("deploy/kubernetes")?.into_iter();
    let is_manifest = |name: &String| name.ends_with(".yaml") && !name.ends_with("kustomization.yaml") && name != PATCH;
    let manifests = manifests.filter(is_manifest);
    Ok(manifests.map(|name| format!("deploy/kubernetes/{name}")).collect())
}

/// Returns the template with one thing wrong that checkov knows.
fn spoil(mut template: Value) -> Value {
    for resource in template["resources"].as_array_mut().into_iter().flatten() {
        if resource["type"] == "Microsoft.KeyVault/vaults" {
            resource["properties"]["enablePurgeProtection"] = Value::Bool(false);
        }
    }
    template
}

/// Returns every failed check with its file. A template's resource is named by its type.
fn checkov(programs: &Path, files: &[String]) -> Result<Vec<(String, Finding)>, String> {
    let mut checkov = Command::new(programs.join("checkov"));
    checkov.args(["--framework", "arm", "kubernetes", "dockerfile", "--skip-download", "--compact", "--quiet"]);
    checkov.args(["--soft-fail", "--output", "json", "--file"]).args(files);
    println!("$ checkov over {} files", files.len());
    let reports: Vec<Value> = parse("checkov's answer", process::output(&mut checkov)?.stdout)?;
    let mut found = Vec::new();
    for report in &reports {
        if report["summary"]["parsing_errors"] != 0 {
            return Err("checkov can't read a file".to_owned());
        }
        for check in items(&report["results"]["failed_checks"]) {
            let text = |name: &str| text(&check[name]).to_owned();
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

//! The pipeline files in `deploy/` against what is beside them: every variable is set by the host, every file that a host
//! names is there.

use std::collections::BTreeSet;

use serde_json::Value;
use tools_common::json::{read as read_json, text};
use tools_common::{files, read, root};

use super::REPLICAS;
use super::rules::access::environment;
use super::template;

const CONTAINER_APP: &str = "Microsoft.App/containerApps";
const FUNCTION_APP: &str = "Microsoft.Web/sites";

/// Checks that the pipeline files fit their hosts. Returns what is wrong.
pub fn check(template: &Value) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    let function = of_template(template, FUNCTION_APP);
    for path in files("deploy")?.iter().filter(|path| path.ends_with(".toml")) {
        let set = match path.split('/').next().unwrap_or_default() {
            "container" if path.ends_with("/organizations.toml") => of_template(&read_json(REPLICAS)?, CONTAINER_APP),
            // One set of files for both hosts in Azure.
            "container" => of_template(template, CONTAINER_APP).intersection(&function).cloned().collect(),
            "functions" => function.clone(),
            "compose" => words(&read("deploy/compose/compose.yaml")?, ':'),
            "kubernetes" => {
                let mut set = words(&read("deploy/kubernetes/settings.env")?, '=');
                set.extend(entries(&read("deploy/kubernetes/statefulset.yaml")?));
                if path.contains("/replicas/") {
                    set.extend(words(&read("deploy/kubernetes/replicas/settings.env")?, '='));
                    set.extend(entries(&read("deploy/kubernetes/replicas/statefulset.yaml")?));
                }
                set
            }
            "systemd" => {
                let mut set = words(&read("deploy/systemd/environment.example")?, '=');
                // Those that the unit's LoadCredential= and StateDirectory= set.
                set.extend(["CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"].map(str::to_owned));
                let unit = read("deploy/systemd/nordpass-sentinel.service")?.replace("Environment=", "");
                set.extend(words(&unit, '='));
                set
            }
            _ => return Err(format!("deploy/{path}: it is unknown what sets its variables")),
        };
        let used = variables(&read(format!("deploy/{path}"))?);
        wrong.extend(used.difference(&set).map(|variable| format!("deploy/{path}: nothing sets {variable}")));
    }
    wrong.extend(named_files(template));
    let there = |name: &str| root().join("deploy/container").join(name).is_file();
    let replicas: Value = read_json(REPLICAS)?;
    let args = template::strings(&replicas["resources"][0]["properties"]["template"]["containers"]);
    let files = args.iter().filter_map(|(_, arg)| arg.strip_prefix("/etc/nordpass-sentinel/"));
    wrong.extend(files.filter(|name| !there(name)).map(|name| format!("{REPLICAS}: {name} isn't in deploy/container")));
    for path in ["deploy/functions/host.json", "deploy/functions/nordpass-sentinel/function.json"] {
        // The host puts app settings in the place of their names.
        let text = read(path)?;
        let names = text.split('%').skip(1).step_by(2);
        let names = names.filter(|name| is_variable(name) && !name.starts_with("FUNCTIONS_"));
        let unset = names.filter(|name| !function.contains(*name));
        wrong.extend(unset.map(|name| format!("{path}: nothing sets {name}")));
    }
    Ok(wrong)
}

/// Checks that the pipeline files exist that the template names.
fn named_files(template: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (list, folder) in [("pipelineFiles", "/etc/nordpass-sentinel/"), ("functionFiles", "")] {
        let texts = template::strings(&template["variables"][list]);
        let names = texts.iter().flat_map(|(_, names)| names.split(',')).filter(|name| name.ends_with(".toml"));
        let names: Vec<_> = names.collect();
        let there = |name: &str| root().join("deploy/container").join(name).is_file();
        let missing = names.iter().filter(|name| !name.strip_prefix(folder).is_some_and(there));
        wrong.extend(missing.map(|name| format!("the template's {list}: {name} isn't in deploy/container")));
        if names.is_empty() {
            wrong.push(format!("the template's {list} name no file"));
        }
    }
    wrong
}

/// Returns the names that a host of the template sets.
fn of_template(json: &Value, kind: &str) -> BTreeSet<String> {
    let scopes = template::scopes(json, "template", &mut Vec::new());
    let resources = scopes.iter().flat_map(|scope| &scope.resources).filter(|resource| resource.kind == kind);
    resources.filter_map(environment).flatten().map(|entry| text(&entry["name"]).to_owned()).collect()
}

/// Returns the names at the beginnings of lines such as `NAME=value` or `NAME: value`.
fn words(text: &str, mark: char) -> BTreeSet<String> {
    let name = |line: &str| line.trim().split_once(mark).map(|(name, _)| name.to_owned());
    text.lines().filter_map(name).filter(|name| is_variable(name)).collect()
}

/// Returns the variables that a container's `env` sets, in lines such as `- name: NAME`.
fn entries(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- name: ").map(str::to_owned));
    names.filter(|name| is_variable(name)).collect()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Returns the variables of a pipeline file that have no default.
fn variables(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let pieces = lines.flat_map(|line| line.split("${").skip(1));
    let names = pieces.filter_map(|piece| piece.split_once('}').map(|(name, _)| name.to_owned()));
    names.filter(|name| is_variable(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        tools_common::json::read("deploy/azure/mainTemplate.json").expect("the template")
    }

    #[test]
    fn every_variable_is_set_by_its_host() {
        assert_eq!(check(&template()), Ok(Vec::new()));
    }

    #[test]
    fn one_that_is_not_set_is_told() {
        let spoilt = template().to_string().replace("\"BLOB_URL\"", "\"BLOB\"").replace("/asim.toml", "/other.toml");
        let wrong = check(&serde_json::from_str(&spoilt).expect("JSON")).expect("readable");
        assert!(wrong.contains(&"deploy/container/checkpoint.toml: nothing sets BLOB_URL".to_owned()), "{wrong:?}");
        assert!(wrong.iter().any(|words| words.contains("other.toml isn't in deploy/container")), "{wrong:?}");
    }

    #[test]
    fn variables_with_a_default_and_those_in_comments_are_left_out() {
        let text = "a = \"${ONE}/${TWO:-x}\"\n# ${THREE}\nb = \"${file:${FOUR}/x}\"\n";
        assert_eq!(variables(text).into_iter().collect::<Vec<_>>(), ["FOUR", "ONE"]);
        assert_eq!(entries("- name: ONE\n  - name: two\n").into_iter().collect::<Vec<_>>(), ["ONE"]);
        assert_eq!(words("  ONE: x\nimage: ONE\n# TWO: y\n", ':').into_iter().collect::<Vec<_>>(), ["ONE"]);
    }
}

//! The pipeline files in `deploy/` against what is beside them: every variable is set by the host, every file that a host
//! names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::rules::access::environment;
use super::template;

const CONTAINER_APP: &str = "Microsoft.App/containerApps";
const FUNCTION_APP: &str = "Microsoft.Web/sites";

/// Checks that the pipeline files fit their hosts. Returns what is wrong; `root` is the repository.
pub fn check(root: &Path, template: &Value) -> Result<Vec<String>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("can't read {path}: {error}"));
    let mut wrong = Vec::new();
    let folder = root.join("deploy");
    let entries = fs::read_dir(&folder).map_err(|error| format!("can't read {}: {error}", folder.display()))?;
    for host in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let name = host.file_name().to_string_lossy().into_owned();
        for file in fs::read_dir(host.path()).map_err(|error| error.to_string())?.flatten() {
            let path = file.path();
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let shown = format!("deploy/{name}/{}", file.file_name().to_string_lossy());
            let set = match name.as_str() {
                // One set of files for both hosts in Azure.
                "container" => {
                    let (app, function) = (of_template(template, CONTAINER_APP), of_template(template, FUNCTION_APP));
                    app.intersection(&function).cloned().collect()
                }
                "functions" => of_template(template, FUNCTION_APP),
                "compose" => words(&read("deploy/compose/compose.yaml")?, ':'),
                "kubernetes" => words(&read("deploy/kubernetes/settings.env")?, '='),
                "systemd" => {
                    let mut set = words(&read("deploy/systemd/environment.example")?, '=');
                    // Those that the unit's LoadCredential= and StateDirectory= set.
                    set.extend(["CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"].map(str::to_owned));
                    set
                }
                _ => return Err(format!("{shown}: it is unknown what sets the variables in deploy/{name}")),
            };
            for variable in variables(&read(&shown)?).difference(&set) {
                wrong.push(format!("{shown}: nothing sets {variable}"));
            }
        }
    }
    wrong.extend(named_files(root, template));
    for file in ["host.json", "nordpass-sentinel/function.json"].map(|name| root.join("deploy/functions").join(name)) {
        // The host puts app settings in the place of their names.
        let text = fs::read_to_string(&file).unwrap_or_default();
        let set = of_template(template, FUNCTION_APP);
        let names =
            text.split('%').skip(1).step_by(2).filter(|name| is_variable(name) && !name.starts_with("FUNCTIONS_"));
        wrong.extend(
            names.filter(|name| !set.contains(*name)).map(|name| format!("{}: nothing sets {name}", file.display())),
        );
    }
    Ok(wrong)
}

/// Checks that the pipeline files exist that the template names.
fn named_files(root: &Path, template: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (list, folder) in [("pipelineFiles", "/etc/nordpass-sentinel/"), ("functionFiles", "")] {
        let mut number = 0;
        template::strings(&template["variables"][list], "", &mut |_, names| {
            for name in names.split(',').filter(|name| name.ends_with(".toml")) {
                number += 1;
                let there = name.strip_prefix(folder).map(|name| root.join("deploy/container").join(name));
                if !there.is_some_and(|file| file.is_file()) {
                    wrong.push(format!("the template's {list}: {name} isn't in deploy/container"));
                }
            }
        });
        if number == 0 {
            wrong.push(format!("the template's {list} name no file"));
        }
    }
    wrong
}

/// Returns the names that a host of the template sets.
fn of_template(json: &Value, kind: &str) -> BTreeSet<String> {
    let scopes = template::scopes(json, "template", &mut Vec::new());
    let resources = scopes.iter().flat_map(|scope| &scope.resources).filter(|resource| resource.kind == kind);
    let entries = resources.filter_map(environment).flatten();
    entries.filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect()
}

/// Returns the names at the beginnings of lines such as `NAME=value` or `NAME: value`.
fn words(text: &str, mark: char) -> BTreeSet<String> {
    let name = |line: &str| line.trim().split_once(mark).map(|(name, _)| name.to_owned());
    text.lines().filter_map(name).filter(|name| is_variable(name)).collect()
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
        tools_common::read_json("deploy/azure/mainTemplate.json").expect("the template")
    }

    #[test]
    fn every_variable_is_set_by_its_host() {
        assert_eq!(check(&tools_common::root(), &template()), Ok(Vec::new()));
    }

    #[test]
    fn one_that_is_not_set_is_told() {
        let spoilt = template().to_string().replace("\"BLOB_URL\"", "\"BLOB\"").replace("/asim.toml", "/other.toml");
        let wrong = check(&tools_common::root(), &serde_json::from_str(&spoilt).expect("JSON")).expect("readable");
        assert!(wrong.contains(&"deploy/container/checkpoint.toml: nothing sets BLOB_URL".to_owned()), "{wrong:?}");
        assert!(wrong.iter().any(|words| words.contains("other.toml isn't in deploy/container")), "{wrong:?}");
    }

    #[test]
    fn variables_with_a_default_and_those_in_comments_are_left_out() {
        let text = "a = \"${ONE}/${TWO:-x}\"\n# ${THREE}\nb = \"${file:${FOUR}/x}\"\n";
        assert_eq!(variables(text).into_iter().collect::<Vec<_>>(), ["FOUR", "ONE"]);
        assert_eq!(words("  ONE: x\nimage: ONE\n# TWO: y\n", ':').into_iter().collect::<Vec<_>>(), ["ONE"]);
    }
}

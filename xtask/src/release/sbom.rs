//! The list of dependencies: as an SBOM beside the program (`CycloneDX`), and embedded in the program.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use flate2::read::ZlibDecoder;
use object::{Object as _, ObjectSection as _};
use serde_json::Value;
use tools_common::json::{items, parse, text};
use tools_common::{failed, process};

use crate::package::binary::FEATURES;
use crate::tools;

/// The version of `CycloneDX` that is written, and that `validate` names.
const SPECIFICATION: &str = "1.5";

/// The section that cargo-auditable adds.
const EMBEDDED: &str = ".dep-v0";

/// Packages that the program can't do without: a list that lacks them lists something else.
const WANTED: [&str; 3] = ["nordpass-env", "rustls", "tokio"];

/// Writes the SBOM of the deployed program's and the simulators' dependencies for one target.
pub fn write(root: &Path, target: &str) -> Result<Vec<u8>, String> {
    // cargo-cyclonedx writes beside each manifest: only into a copy.
    let copy = root.join("target/sbom");
    copy_sources(root, &copy)?;
    let mut cyclonedx = Command::new(tools::cargo_cyclonedx()?);
    cyclonedx.args(["cyclonedx", "--format", "json", "--spec-version", SPECIFICATION, "--target", target]);
    cyclonedx.args(["--features", FEATURES]);
    cyclonedx.args(["--override-filename", "sbom", "--no-build-deps", "--quiet", "--manifest-path"]);
    // With it, there is no random serial number, and the time is this one.
    process::run(cyclonedx.arg(copy.join("Cargo.toml")).env("SOURCE_DATE_EPOCH", commit_time()))?;
    let bytes = without_folder(&tools_common::read(copy.join("sbom.json"))?, &copy)?.into_bytes();
    let sbom: Value = parse("the SBOM", &bytes)?;
    let names = || items(&sbom["components"]).map(|component| text(&component["name"]));
    wanted("the SBOM", names)?;
    // What only tests use isn't in the program.
    if let Some(name) = names().find(|name| ["criterion", "proptest", "insta"].contains(name)) {
        return Err(format!("the SBOM lists {name}, which the program doesn't have"));
    }
    Ok(bytes)
}

/// Returns when the sources were committed, in seconds, or 0 where git doesn't know.
fn commit_time() -> String {
    let time = process::output(Command::new("git").args(["log", "-1", "--format=%ct"]));
    let time = time.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) { "0".to_owned() } else { time }
}

/// Returns the SBOM with `/source` in the place of this machine's folder, which names the project's own packages.
fn without_folder(sbom: &str, folder: &Path) -> Result<String, String> {
    let folder = folder.display().to_string();
    let text = sbom.replace(&format!("path+file://{folder}"), "path+file:///source");
    if text.contains(&folder) { Err(format!("the SBOM holds the path {folder}")) } else { Ok(text) }
}

/// Checks an SBOM with `CycloneDX`'s own library, which holds it against the schema.
pub fn validate(path: &Path) -> Result<(), String> {
    let python = tools::sbom_python()?;
    let script = "import sys\n\
        from cyclonedx.schema import SchemaVersion\n\
        from cyclonedx.validation.json import JsonStrictValidator\n\
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
        sys.exit(None if error is None else str(error)[:2000])";
    let check = |path: &Path| {
        let mut command = Command::new(&python);
        process::output(command.args(["-c", script]).arg(path))
    };
    check(path)?;
    // A validator that lets everything pass would let this pass.
    let spoilt = path.with_extension("spoilt");
    let text = tools_common::read(path)?;
    tools_common::write(&spoilt, text.replacen("\"components\"", "\"parts\"", 1))?;
    let passed = check(&spoilt).is_ok();
    fs::remove_file(&spoilt).map_err(failed("remove", &spoilt))?;
    if passed { Err("the validator lets an SBOM pass that has no `components`".to_owned()) } else { Ok(()) }
}

/// Checks that a program holds the list of its dependencies.
pub fn check_embedded(program: &[u8]) -> Result<(), String> {
    let odd = |error: &dyn std::fmt::Display| format!("the embedded list of dependencies can't be read: {error}");
    let file = object::File::parse(program).map_err(|error| odd(&error))?;
    let section = file.section_by_name(EMBEDDED).ok_or("the program holds no list of its dependencies")?;
    let mut json = Vec::new();
    ZlibDecoder::new(section.data().map_err(|error| odd(&error))?)
        .read_to_end(&mut json)
        .map_err(|error| odd(&error))?;
    let list: Value = parse("the embedded list of dependencies", json)?;
    wanted("the embedded list of dependencies", || items(&list["packages"]).map(|package| text(&package["name"])))
}

fn wanted<'a, I: Iterator<Item = &'a str>>(list: &str, names: impl Fn() -> I) -> Result<(), String> {
    match WANTED.iter().find(|wanted| !names().any(|name| name == **wanted)) {
        None => Ok(()),
        Some(missing) => Err(format!("{list} lacks {missing}")),
    }
}

/// Copies the sources into an empty folder.
pub fn copy_sources(from: &Path, to: &Path) -> Result<(), String> {
    tools_common::empty(to)?;
    // In a worktree of git, `.git` is a file.
    for path in tools_common::files(from)?.into_iter().filter(|path| path != ".git") {
        let (from, to) = (from.join(&path), to.join(&path));
        let copy = || -> io::Result<()> {
            fs::create_dir_all(to.parent().unwrap_or(&to))?;
            fs::copy(&from, &to).map(drop)
        };
        copy().map_err(failed("copy", &from))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_list_is_refused() {
        let own = fs::read(std::env::current_exe().expect("a path")).expect("a program");
        assert!(check_embedded(&own).expect_err("this test has none").contains("no list"));
        assert!(check_embedded(b"\x7fELF").expect_err("no program").contains("can't be read"));
    }

    #[test]
    fn the_sbom_names_no_folder_of_this_machine() {
        let folder = Path::new("/home/me/target/sbom");
        let text = |path: &str| format!("{{\"bom-ref\":\"path+file://{path}/crates/env#nordpass-env@0.1.0\"}}");
        assert_eq!(without_folder(&text("/home/me/target/sbom"), folder).expect("replaced"), text("/source"));
        assert!(
            without_folder("{\"purl\":\"/home/me/target/sbom\"}", folder)
                .expect_err("elsewhere")
                .contains("holds the path")
        );
    }

    #[test]
    fn the_sources_are_copied_without_what_was_built() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        for path in ["a/b.txt", "target/c.txt", ".git/d", ".github/e.yml"] {
            tools_common::write(from.path().join(path), path).expect("written");
        }
        copy_sources(from.path(), to.path()).expect("copied");
        assert_eq!(tools_common::files(to.path()).expect("files"), [".github/e.yml", "a/b.txt"]);
    }
}

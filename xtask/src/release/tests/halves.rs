use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tools_common::{json, read, root, write};

use super::super::facts::Facts;
use super::super::published::{Release, Sums};
use super::super::{check, formula, prepare, published};

const REPOSITORY: &str = "https://git.example.com/team/nordpass-sentinel";

/// Returns a folder with the repository's files that a release changes; `Cargo.toml` knows where the repository is.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [
        "Cargo.lock",
        "Cargo.toml",
        "crates/env/Cargo.toml",
        "crates/simulator/Cargo.toml",
        "deploy/azure/createUiDefinition.json",
        "deploy/azure/mainTemplate.json",
        "deploy/kubernetes/kustomization.yaml",
    ] {
        write(folder.path().join(path), read(path).expect("a file")).expect("written");
    }
    let manifest = read("Cargo.toml").expect("a manifest");
    let lines = manifest.lines().filter(|line| !line.starts_with("repository = "));
    let with = |line: &str| match line {
        "name = \"nordpass-sentinel\"" => format!("repository = \"{REPOSITORY}\"\n{line}\n"),
        line => format!("{line}\n"),
    };
    write(folder.path().join("Cargo.toml"), lines.map(with).collect::<String>()).expect("written");
    write(folder.path().join("CHANGELOG.md"), "# Changelog\n\n## Unreleased\n\n- News.\n").expect("written");
    folder
}

fn prepared(folder: &Path) {
    prepare::files(folder, &"77.0.0".parse().expect("a version"), "2026-12-01").expect("prepared");
}

fn sums(files: &[&str]) -> String {
    let line = |(index, name): (usize, &&str)| format!("{:064x}  {name}\n", index + 1);
    files.iter().enumerate().map(line).collect::<Vec<_>>().concat()
}

#[test]
fn the_first_half_writes_every_version_and_the_tag_fits() {
    let folder = repository();
    let before = check::tag(folder.path(), "v77.0.0", REPOSITORY).expect_err("not yet");
    assert!(before.contains("the tag is v77.0.0") && before.contains("no heading"), "{before}");
    prepared(folder.path());
    check::tag(folder.path(), "v77.0.0", REPOSITORY).expect("it fits");
    for (tag, repository) in
        [("77.0.0", REPOSITORY), ("v77.0.1", REPOSITORY), ("v77.0.0", "https://git.example.com/fork")]
    {
        check::tag(folder.path(), tag, repository).expect_err("it doesn't fit");
    }
    // Nothing but the versions has changed.
    let lock = read(folder.path().join("Cargo.lock")).expect("a lock file");
    assert_eq!(lock.matches("version = \"77.0.0\"").count(), 3);
    let ours = Facts::rehearsal(&root()).expect("facts").version.to_string();
    assert_eq!(lock.replace("\"77.0.0\"", &format!("\"{ours}\"")), read("Cargo.lock").expect("a lock file"));
}

#[test]
fn a_half_that_fails_changes_nothing() {
    let folder = repository();
    let manifest = read(folder.path().join("Cargo.toml")).expect("a manifest");
    let error = |version: &str| {
        prepare::files(folder.path(), &version.parse().expect("a version"), "2026-12-01").expect_err("refused")
    };
    assert!(error("0.0.1").contains("comes before"));
    write(folder.path().join("CHANGELOG.md"), "# Changelog\n\n## Unreleased\n").expect("written");
    assert!(error("77.0.0").contains("nothing stands"));
    write(folder.path().join("Cargo.toml"), manifest.replace("repository = ", "# ")).expect("written");
    assert!(error("77.0.0").contains("hint: add `repository"));
    assert_eq!(read(folder.path().join("Cargo.toml")).expect("a manifest"), manifest.replace("repository = ", "# "));
}

#[test]
fn the_second_half_writes_the_defaults_and_nothing_else() {
    let folder = repository();
    prepared(folder.path());
    let facts = Facts::read(folder.path()).expect("facts");
    let archive = "nordpass-sentinel-77.0.0-x86_64-unknown-linux-gnu.tar.gz";
    let sums = || Sums::parse(&sums(&["nordpass-sentinel-77.0.0-function.zip", archive])).expect("sums");
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = format!("ghcr.io/team/nordpass-sentinel@{digest}");
    let texts = Release::new(&facts, sums(), &image).expect("a release").texts(folder.path()).expect("texts");
    let [(_, template), (_, form), (_, kustomization), (_, formula)] = texts.as_slice() else { panic!("four files") };

    let mut should: Value = json::read("deploy/azure/mainTemplate.json").expect("a template");
    let uri = format!("{REPOSITORY}/releases/download/v77.0.0/nordpass-sentinel-77.0.0-function.zip");
    for (name, value) in [
        ("imageRepository", "ghcr.io/team/nordpass-sentinel"),
        ("imageDigest", digest.as_str()),
        ("packageUri", &uri),
        ("packageSha256", &format!("{:064x}", 1)),
    ] {
        should["parameters"][name]["defaultValue"] = value.into();
    }
    assert_eq!(json::parse::<Value>("template", template).expect("JSON"), should);

    let found: Value = json::parse("form", form).expect("JSON");
    let mut should: Value = json::read("deploy/azure/createUiDefinition.json").expect("a form");
    let mut written = 0;
    for step in should["parameters"]["steps"].as_array_mut().expect("steps") {
        for element in step["elements"].as_array_mut().into_iter().flatten() {
            let value = match json::text(&element["name"]) {
                "imageRepository" => "ghcr.io/team/nordpass-sentinel",
                "imageDigest" => &digest,
                _ => continue,
            };
            element["defaultValue"] = value.into();
            written += 1;
        }
    }
    assert_eq!((found, written), (should, 2));
    assert!(kustomization.contains("    newName: ghcr.io/team/nordpass-sentinel\n"));
    assert!(kustomization.contains(&format!("    digest: {digest}\n")));
    assert!(
        formula.contains(&format!(
            "url \"{REPOSITORY}/releases/download/v77.0.0/{archive}\"\n      sha256 \"{:064x}\"",
            2
        ))
    );
    assert!(!formula.contains('@') && !formula.contains("on_macos"), "{formula}");

    // The next release finds the places again.
    for (path, text) in &texts {
        write(folder.path().join(path), text).expect("written");
    }
    let again = Release::new(&facts, sums(), &image).expect("a release").texts(folder.path()).expect("texts");
    assert_eq!(again, texts);
}

#[test]
fn a_formula_names_the_systems_that_a_release_has() {
    let folder = repository();
    let facts = Facts::read(folder.path()).expect("facts");
    let all = formula::formula(&facts, |name| Some(format!("sum of {name}"))).expect("a formula");
    for part in
        ["on_macos do\n    on_arm do", "on_linux do\n    on_arm do", "aarch64-apple-darwin", "x86_64-unknown-linux-gnu"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(formula::formula(&facts, |_| None).is_err());
}

#[test]
fn what_was_not_published_is_refused() {
    let folder = repository();
    prepared(folder.path());
    let facts = Facts::read(folder.path()).expect("facts");
    let function = sums(&["nordpass-sentinel-77.0.0-function.zip"]);
    for (text, image) in [
        (function.as_str(), "ghcr.io/team/nordpass-sentinel:77.0.0"),
        (&function, "ghcr.io/team/nordpass-sentinel@sha256:abc"),
        (&function, &format!("ghcr.io/team/\"@sha256:{}", "0".repeat(64))),
        ("", &format!("ghcr.io/team/nordpass-sentinel@sha256:{}", "0".repeat(64))),
    ] {
        assert!(Release::new(&facts, Sums::parse(text).expect("sums"), image).is_err(), "{image}");
    }
    assert!(Sums::parse("abc  file\n").is_err() && Sums::parse(&function.replace("  ", " ")).is_err());

    let downloads = tempfile::tempdir().expect("a folder");
    write(downloads.path().join("SHA256SUMS"), format!("{function}{:064x}  IMAGE\n", 7)).expect("written");
    write(downloads.path().join("IMAGE"), format!("ghcr.io/team/n@sha256:{}\n", "0".repeat(64))).expect("written");
    let version = "77.0.0".parse().expect("a version");
    let error = published::run(folder.path(), &version, downloads.path()).expect_err("refused");
    assert!(error.contains("IMAGE isn't the file"), "{error}");
}

#[test]
fn binstall_asks_for_the_archives_by_the_names_that_they_get() {
    let manifest: toml::Table = read("Cargo.toml").expect("a manifest").parse().expect("TOML");
    let facts = Facts::rehearsal(&root()).expect("facts");
    let target = "x86_64-unknown-linux-gnu";
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let expand = |key: &str| {
        let values = [
            ("{ repo }", facts.repository.clone()),
            ("{ version }", facts.version.to_string()),
            ("{ name }", "nordpass-sentinel".to_owned()),
            ("{ target }", target.to_owned()),
            ("{ bin }{ binary-ext }", "nordpass-sentinel".to_owned()),
        ];
        let text = binstall[key].as_str().expect("a text").to_owned();
        values.iter().fold(text, |text, (place, value)| text.replace(place, value))
    };
    assert_eq!(expand("pkg-url"), format!("{}/{}", facts.downloads(), facts.name(&format!("{target}.tar.gz"))));
    assert_eq!(expand("bin-dir"), format!("{}/nordpass-sentinel", facts.name(target)));
}

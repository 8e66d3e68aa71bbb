use super::*;

const HOST: &str = r#"{"customHandler":{"description":{"defaultExecutablePath":"handler"}}}"#;

/// Returns a repository with just what is packaged. `reverse` writes the files in another order, at other times.
fn repository(reverse: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = [
        ("deploy/functions/host.json", HOST),
        ("deploy/functions/nordpass-sentinel/function.json", "{}"),
        ("deploy/functions/pipeline.toml", "data_dir = \"x\"\n"),
        ("deploy/container/Dockerfile", "FROM scratch\n"),
        ("deploy/container/asim.toml", "[transforms.asim]\n"),
    ];
    if reverse {
        files.reverse();
    }
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        if reverse {
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(400_000);
            fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("set");
        }
    }
    folder
}

fn programs(bytes: &[u8]) -> Programs {
    Programs { whole: bytes.to_vec(), deployed: [bytes, b" without simulators"].concat() }
}

#[test]
fn two_runs_make_the_same_bytes() {
    let (one, other) = (repository(false), repository(true));
    let first = artefacts(one.path(), &programs(b"\x7fELF a stand-in")).expect("packaged");
    assert_eq!(first, artefacts(other.path(), &programs(b"\x7fELF a stand-in")).expect("packaged"));
    assert_ne!(sums(&first), sums(&artefacts(one.path(), &programs(b"\x7fELF another")).expect("packaged")));
    let names: Vec<_> = first.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["function.zip", "image.tar.gz", "nordpass-sentinel"]);
}

#[test]
fn the_archives_hold_the_folders_and_the_program() {
    let folder = repository(false);
    let function = function(folder.path(), b"binary").expect("packaged");
    let paths: Vec<_> = function.keys().map(String::as_str).collect();
    assert_eq!(paths, ["asim.toml", "handler", "host.json", "nordpass-sentinel/function.json", "pipeline.toml"]);
    assert_eq!(function["handler"], Entry::Program(b"binary".to_vec()));
    let image = image(folder.path(), b"binary").expect("packaged");
    let paths: Vec<_> = image.keys().map(String::as_str).collect();
    assert_eq!(paths, ["Dockerfile", "asim.toml", "data", "nordpass-sentinel"]);
    assert_eq!(image["data"], Entry::Folder);
}

#[test]
fn what_is_missing_or_in_the_way_is_said() {
    let folder = repository(false);
    let host = folder.path().join("deploy/functions/host.json");
    let error = |text: &str| {
        fs::write(&host, text).expect("written");
        function(folder.path(), b"").expect_err("refused")
    };
    assert!(error("{").contains("isn't JSON"));
    assert!(error("{}").contains("defaultExecutablePath"));
    assert!(error(&HOST.replace("handler\"", "nordpass-sentinel\"")).contains("of another entry"));
    fs::remove_file(&host).expect("removed");
    assert!(function(folder.path(), b"").expect_err("refused").contains("host.json is missing"));
    fs::remove_file(folder.path().join("deploy/container/Dockerfile")).expect("removed");
    assert!(image(folder.path(), b"").expect_err("refused").contains("Dockerfile is missing"));
}

#[test]
fn sums_are_those_of_sha256sum() {
    let text = sums(&[("empty", Vec::new()), ("abc", b"abc".to_vec())]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty");
    assert_eq!(lines[1], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc");
}

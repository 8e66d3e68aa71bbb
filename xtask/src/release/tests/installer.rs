//! `deploy/install.sh`, run by `sh` against a server on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::{fs, thread};

use tempfile::TempDir;
use tools_common::archive::{self, Entries, Entry};
use tools_common::{read, root, write};

use super::super::facts::Facts;
use super::super::files::installer;
use crate::package::sums;

/// What the script needs besides a downloader.
const TOOLS: [&str; 12] =
    ["chmod", "cp", "cut", "gzip", "mkdir", "mktemp", "mv", "rm", "sh", "sha256sum", "tar", "uname"];

/// A computer with a release to install: its tools, and a server.
struct Machine {
    folder: TempDir,
    downloads: String,
}

impl Machine {
    /// Serves the release's files; `change` spoils them.
    fn new(change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = Facts::rehearsal(&root()).expect("facts").name("x86_64-unknown-linux-gnu");
        let program = Entry::Program(b"#!/bin/sh\necho nordpass-sentinel as installed\n".to_vec());
        let entries = Entries::from([(format!("{name}/nordpass-sentinel"), program)]);
        let archive = vec![(format!("{name}.tar.gz"), archive::tar_gz(&entries).expect("an archive"))];
        let mut files = BTreeMap::from([("SHA256SUMS".to_owned(), sums(&archive).into_bytes())]);
        files.extend(archive);
        change(&mut files);
        let machine = Self { downloads: serve(files), folder };
        for tool in TOOLS.iter().chain(&["curl"]) {
            machine.add(tool);
        }
        machine.replace("uname", "[ \"$1\" = -s ] && echo Linux || echo x86_64");
        machine
    }

    fn tools(&self) -> PathBuf {
        self.folder.path().join("tools")
    }

    /// Adds one of this machine's tools.
    fn add(&self, tool: &str) {
        fs::create_dir_all(self.tools()).expect("a folder");
        let path = std::env::var_os("PATH").expect("a path");
        let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.exists());
        let found = found.unwrap_or_else(|| panic!("{tool} is missing here"));
        symlink(found, self.tools().join(tool)).expect("linked");
    }

    fn remove(&self, tool: &str) {
        fs::remove_file(self.tools().join(tool)).expect("removed");
    }

    /// Replaces a tool by a script.
    fn replace(&self, tool: &str, script: &str) {
        self.remove(tool);
        let path = self.tools().join(tool);
        write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    }

    fn install(&self, arguments: &[&str]) -> Output {
        self.install_from(&self.downloads, arguments)
    }

    fn install_from(&self, downloads: &str, arguments: &[&str]) -> Output {
        let script = self.folder.path().join("install.sh");
        let facts = Facts::rehearsal(&root()).expect("facts");
        write(&script, installer(&root(), &facts).expect("an installer")).expect("written");
        let mut sh = Command::new(self.tools().join("sh"));
        sh.arg(script).args(arguments).env_clear().env("PATH", self.tools()).env("HOME", self.folder.path());
        sh.env("TMPDIR", self.folder.path()).env("NORDPASS_SENTINEL_DOWNLOADS", downloads).output().expect("it runs")
    }

    /// Installs, expects an error, and returns it. Nothing may be left.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.install(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("hint: "), "{error}");
        let mut left: Vec<_> =
            fs::read_dir(self.folder.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, ["install.sh", "tools"]);
        error
    }
}

/// Serves files on this machine, each request on a connection of its own, as long as the test runs.
fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let files = Arc::new(files);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
            let first = request.next().unwrap_or_default();
            let _ = request.by_ref().find(String::is_empty);
            let name = first.split(' ').nth(1).and_then(|path| path.strip_prefix("/files/")).unwrap_or_default();
            let (status, body) = match files.get(name) {
                Some(bytes) => ("200 OK", bytes.as_slice()),
                None => ("404 Not Found", b"".as_slice()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    format!("http://{address}/files")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn installs_the_program_with_curl_or_wget() {
    for downloader in ["curl", "wget"] {
        let machine = Machine::new(|_| ());
        if downloader == "wget" {
            machine.remove("curl");
            machine.add("wget");
        }
        let output = machine.install(&[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("nordpass-sentinel as installed\n") && text.contains("hint: add "), "{text}");
        let program = machine.folder.path().join(".local/bin/nordpass-sentinel");
        assert_eq!(mode(&program), 0o755);
        // Once more, over the old one, and somewhere else.
        assert!(machine.install(&[]).status.success());
        let other = machine.folder.path().join("other place");
        assert!(machine.install(&["--to", &other.display().to_string()]).status.success());
        assert_eq!(mode(&other.join("nordpass-sentinel")), 0o755);
        let left = fs::read_dir(machine.folder.path()).expect("a folder").flatten().map(|entry| entry.file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, [".local", "install.sh", "other place", "tools"]);
    }
}

#[test]
fn a_wrong_sum_installs_nothing() {
    let machine = Machine::new(|files| {
        files.iter_mut().filter(|(name, _)| name.ends_with(".tar.gz")).for_each(|(_, bytes)| bytes.push(0));
    });
    let error = machine.fails(&[]);
    assert!(error.contains("has the SHA-256") && error.contains("don't use that file"), "{error}");
}

#[test]
fn what_the_release_lacks_is_said() {
    let machine = Machine::new(|files| {
        files.insert("SHA256SUMS".to_owned(), format!("{}  another.tar.gz\n", "0".repeat(64)).into_bytes());
    });
    assert!(machine.fails(&[]).contains("the release has no nordpass-sentinel-"));
    let machine = Machine::new(|files| files.retain(|name, _| name == "SHA256SUMS"));
    assert!(machine.fails(&[]).contains("can't download"));
    let machine = Machine::new(BTreeMap::clear);
    assert!(machine.fails(&[]).contains("can't download"));
}

#[test]
fn an_unknown_machine_is_refused() {
    let machine = Machine::new(|_| ());
    machine.replace("uname", "[ \"$1\" = -s ] && echo Linux || echo riscv64");
    assert!(machine.fails(&[]).contains("there is no program for the processor riscv64"));
    machine.replace("uname", "[ \"$1\" = -s ] && echo MINGW64_NT-10.0 || echo x86_64");
    assert!(machine.fails(&[]).contains("there is no installer for MINGW64_NT-10.0"));
    // A processor that a release may have, and this one hasn't.
    machine.replace("uname", "[ \"$1\" = -s ] && echo Linux || echo arm64");
    assert!(machine.fails(&[]).contains("-aarch64-unknown-linux-gnu.tar.gz"));
}

#[test]
fn a_missing_tool_is_named() {
    for (tool, error) in [
        ("curl", "neither curl nor wget is installed"),
        ("sha256sum", "neither sha256sum nor shasum is installed"),
        ("tar", "tar is not installed"),
        ("mktemp", "mktemp is not installed"),
    ] {
        let machine = Machine::new(|_| ());
        machine.remove(tool);
        assert!(machine.fails(&[]).contains(error), "{tool}");
    }
}

#[test]
fn arguments_and_addresses_are_checked() {
    let machine = Machine::new(|_| ());
    assert!(machine.fails(&["--to"]).contains("unknown arguments"));
    assert!(machine.fails(&["--force"]).contains("usage: "));
    for address in
        ["http://git.example.com/files", "http://127.0.0.1.example.com/files", "ftp://127.0.0.1/", "file:///etc"]
    {
        let output = machine.install_from(address, &[]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("isn't an https address"), "{address}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn the_installer_of_a_release_names_it() {
    let facts = Facts::rehearsal(&root()).expect("facts");
    let text = installer(&root(), &facts).expect("an installer");
    assert!(text.contains(&format!("version='{}'\n", facts.version)) && text.contains(&facts.downloads()));
    for place in ["@VERSION@", "@DOWNLOADS@"] {
        assert!(!text.contains(place) && read("deploy/install.sh").expect("a script").contains(place));
    }
}

//! What people expect of every command line: completions, manual pages, files of variables, folders, standard input.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nordpass_simulator::SimulationOptions;
use serde_json::Value;

use crate::support::{World, history, output, program, said, skipped};

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changes");
    path
}

/// Runs a command with this text on standard input.
async fn with_input(mut command: Command, text: String) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut input = child.stdin.take().expect("a pipe");
    tokio::task::spawn_blocking(move || {
        // A command that refuses to read it closes it.
        let _ = input.write_all(text.as_bytes());
        drop(input);
        child.wait_with_output().expect("ends")
    })
    .await
    .expect("no panic")
}

/// Whether a program is there. Nobody may think that it was tested otherwise.
fn is_there(name: &str, argument: &str) -> bool {
    let found = Command::new(name).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        skipped(&format!("there is no {name} here"));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shell_accepts_its_completions() {
    let folder = tempfile::tempdir().expect("a folder");
    for (shell, arguments) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = output(program(&["completions", shell])).await;
        assert!(script.status.success(), "{}", said(&script));
        if !is_there(shell, "--version") {
            continue;
        }
        let path = folder.path().join(shell);
        std::fs::write(&path, &script.stdout).expect("writes");
        let mut check = Command::new(shell);
        check.args(arguments).arg(&path);
        let end = output(check).await;
        assert!(end.status.success() && end.stderr.is_empty(), "{shell}: {}", said(&end));
    }
}

/// bash completes what the script says, and not only parses it.
#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_and_options() {
    if !is_there("bash", "--version") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("completions");
    std::fs::write(&script, output(program(&["completions", "bash"])).await.stdout).expect("writes");
    for (words, expected) in [
        ("nordpass-sentinel dead", "dead-letters"),
        ("nordpass-sentinel dead-letters re", "resend"),
        ("nordpass-sentinel run --env", "--env-file"),
        ("nordpass-sentinel completions po", "powershell"),
    ] {
        let typed: Vec<&str> = words.split(' ').collect();
        let at = typed.len() - 1;
        let lines = format!(
            "source \"$1\"; COMP_WORDS=({words}); COMP_CWORD={at}; _nordpass__sentinel nordpass-sentinel {} {}; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            typed[at],
            typed[at - 1]
        );
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &lines, "bash"]).arg(&script);
        let end = output(bash).await;
        assert_eq!(String::from_utf8_lossy(&end.stdout).trim(), expected, "{words}: {}", said(&end));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_pages_are_written_and_formatted_without_a_complaint() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("share/man1");
    let end = output(program(&["man", "--dir", dir.to_str().expect("a path")])).await;
    assert!(end.status.success() && said(&end).contains(" manual pages into "), "{}", said(&end));
    let one = output(program(&["man", "dead-letters", "list"])).await;
    assert_eq!(one.stdout, std::fs::read(dir.join("nordpass-sentinel-dead-letters-list.1")).expect("a page"));
    let end = output(program(&["man", "dead-leters"])).await;
    assert_eq!(end.status.code(), Some(2), "{}", said(&end));
    assert!(said(&end).contains("did you mean `dead-letters`?"), "{}", said(&end));

    let pages: Vec<PathBuf> =
        std::fs::read_dir(&dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert!(pages.len() > 15, "{}", pages.len());
    let checks = [("groff", &["-man", "-ww", "-Tutf8", "-z"][..]), ("mandoc", &["-T", "lint", "-W", "warning"])];
    for (formatter, arguments) in checks {
        if !is_there(formatter, "--version") {
            continue;
        }
        for page in &pages {
            let mut check = Command::new(formatter);
            check.args(arguments).arg(page);
            let end = output(check).await;
            assert!(end.status.success() && end.stderr.is_empty(), "{formatter} {}: {}", page.display(), said(&end));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_one_line_for_programs_and_for_people() {
    let end = output(program(&["version", "--json"])).await;
    let text = String::from_utf8(end.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    let version: Value = serde_json::from_str(&text).expect("JSON");
    let mut keys: Vec<&String> = version.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(keys, ["commit", "features", "name", "static", "target", "version"]);
    assert_eq!(
        (&version["name"], &version["version"]),
        (&"nordpass-sentinel".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let people = String::from_utf8(output(program(&["version"])).await.stdout).expect("text");
    let short = String::from_utf8(output(program(&["--version"])).await.stdout).expect("text");
    assert!(people.starts_with(short.trim()) && people.lines().count() == 1, "{people} {short}");
}

/// A world, its folder with a pipeline file, and with a file that sets every variable.
async fn world() -> (World, PathBuf) {
    let world = World::new(SimulationOptions { events: history(62, 100), ..SimulationOptions::default() }).await;
    let variables = world.variables().into_iter().map(|(name, value)| format!("export {name}='{value}'\n"));
    let text = format!("# Of this world\n\n{}", variables.collect::<String>());
    let path = written(world.folder.path(), "settings.env", &text);
    (world, path)
}

/// A command in the world's folder, with none of its variables.
fn bare(world: &World, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.current_dir(world.folder.path()).env_clear();
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_takes_variables_from_a_file() {
    let (world, _) = world().await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let env = ["--env-file", "settings.env"];
    let without = output(bare(&world, &["validate", pipeline])).await;
    assert!(said(&without).contains("hint: set it in the environment or in an `--env-file`"), "{}", said(&without));
    for arguments in [
        &["validate", "--connect", pipeline][..],
        &["run", "--once", "--timeout", "600s", pipeline],
        &["dead-letters", "list", pipeline],
        &["dead-letters", "resend", "--all", pipeline],
        &["reconcile", "--from", &days_ago(1), pipeline],
        &["backfill", "--from", &days_ago(1), pipeline],
    ] {
        let end = output(bare(&world, &[arguments, &env].concat())).await;
        assert!(end.status.success(), "{arguments:?} {}", said(&end));
    }
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_delivered, verdict.events_lost, verdict.events_duplicated), (100, 0, 0), "{verdict:?}");
    let recording = world.files("archive");
    let recording = recording[0].to_str().expect("a path");
    let replayed = output(bare(&world, &["replay", recording, "--pipeline", pipeline, env[0], env[1]])).await;
    assert!(replayed.status.success(), "{}", said(&replayed));
}

fn days_ago(days: i64) -> String {
    jiff::Timestamp::from_second(crate::support::now() - days * 86_400).expect("a time").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_counts_before_a_file_and_a_later_file_before_an_earlier_one() {
    let (world, _) = world().await;
    written(world.folder.path(), "wrong.env", "NORDPASS_TOKEN=revoked\n");
    let pipeline = world.both();
    let connect = |files: [&'static str; 2]| {
        let files = files.into_iter().flat_map(|file| ["--env-file", file]);
        let arguments = ["validate", "--connect", pipeline.to_str().expect("a path")].into_iter().chain(files);
        bare(&world, &arguments.collect::<Vec<_>>())
    };
    let end = output(connect(["settings.env", "wrong.env"])).await;
    assert!(end.status.code() == Some(1) && said(&end).contains("refuses the token"), "{}", said(&end));
    let end = output(connect(["wrong.env", "settings.env"])).await;
    assert!(end.status.success(), "{}", said(&end));
    let mut command = connect(["settings.env", "wrong.env"]);
    command.env("NORDPASS_TOKEN", &world.simulation.nordpass.settings.token);
    let end = output(command).await;
    assert!(end.status.success(), "{}", said(&end));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_of_variables_is_told_by_its_line_and_starts_nothing() {
    let (world, _) = world().await;
    let pipeline = world.both();
    let path = written(world.folder.path(), "wrong.env", "A=1\nNORDPASS_TOKEN=\"s3cret\nNORDPASS s3cret\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changes");
    for format in ["auto", "json"] {
        let arguments =
            ["--log-format", format, "run", "--once", "--env-file", "wrong.env", pipeline.to_str().expect("a path")];
        let end = output(bare(&world, &arguments)).await;
        let log = said(&end);
        assert_eq!(end.status.code(), Some(2), "{log}");
        assert!(!log.contains("s3cret") && log.contains("quotes aren't closed") && log.contains("has no `=`"), "{log}");
        assert!(log.contains("users other than the owner"), "{log}");
        assert!(log.contains("wrong.env:2:1") || log.contains("\"file\":\"wrong.env\",\"line\":2"), "{log}");
    }
    assert_eq!(world.simulation.log().count(), 0);
}

/// A set out of a folder, whose files only make sense together; and the same through standard input.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_standard_input_are_pipeline_files() {
    let (world, _) = world().await;
    let text = std::fs::read_to_string(world.both()).expect("a file");
    let (source, rest) = text.split_once("[transforms.asim]").expect("a transform");
    let rest = format!("[transforms.asim]{rest}");
    std::fs::create_dir(world.folder.path().join("set")).expect("a folder");
    written(world.folder.path(), "set/10-source.toml", source);
    written(world.folder.path(), "set/20-sinks.toml", &rest);
    written(world.folder.path(), "set/notes.txt", "not TOML");
    let env = ["--env-file", "settings.env"];
    let end = output(bare(&world, &["validate", "set", env[0], env[1]])).await;
    assert!(end.status.success() && said(&end).contains("valid: 1 source, 1 transform, 2 sinks"), "{}", said(&end));

    let run = ["run", "--once", "--timeout", "600s", "-", "set/20-sinks.toml", env[0], env[1]];
    let end = with_input(bare(&world, &run), source.to_owned()).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(world.simulation.verdict().events_delivered, 100);
    assert!(!world.files("state").is_empty(), "a relative path begins at the working directory");
    let end = with_input(bare(&world, &["dead-letters", "list", "-", env[0], env[1]]), text.clone()).await;
    assert!(end.status.success() && said(&end).contains("no dead letters"), "{}", said(&end));

    let wrong = with_input(bare(&world, &["validate", "-"]), "data_dirr = 1\n".to_owned()).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("--> <stdin>:1:1"), "{}", said(&wrong));
    let twice = with_input(bare(&world, &["validate", "-", "-"]), text).await;
    assert!(twice.status.code() == Some(2) && said(&twice).contains("`-` is given twice"), "{}", said(&twice));
    std::fs::create_dir(world.folder.path().join("empty")).expect("a folder");
    let empty = output(bare(&world, &["run", "empty"])).await;
    assert!(empty.status.code() == Some(2) && said(&empty).contains("has no pipeline file"), "{}", said(&empty));
    let reader = "[sources.in]\ntype = \"stdin\"\n[sinks.out]\ntype = \"console\"\ninputs = [\"in\"]\n";
    let end = with_input(bare(&world, &["run", "-"]), reader.to_owned()).await;
    assert!(
        end.status.code() == Some(2) && said(&end).contains("`in` reads standard input, from which"),
        "{}",
        said(&end)
    );
}

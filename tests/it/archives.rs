//! Archives, `data_dir` and standard output in the operator's hands: rotated, shared, planted, somebody else's.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{output, program, said};

/// A set that generates `count` events into a console sink and an archive with these settings.
fn pipeline(folder: &Path, name: &str, count: u32, archive: &str) -> String {
    let text = format!(
        "data_dir = \"data-{name}\"\n[sources.made]\ntype = \"generate\"\ncount = {count}\nrate = 0\n\
         [sinks.main]\ntype = \"console\"\ninputs = [\"made\"]\n\
         [sinks.archive]\ntype = \"file\"\ninputs = [\"made\"]\n{archive}\n"
    );
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}

fn in_folder(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.current_dir(folder);
    command
}

async fn once(folder: &Path, pipeline: &str) -> Output {
    output(in_folder(folder, &["run", "--once", pipeline])).await
}

fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// R3. It was exit 1 for ever, and nothing went to the other sink.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_archive_stops_nothing() {
    for required in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        let archive = format!("path = \"archive/all.ndjson\"\nrequired = {required}");
        let pipeline = pipeline(folder.path(), "a", 100, &archive);
        assert_eq!(lines(&once(folder.path(), &pipeline).await.stdout), 100);
        std::fs::rename(at("archive/all.ndjson"), at("archive/all.ndjson.1")).expect("renames");
        std::fs::write(at("archive/all.ndjson"), "").expect("writes");
        let end = once(folder.path(), &pipeline).await;
        assert!(end.status.success() && lines(&end.stdout) == 100, "{}", said(&end));
        let read = |path: &str| lines(&std::fs::read(at(path)).expect("a file"));
        assert_eq!((read("archive/all.ndjson.1"), read("archive/all.ndjson")), (100, 100));
    }
}

/// One component's trouble is its own, at the start too.
#[tokio::test(flavor = "multi_thread")]
async fn an_optional_sink_that_cannot_open_stops_nothing_and_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("archive"), "a file").expect("writes");
    let optional = pipeline(folder.path(), "a", 100, "path = \"archive/all.ndjson\"\nrequired = false");
    let end = once(folder.path(), &optional).await;
    assert_eq!((end.status.code(), lines(&end.stdout)), (Some(1), 100), "{}", said(&end));
    assert!(said(&end).contains("a file is where the folder should be"), "{}", said(&end));
    let required = pipeline(folder.path(), "b", 100, "path = \"archive/all.ndjson\"");
    let end = once(folder.path(), &required).await;
    assert_eq!((end.status.code(), lines(&end.stdout)), (Some(1), 0), "{}", said(&end));
}

/// R4. The first cut what the second had committed.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_one_archive_cut_nothing_of_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = ["a", "b"].map(|name| pipeline(folder.path(), name, 300, "path = \"archive/all.ndjson\""));
    for (number, pipeline) in [&pipelines[0], &pipelines[1], &pipelines[0]].into_iter().enumerate() {
        let end = once(folder.path(), pipeline).await;
        assert!(end.status.success(), "{}", said(&end));
        let read = std::fs::read(folder.path().join("archive/all.ndjson")).expect("a file");
        assert_eq!(lines(&read), 300 * (number + 1));
    }
}

/// R8. Everything was written again at each retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_sink_on_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = pipeline(folder.path(), "a", 50, "path = \"/dev/stdout\"");
    for command in [&["validate"][..], &["run", "--once"]] {
        let end = output(in_folder(folder.path(), &[command, &[&stream]].concat())).await;
        assert_eq!((end.status.code(), lines(&end.stdout)), (Some(2), 0), "{}", said(&end));
        assert!(said(&end).contains("console"), "{}", said(&end));
    }
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let pipe = pipeline(folder.path(), "b", 50, "path = \"fifo\"");
    let end = once(folder.path(), &pipe).await;
    assert_eq!((end.status.code(), lines(&end.stdout)), (Some(1), 0), "{}", said(&end));
    assert!(said(&end).contains("is a named pipe"), "{}", said(&end));
}

/// Dead letters, state and archive are people's data: they were 0644, or 0666.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_makes_is_its_owners_alone_whatever_the_umask() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = pipeline(folder.path(), "a", 50, "path = \"archive/{date}/all.ndjson\"");
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args(["-c", "umask 000; exec \"$0\" run --once \"$1\""]);
    command.args([env!("CARGO_BIN_EXE_nordpass-sentinel"), &pipeline]);
    let end = output(command).await;
    assert!(end.status.success(), "{}", said(&end));
    let mut folders = vec![folder.path().join("data-a"), folder.path().join("archive")];
    let mut seen = 0;
    while let Some(dir) = folders.pop() {
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(&dir).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "{seen}");
}

/// A link in `data_dir` led text into a script.
#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_inside_the_data_dir_is_not_followed() {
    for (planted, folder_of) in [("sinks/archive.log", "sinks"), ("lock", ""), ("sinks", "")] {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n").expect("writes");
        std::fs::create_dir_all(folder.path().join("data-a").join(folder_of)).expect("makes");
        std::os::unix::fs::symlink(&script, folder.path().join("data-a").join(planted)).expect("links");
        let pipeline = pipeline(folder.path(), "a", 50, "path = \"archive/all.ndjson\"");
        let end = once(folder.path(), &pipeline).await;
        assert_eq!((end.status.code(), lines(&end.stdout)), (Some(1), 0), "{planted}: {}", said(&end));
        assert!(said(&end).contains("is a symbolic link"), "{}", said(&end));
        assert_eq!(std::fs::read(&script).expect("a file"), b"#!/bin/sh\n");
    }
}

/// Its owner could change everything in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_dir_of_another_user_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data-a");
    std::fs::create_dir(&data).expect("makes");
    let Ok(()) = std::os::unix::fs::chown(&data, Some(65_534), None) else { return };
    if std::fs::metadata(folder.path()).expect("is there").uid() == 65_534 {
        return;
    }
    let pipeline = pipeline(folder.path(), "a", 50, "path = \"archive/all.ndjson\"");
    for command in [["run", "--once", pipeline.as_str()].as_slice(), &["validate", &pipeline]] {
        let end = output(in_folder(folder.path(), command)).await;
        assert_eq!((end.status.code(), lines(&end.stdout)), (Some(1), 0), "{}", said(&end));
        assert!(said(&end).contains("belongs to another user") && said(&end).contains("hint"), "{}", said(&end));
    }
    assert_eq!(std::fs::read_dir(&data).expect("a folder").count(), 0, "nothing was made");
}

/// It acknowledges at the pipe: whoever checks the file is told.
#[tokio::test(flavor = "multi_thread")]
async fn validate_says_what_a_console_sink_acknowledges() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = pipeline(folder.path(), "a", 50, "path = \"archive/all.ndjson\"");
    let end = output(in_folder(folder.path(), &["validate", &pipeline])).await;
    assert!(end.status.success(), "{}", said(&end));
    assert!(said(&end).contains("note: sink main: acknowledges what it has written"), "{}", said(&end));
}

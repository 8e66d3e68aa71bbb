//! Paths that lead to no regular file, and the permissions of those that do.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Committed, Running, TestEvent, origin};
use crate::component::{ComponentError, SinkSettings as _};
use crate::event::AckOutcome;
use crate::settings::{Environment, Section};
use crate::sinks::file::Settings;
use nordpass_env::SystemDisk;

async fn start(path: &Path, data_dir: &Path, mode: Option<u32>) -> Result<Running, ComponentError> {
    let settings = Settings { timeout: Duration::ZERO, mode, ..Settings::for_path(path.to_str().unwrap()) };
    Running::start_in(Arc::new(SystemDisk), Arc::new(Committed::default()), settings, data_dir, |_| {}).await
}

/// R8: what a retry writes again can't be taken back from a pipe.
#[tokio::test]
async fn a_path_that_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("link")).unwrap();
    let env = crate::http::system_env();
    for (path, kind) in [("socket", "a socket"), ("folder", "a folder"), ("link", "a device")] {
        let error = start(&at(path), &at("data"), None).await.err().unwrap();
        assert!(error.message.contains(kind) && error.hint.is_some() && !error.curable, "{path}: {error}");
        let settings = Settings::for_path(at(path).to_str().unwrap());
        assert_eq!(settings.check(&env).await, Err(error), "{path}");
    }
    // One that a record decides is found out later: it is waited for, and nothing is written to it.
    let organized = at("{organization}");
    let sink = start(&organized, &at("data"), None).await.unwrap();
    let event = TestEvent { number: 1, day: 0, organization: "link" };
    let mut ack_receiver = sink.send(origin(1, 0), &[event]).await;
    let health = loop {
        let health = format!("{:?}", sink.telemetry.health());
        if health.contains("Waiting") {
            break health;
        }
        tokio::task::yield_now().await;
    };
    assert!(health.contains("it is a device") && health.contains("move it away"), "{health}");
    assert!(futures::poll!(&mut ack_receiver).is_pending());
    std::fs::remove_file(at("link")).unwrap();
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
    sink.finish().await;
}

#[test]
fn a_path_that_is_a_stream_is_refused_before_it_runs() {
    let check = |text: &str| {
        let mut section = Section::parse(text, super::super::FIELDS, Environment::default());
        let settings = Settings::read(&mut section);
        let found = section.diagnostics();
        (settings, found.into_iter().map(|found| format!("{} {:?}", found.message, found.hint)).collect::<Vec<_>>())
    };
    for path in ["/dev/stdout", "/dev/stderr", "/dev/fd/3", "/proc/self/fd/1", "//dev/./stdout"] {
        let (_, found) = check(&format!("path = \"{path}\""));
        assert!(found.len() == 1 && found[0].contains("console"), "{path}: {found:?}");
    }
    assert_eq!(check("path = \"/dev/shm/a.ndjson\"").1, [""; 0]);
    for (mode, read) in [("0600", None), ("600", None), ("0640", Some(0o640)), ("0664", Some(0o664))] {
        let (settings, found) = check(&format!("path = \"a\"\nfile_mode = \"{mode}\""));
        assert_eq!((settings.mode, found), (read, Vec::new()), "{mode}");
    }
    for mode in ["0666", "0400", "0700", "rw-", "", "06400", "888"] {
        let (_, found) = check(&format!("path = \"a\"\nfile_mode = \"{mode}\""));
        assert_eq!(found.len(), 1, "{mode}: {found:?}");
    }
}

#[tokio::test]
async fn files_are_their_owners_alone_unless_a_setting_widens_it() {
    for (mode, expected) in [(None, [0o700, 0o700, 0o600]), (Some(0o640), [0o750, 0o750, 0o640])] {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let sink = start(&at("archive/{date}/{organization}.ndjson"), &at("data"), mode).await.unwrap();
        let event = TestEvent { number: 1, day: 0, organization: "acme" };
        assert_eq!(sink.send(origin(1, 0), &[event]).await.await, AckOutcome::Delivered);
        sink.finish().await;
        let mode = |path: &str| std::fs::metadata(at(path)).unwrap().permissions().mode() & 0o777;
        let modes = ["archive", "archive/1970-01-01", "archive/1970-01-01/acme.ndjson"].map(mode);
        assert_eq!(modes, expected);
        assert_eq!([mode("data"), mode("data/sinks"), mode("data/sinks/archive.log")], [0o700, 0o700, 0o600]);
        assert_eq!(mode("data/sinks/archive.journal"), 0o600);
    }
}

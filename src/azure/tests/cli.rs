//! The Azure CLI, by stand-ins: these run in real time, because processes do.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::super::cli::fetch;
use super::*;

const NOW: i64 = 1_800_000_000;
const LONG: Duration = Duration::from_secs(60);

/// A stand-in for `az`: a shell script. It is written elsewhere and renamed, so that it isn't busy when it is run.
fn program(folder: &tempfile::TempDir, script: &str) -> PathBuf {
    let (draft, path) = (folder.path().join("draft"), folder.path().join("az"));
    std::fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("writes");
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o700)).expect("may be run");
    std::fs::rename(&draft, &path).expect("renames");
    path
}

async fn ask(script: &str, limit: Duration) -> Result<(String, Option<Duration>), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::from_second(NOW).expect("a time");
    let fetched = fetch(&program(&folder, script), Some("tenant"), SCOPE, now, limit).await;
    fetched.map(|(token, life)| (token.expose_secret().to_owned(), life)).map_err(|error| error.reason)
}

#[tokio::test]
async fn its_answer_is_a_token_and_its_life() {
    let script = r#"[ "$*" = "account get-access-token --output json --scope https://monitor.azure.com/.default --tenant tenant" ] || exit 9
echo '{"accessToken":"t0ken","expiresOn":"2027-01-15 09:00:00.000000","expires_on":1800003600,"tokenType":"Bearer"}'"#;
    assert_eq!(ask(script, LONG).await, Ok(("t0ken".into(), Some(Duration::from_hours(1)))));
    let older = r#"echo '{"accessToken":"t0ken","expiresOn":"2027-01-15 09:00:00.000000"}'"#;
    assert_eq!(ask(older, LONG).await, Ok(("t0ken".into(), None)), "nobody knows how long");
}

/// No token lives as long as some program says.
#[tokio::test]
async fn a_life_of_ages_is_thirty_days() {
    let ages = r#"echo '{"accessToken":"t0ken","expires_on":9223372036854775807}'"#;
    assert_eq!(ask(ages, LONG).await, Ok(("t0ken".into(), Some(Duration::from_hours(30 * 24)))));
    let past = r#"echo '{"accessToken":"t0ken","expires_on":-9223372036854775808}'"#;
    assert_eq!(ask(past, LONG).await, Ok(("t0ken".into(), None)), "a wrong clock says nothing");
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_its_words() {
    for (script, part) in [
        ("echo hush-1; echo 'hush-2: Please run az login to setup account.' >&2; exit 1", "no user is signed in"),
        ("echo 'hush-2 AADSTS50078: expired' >&2; exit 1", "AADSTS50078"),
        ("echo hush-2 >&2; exit 3", "az account get-access-token --scope"),
        ("echo hush-1", "isn't a token"),
        (r#"echo '{"accessToken":"","hush":1}'"#, "isn't a token"),
        (r"head -c 200000 /dev/zero | tr '\0' h", "isn't a token"),
        ("kill -9 $$", "ended with"),
    ] {
        let reason = ask(script, LONG).await.expect_err("no token");
        assert!(reason.starts_with("no token from the Azure CLI: ") && reason.contains(part), "{reason}");
        assert!(!reason.contains("hush"), "{reason}");
    }
}

#[tokio::test]
async fn one_that_never_ends_is_ended() {
    let reason = ask("exec sleep 1000", Duration::from_millis(300)).await.expect_err("no token");
    assert!(reason.contains("didn't end within"), "{reason}");
    let now = Timestamp::from_second(NOW).expect("a time");
    let missing = fetch("/there/is/no/az".as_ref(), None, SCOPE, now, LONG).await.map(drop).expect_err("no token");
    assert!(missing.reason.contains("there is no program /there/is/no/az"), "{missing}");
}

/// It starts helpers in the background, which inherit its pipes: the end of the output never came.
#[tokio::test]
async fn one_that_leaves_a_process_with_its_pipes_behind_has_ended() {
    // The one that is left ends with the folder.
    let script = r#"(while [ -e "$0" ]; do sleep 0.05; done) &
echo '{"accessToken":"t0ken","expires_on":1800003600}'"#;
    assert_eq!(ask(script, LONG).await, Ok(("t0ken".into(), Some(Duration::from_hours(1)))));
    let script = r#"(while [ -e "$0" ]; do sleep 0.05; done) &
echo 'AADSTS50078: expired' >&2; exit 1"#;
    assert!(ask(script, LONG).await.expect_err("no token").contains("AADSTS50078"));
}

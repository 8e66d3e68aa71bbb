//! Each kind of bad input as a terminal shows it. The snapshots read like a session: the file, the command, the answer.
//! `INSTA_UPDATE=always cargo test --lib config::` writes them anew.

use super::{diagnose, diagnose_files, terminal};

/// A pipeline that is right apart from what a test does to it.
const SOURCE: &str = r#"[sources.nordpass]
type = "nordpass"
endpoint = "https://api-activities.eu.nordpass.com/activities/query"
token = "${NORDPASS_TOKEN}"
"#;

const SINK: &str = r#"
[sinks.out]
type = "console"
inputs = ["nordpass"]
"#;

fn session(text: &str) -> String {
    let text = text.trim();
    let answer = terminal(&diagnose(text));
    format!("$ cat pipeline.toml\n{text}\n\n$ nordpass-sentinel validate pipeline.toml\n{answer}")
}

macro_rules! sessions {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(session(&$text));
        }
    )*};
}

sessions! {
    not_toml: format!("{SOURCE}poll_interval = 60s\npage_size = [\n{SINK}");
    unknown_key: format!("{SOURCE}poll_intervall = \"60s\"\n{SINK}");
    unknown_key_without_a_near_one: format!("{SOURCE}frobnicate = true\n{SINK}");
    unknown_table: format!("{SOURCE}{SINK}[source.other]\ntype = \"stdin\"");
    unknown_type: format!("{SOURCE}{SINK}[sinks.azure]\ntype = \"sentinal\"\ninputs = [\"nordpass\"]");
    no_type: format!("{SOURCE}{SINK}[sinks.azure]\ninputs = [\"nordpass\"]");
    unknown_input: format!("{SOURCE}{}", SINK.replace("[\"nordpass\"]", "[\"nordpas\"]"));
    no_inputs: format!("{SOURCE}{SINK}[sinks.azure]\ntype = \"console\"");
    several_outputs: format!("{SOURCE}{SINK}[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]\n[sinks.azure]\ntype = \"console\"\ninputs = [\"asim\"]");
    output_without_reader: format!("{SOURCE}{SINK}[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]\n[sinks.azure]\ntype = \"console\"\ninputs = [\"asim.audit_event\", \"asim.user_management\"]");
    cycle: format!("{SOURCE}{SINK}[transforms.one]\ntype = \"filter\"\ninputs = [\"nordpass\", \"two\"]\n[transforms.two]\ntype = \"filter\"\ninputs = [\"one\"]");
    missing_variable: SOURCE.replace("NORDPASS_TOKEN", "NORDPASS_TOKNE") + SINK;
    empty_variable: SOURCE.replace("NORDPASS_TOKEN", "EMPTY") + SINK;
    missing_field: SOURCE.replace("token = \"${NORDPASS_TOKEN}\"\n", "") + SINK;
    unreadable_secret_file: SOURCE.replace("${NORDPASS_TOKEN}", "${file:/run/secrets/there-is-no-such-file}") + SINK;
    negative_duration: format!("{SOURCE}poll_interval = \"-60s\"\n{SINK}");
    zero_duration: format!("{SOURCE}poll_interval = \"0s\"\n{SINK}");
    duration_without_unit: format!("{SOURCE}poll_interval = 60\n{SINK}");
    page_size_0: format!("{SOURCE}page_size = 0\n{SINK}");
    page_size_from_a_variable: format!("{SOURCE}page_size = \"${{SIZE}}\"\n{SINK}");
    plain_http: SOURCE.replace("https", "http") + SINK;
    written_secret: SOURCE.replace("${NORDPASS_TOKEN}", "sEcReT") + SINK;
    stream_without_input: format!("{SOURCE}{SINK}{SENTINEL}\"asim.authentification\" = \"Custom-NordPassAuthentication\"");
    stream_with_a_bare_dot: format!("{SOURCE}{SINK}{SENTINEL}asim.authentication = \"Custom-NordPassAuthentication\"");
    no_source: SINK.replace("console", "blackhole");
    odd_name: SOURCE.replace("[sources.nordpass]", "[sources.\"nord pass\"]") + &SINK.replace("nordpass", "nord pass");
}

const SENTINEL: &str = r#"
[transforms.asim]
type = "asim"
inputs = ["nordpass"]

[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "https://dce.example.com"
dcr_immutable_id = "dcr-0"
credential = { kind = "managed identity" }

[sinks.sentinel.streams]
"asim.audit_event" = "Custom-NordPassAuditEvent"
"asim.user_management" = "Custom-NordPassUserManagement"
"#;

#[test]
fn all_errors_at_once() {
    let first =
        "data_dir = \"\"\n[sources.one]\ntype = \"nordpass\"\nendpoint = \"https://host\"\ntokne = \"sEcReT\"\n";
    let second = "[sinks.one]\ntype = \"file\"\ninputs = [\"two\"]\nrequired = \"no\"\n[sinks.three]\ntype = \"tape\"\ninputs = [\"one\"]";
    let answer = terminal(&diagnose_files(&[("first.toml", first), ("second.toml", second)]));
    assert!(!answer.contains("sEcReT"));
    insta::assert_snapshot!(answer);
}

#[test]
fn a_broken_file_does_not_hide_the_others_errors() {
    let broken = "[sources.one\ntype = \"stdin\"";
    let second = "[sinks.one]\ntype = \"file\"\ninputs = [\"one\"]\npaths = \"x\"";
    insta::assert_snapshot!(terminal(&diagnose_files(&[("broken.toml", broken), ("second.toml", second)])));
}

#[test]
fn json_lines() {
    let text = format!("{SOURCE}poll_intervall = \"60s\"\n{SINK}");
    let lines: Vec<String> = diagnose(&text).iter().map(crate::settings::Diagnostic::json).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn colors() {
    let found = diagnose(&format!("{SOURCE}poll_intervall = \"60s\"\n{SINK}"));
    insta::assert_snapshot!(found[0].human(true).replace('\u{1b}', "ESC"));
}

/// A pipe used to be waited for without end, a device to be read.
#[test]
#[cfg(unix)]
fn a_secret_file_that_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &std::path::Path| {
        let reference = format!("${{file:{}}}", path.display());
        let found = diagnose(&(SOURCE.replace("${NORDPASS_TOKEN}", &reference) + SINK));
        format!("{} ({})", found[0].message, found[0].hint.as_deref().unwrap_or_default())
    };
    let (empty, pipe) = (dir.path().join("empty"), dir.path().join("pipe"));
    std::fs::write(&empty, "\r\n").unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(message(&empty).ends_with("is empty (write only the secret into it)"), "{}", message(&empty));
    for (path, what) in [(pipe.as_path(), "a named pipe"), ("/dev/zero".as_ref(), "a device")] {
        let message = message(path);
        assert!(message.contains(&format!("it's {what}, not a regular file (")), "{message}");
        assert!(message.contains("write the value into a file"), "{message}");
    }
}

#[test]
#[cfg(unix)]
fn secret_file_open_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "sEcReT\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = file.to_str().unwrap();
    let text = SOURCE.replace("${NORDPASS_TOKEN}", &format!("${{file:{path}}}")) + SINK;
    insta::assert_snapshot!(session(&text).replace(path, "/run/secrets/token"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(diagnose(&text).is_empty());
}

//! The command `test`: the repository's own pipeline files, and what it says of tests that fail or are wrong.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::{output, program, repository, said};

/// A pipeline with one transform, to which a test's lines are added.
const PIPELINE: &str = r#"# Kept.
data_dir = "state"

[sources.nordpass]
type = "nordpass"
endpoint = "${NORDPASS_ENDPOINT_URL}"
token = "${file:/run/secrets/there-is-none}"

[transforms.quiet]
type = "filter"
inputs = ["nordpass"]
exclude = ["item_access.item_autofilled"]

[transforms.asim]
type = "asim"
inputs = ["quiet"]

[sinks.sentinel]
type = "sentinel"
inputs = ["asim.audit_event", "asim.authentication", "asim.user_management"]
endpoint = "${DATA_COLLECTION_ENDPOINT}"
dcr_immutable_id = "${DCR_IMMUTABLE_ID}"
credential = { kind = "managed_identity" }

[sinks.sentinel.streams]
"asim.audit_event" = "Custom-NordPassAuditEvent"
"asim.authentication" = "Custom-NordPassAuthentication"
"asim.user_management" = "Custom-NordPassUserManagement"
"#;

const EVENT: &str = r#"event = { type = "login", action = "user_login_failed", timestamp = 1764400000, metadata = { ip_address = "203.0.113.9" } }"#;

/// A test with these lines behind its name and its first input's `at`.
fn test(name: &str, lines: &str) -> String {
    format!("\n[[tests]] # {name}\nname = \"{name}\"\n[[tests.inputs]]\nat = \"nordpass\"\n{lines}\n")
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn pipeline(&self, tests: &str) -> PathBuf {
        let path = self.path().join("pipeline.toml");
        std::fs::write(&path, format!("{PIPELINE}{tests}")).expect("writes");
        path
    }

    /// The command in this folder, without any variable.
    async fn test(&self, arguments: &[&str]) -> Output {
        let mut command = program(&[&["test"], arguments].concat());
        command.current_dir(self.path()).env_clear();
        output(command).await
    }
}

fn code(out: &Output) -> Option<i32> {
    out.status.code()
}

/// The pipeline files of this repository, and the guide's recipes, without a single variable, each with tests.
#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_files_pass_their_tests() {
    let set = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(|name| repository(name)).collect() };
    for (files, one_set) in [
        (set(&["pipelines", "docs/guide/recipes"]), false),
        (set(&["deploy/compose", "deploy/kubernetes", "deploy/systemd", "deploy/functions"]), false),
        (
            set(&[
                "deploy/container/nordpass.toml",
                "deploy/container/asim.toml",
                "deploy/container/official-table.toml",
            ]),
            true,
        ),
    ] {
        let mut command = program(&["test", "--json"]);
        command.args(&files).env_clear();
        if one_set {
            command.arg("--one-set");
        }
        let out = output(command).await;
        assert!(out.status.success(), "{}", said(&out));
        let results: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
        for set in results["sets"].as_array().expect("sets") {
            assert!(!set["tests"].as_array().expect("tests").is_empty(), "{} has no test", set["files"]);
            assert_eq!(set["outputs_without_a_test"], serde_json::json!([]), "{}", set["files"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_shows_each_key_that_differs() {
    let folder = Folder::new();
    let path = folder.pipeline(
        &(test(
            "right",
            &format!("{EVENT}\n[[tests.outputs]]\nfrom = \"asim.authentication\"\nrecords = 1\nequals = {{ EventResult = \"Failure\" }}\n[[tests.outputs]]\nfrom = \"asim.audit_event\"\nnone = true"),
        ) + &test(
            "wrong",
            &format!("{EVENT}\n[[tests.outputs]]\nfrom = \"asim.authentication\"\nequals = {{ EventResult = \"Success\", SrcIpAdr = \"203.0.113.9\", EventVendor = \"Nord Security\" }}\n[[tests.outputs]]\nfrom = \"asim.audit_event\"\nrecords = 2"),
        )),
    );
    let out = folder.test(&["pipeline.toml", "--junit", "report.xml"]).await;
    assert_eq!(code(&out), Some(1), "{}", said(&out));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let told = text.rsplit_once(" in ").expect("how long it took").0;
    insta::assert_snapshot!(told);
    assert!(out.stdout.is_empty(), "{}", said(&out));
    let junit = std::fs::read_to_string(folder.path().join("report.xml")).expect("a report");
    assert!(
        junit.contains("tests=\"2\" failures=\"1\"") && junit.contains("- EventResult: &quot;Success&quot;"),
        "{junit}"
    );

    let out = folder.test(&["--json"]).await;
    assert_eq!(code(&out), Some(1), "the file is found by its usual name: {}", said(&out));
    let results: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    let found = &results["sets"][0]["tests"][1]["problems"];
    assert_eq!(found[0]["differences"][0]["given"], "Failure", "{found}");
    assert_eq!((&found[1]["kind"], &found[1]["expected"], &found[1]["given"]), (&"count".into(), &2.into(), &0.into()));
    assert_eq!(results["sets"][0]["outputs_without_a_test"][1], "asim.user_management");

    let out = folder.test(&["--filter", "RIGHT"]).await;
    assert!(out.status.success() && said(&out).contains("1 test passed"), "{}", said(&out));
    let out = folder.test(&["--filter", "wron"]).await;
    assert_eq!(code(&out), Some(1), "{}", said(&out));
    let out = folder.test(&["--filter", "rihgt"]).await;
    assert!(code(&out) == Some(2) && said(&out).contains("did you mean \"right\"?"), "{}", said(&out));
    drop(path);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "no state: {left:?}");
}

/// What a transform can't handle is a dead letter when the pipeline runs: nothing that a test overlooks.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_fails_a_test_that_does_not_expect_it() {
    let folder = Folder::new();
    let recipe = repository("docs/guide/recipes/what-cannot-be-changed.toml");
    let text = std::fs::read_to_string(recipe).expect("a recipe");
    assert!(text.contains("\nrefused = 1\n"));
    let wrong = text
        .replace("\nrefused = 1\n", "\n")
        .replace("equals = [{ metadata = \"text\" }", "without = [\"type\"]\nequals = [{ }");
    std::fs::write(folder.path().join("pipeline.toml"), wrong).expect("writes");
    let out = folder.test(&[]).await;
    assert_eq!(code(&out), Some(1), "{}", said(&out));
    for told in [
        "transforms refused 1 record, expected none",
        "strict: 1 record, `metadata` isn't an object, so nothing can be set in it",
        "- no type",
        "+ type: \"login\"",
    ] {
        assert!(said(&out).contains(told), "{told}\n{}", said(&out));
    }
    let out = folder.test(&["--json"]).await;
    let results: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    let problems = &results["sets"][0]["tests"][0]["problems"];
    assert_eq!((&problems[0]["kind"], &problems[0]["refused"][0]["transform"]), (&"refused".into(), &"strict".into()));
    assert_eq!(problems[1]["differences"][0], serde_json::json!({ "key": "type", "given": "login" }));
}

/// All at once, each with its place and the nearest name.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_tests_are_errors_with_their_places() {
    let folder = Folder::new();
    let wrong = [
        ("at = \"nordpas\"\nevent = { type = \"a\" }", "no component has this name", "did you mean \"nordpass\"?"),
        (
            "at = \"asim.authentification\"\nevent = { type = \"a\" }",
            "`asim` has no such output",
            "asim.authentication",
        ),
        ("at = \"sentinel\"\nevent = { type = \"a\" }", "`sentinel` is a sink", "name the source or transform"),
        ("at = \"nordpass\"\nevent = \"a\"", "`event` must be a table, not a string", "event = {"),
        (
            "at = \"nordpass\"\nrecording = \"nowhere.ndjson\"",
            "the recording isn't there",
            "relative to the pipeline file",
        ),
        ("at = \"nordpass\"", "neither `event` nor `recording`", "recording = \"FILE\""),
        ("event = { type = \"a\" }", "`at` is missing", "add at ="),
        ("at = \"nordpass\"\nevnt = { type = \"a\" }", "unknown key `evnt`", "did you mean `event`?"),
    ];
    let of_input = |(input, ..): (&str, _, _)| {
        format!(
            "[[tests]]\nname = \"x\"\n[[tests.inputs]]\n{input}\n[[tests.outputs]]\nfrom = \"quiet\"\nnone = true\n"
        )
    };
    let outputs = [
        ("from = \"asim.audit_evnt\"\nrecords = 1", "`asim` has no such output", "did you mean \"asim.audit_event\"?"),
        ("from = \"asim\"\nrecords = 1", "`asim` has several outputs", "asim.user_management"),
        ("from = \"quiet\"\nrecords = 1\nnone = true", "an output with `none` can't have `records`", "remove one"),
        ("from = \"quiet\"\nrecords = 2\nequals = [{ a = 1 }]", "`equals` describes 1 records", "one table for each"),
        ("from = \"quiet\"\nvrl = \"assert!(.a ==)\"", "syntax error", "look for a missing bracket"),
        ("from = \"quiet\"\nvrl = \"true\"\nnone = true", "an output with `none` can't have `vrl`", "remove one"),
        (
            "from = \"quiet\"\nwithout = [\"type\"]\nnone = true",
            "an output with `none` can't have `without`",
            "remove one",
        ),
        ("from = \"quiet\"\nequals = 5", "`equals` must be a table, not a whole number", "equals = {"),
    ];
    let of_output = |(output, ..): (&str, _, _)| {
        format!("[[tests]]\nname = \"x\"\n[[tests.inputs]]\nat = \"quiet\"\n{EVENT}\n[[tests.outputs]]\n{output}\n")
    };
    let inputs: String = wrong.into_iter().map(of_input).collect();
    let text: String = outputs.into_iter().map(of_output).collect();
    let text = format!("{inputs}{text}[[tests]]\nname = \"no inputs\"\n");
    folder.pipeline(&text);
    let out = folder.test(&[]).await;
    assert_eq!(code(&out), Some(2), "{}", said(&out));
    for (_, message, hint) in wrong.into_iter().chain(outputs) {
        assert!(said(&out).contains(message) && said(&out).contains(hint), "{message}\n{}", said(&out));
    }
    assert!(said(&out).contains("--> pipeline.toml:32:6 (tests.0.inputs.0.at)"), "{}", said(&out));
    assert!(said(&out).contains("17 errors: nothing was started"), "{}", said(&out));
    assert!(said(&out).contains("add [[tests.inputs]] with at = \"…\""), "{}", said(&out));
    // A value is never shown, even of a test.
    assert!(!said(&out).contains("203.0.113.9"), "{}", said(&out));
    // The other commands find the same, but for recordings, which a service needn't have.
    let mut command = program(&["validate", "--no-environment", "pipeline.toml"]);
    command.current_dir(folder.path()).env_clear();
    let end = output(command).await;
    assert!(code(&end) == Some(2) && said(&end).contains("did you mean \"nordpass\"?"), "{}", said(&end));
    assert!(!said(&end).contains("the recording"), "{}", said(&end));
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_go_in_and_rows_too() {
    let folder = Folder::new();
    let event = |action: &str| format!("{{\"type\":\"item_access\",\"action\":\"{action}\",\"timestamp\":1764400000}}");
    let page = format!(
        "{}\n{{\"data\":[{},{}],\"metadata\":{{}}}}\n",
        event("item_autofilled"),
        event("item_viewed"),
        event("item_copied")
    );
    std::fs::create_dir(folder.path().join("below")).expect("a folder");
    std::fs::write(folder.path().join("below/page.ndjson"), page).expect("writes");
    let tests = test(
        "a recording",
        "recording = \"page.ndjson\"\n[[tests.outputs]]\nfrom = \"nordpass\"\nrecords = 3\n[[tests.outputs]]\nfrom = \"quiet\"\nequals = [{ action = \"item_viewed\" }, { action = \"item_copied\" }]",
    ) + "[[tests]]\nname = \"rows\"\n[[tests.inputs]]\nat = \"asim.audit_event\"\nevent = { EventType = \"x\" }\n[[tests.outputs]]\nfrom = \"asim.audit_event\"\nrecords = 1\n";
    let path = folder.path().join("below/pipeline.toml");
    std::fs::write(&path, format!("{PIPELINE}{tests}")).expect("writes");
    let out = folder.test(&["below"]).await;
    assert!(out.status.success() && said(&out).contains("2 tests passed"), "{}", said(&out));
    std::fs::write(folder.path().join("below/page.ndjson"), "[1]").expect("writes");
    let out = folder.test(&["below"]).await;
    assert!(code(&out) == Some(1) && said(&out).contains("it's a JSON array"), "{}", said(&out));
}

/// Only lines are added, and the test then passes.
#[tokio::test(flavor = "multi_thread")]
async fn recording_fills_in_what_comes_out() {
    let folder = Folder::new();
    let tests = test("everything", &format!("{EVENT} # as seen"))
        + "\n# A comment between tests.\n"
        + &test("one output", &format!("{EVENT}\n[[tests.outputs]]\nfrom = \"quiet\" # what passes\n"))
        + &test("known", &format!("{EVENT}\n[[tests.outputs]]\nfrom = \"quiet\"\nrecords = 1"));
    let path = folder.pipeline(&tests);
    let before = std::fs::read_to_string(&path).expect("a file");
    let out = folder.test(&[]).await;
    assert!(code(&out) == Some(1) && said(&out).contains("it expects nothing yet"), "{}", said(&out));
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), before, "only --record writes");
    let out = folder.test(&["--record"]).await;
    assert!(out.status.success() && said(&out).contains("added 4 expectations to pipeline.toml"), "{}", said(&out));
    let after = std::fs::read_to_string(&path).expect("a file");
    let mut rest = after.lines();
    assert!(before.lines().all(|line| rest.any(|after| after == line)), "{after}");
    insta::assert_snapshot!(after.split_once("[[tests]]").expect("tests").1);
    let out = folder.test(&["--record"]).await;
    assert!(out.status.success() && !said(&out).contains("added"), "{}", said(&out));
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_tests_is_told_so() {
    let folder = Folder::new();
    folder.pipeline("");
    let out = folder.test(&[]).await;
    assert!(code(&out) == Some(2) && said(&out).contains("these files have no tests"), "{}", said(&out));
}

/// The guide begins with a file that works, and shows what the command says of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_guides_first_file_works() {
    let guide = std::fs::read_to_string(repository("docs/guide/test.md")).expect("a file");
    let block = |beginning: &str| guide.split("```").find(|block| block.starts_with(beginning)).expect("a block");
    let folder = Folder::new();
    let file = block("toml\n# pipeline.toml").trim_start_matches("toml\n");
    std::fs::write(folder.path().join("pipeline.toml"), file).expect("writes");
    let out = folder.test(&["pipeline.toml"]).await;
    let shown = block("text\npipeline.toml").trim_start_matches("text\n");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    let without_time = |text: &str| text.rsplit_once(" in ").map(|(before, _)| before.to_owned());
    assert!(out.status.success(), "{}", said(&out));
    assert_eq!(without_time(&told), without_time(shown));
}

/// Files that only work together are told so, and are one set with an option.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_need_each_other_are_one_set() {
    let folder = Folder::new();
    let (first, rest) = PIPELINE.split_once("[transforms.asim]").expect("a transform");
    let tests = test("together", &format!("{EVENT}\n[[tests.outputs]]\nfrom = \"asim.authentication\"\nrecords = 1"));
    std::fs::write(folder.path().join("a.toml"), first).expect("writes");
    std::fs::write(folder.path().join("b.toml"), format!("[transforms.asim]{rest}{tests}")).expect("writes");
    let out = folder.test(&["a.toml", "b.toml"]).await;
    assert!(code(&out) == Some(2) && said(&out).contains("together with --one-set"), "{}", said(&out));
    let out = folder.test(&["--one-set", "."]).await;
    assert!(out.status.success() && said(&out).contains("1 test passed"), "{}", said(&out));
}

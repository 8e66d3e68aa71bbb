//! `[[tests]]`: who refuses what, and what a dry run gives.

use super::terminal;
use crate::component::Records;
use crate::pipeline::{
    Chunks, Config, DryRun, Entry, InputRef, Seen, load, load_for_tests, outputs, run_test, unreached,
};
use crate::settings::{Environment, Severity};
use crate::sources::recording_file::Locations;
use nordpass_env::MemoryDisk;

const PIPELINE: &str = r#"
[sources.in]
type = "stdin"
[transforms.quiet]
type = "filter"
inputs = ["in"]
exclude = ["login.*"]
[transforms.event_log]
type = "event_log"
inputs = ["quiet"]
[transforms.asim]
type = "asim"
inputs = ["in"]
[sinks.out]
type = "console"
inputs = ["event_log", "asim.audit_event", "asim.authentication", "asim.user_management"]
"#;

fn config(tests: &str) -> Config {
    let loaded = load_for_tests(&[("a.toml".into(), format!("{PIPELINE}{tests}"))], &Environment::default());
    loaded.unwrap_or_else(|found| panic!("{}", terminal(&found))).0
}

fn given(config: &Config, entry: &Entry, lines: &str) -> Vec<(String, usize)> {
    let chunk = Chunks::default().read(lines.as_bytes().to_vec(), Records::Events).chunk.expect("events");
    let names = outputs(config);
    let mut given = Vec::new();
    DryRun::new(config).feed(entry, &chunk, |seen| {
        let Seen::Given(output, chunk) = seen else { panic!("nothing is refused") };
        let (name, _) = names.iter().find(|(_, known)| *known == output).expect("an output");
        given.push((name.clone(), chunk.records.len()));
    });
    given
}

#[test]
fn a_dry_run_shows_what_each_output_gives() {
    let config = config("");
    let lines = "{\"type\":\"login\",\"action\":\"a\"}\n{\"type\":\"invites\",\"action\":\"user_invited\"}\n";
    let source = Entry::Output(InputRef { component: "in".into(), output: 0 });
    let all = [("in", 2), ("quiet", 1), ("event_log", 1), ("asim.audit_event", 1), ("asim.user_management", 1)];
    assert_eq!(given(&config, &source, lines), all.map(|(name, records)| (name.to_owned(), records)));
    let into = Entry::Transform("event_log".into());
    assert_eq!(given(&config, &into, lines), [("event_log".to_owned(), 2)], "behind the filter");
}

#[tokio::test]
async fn what_no_test_reaches_is_named() {
    let config = config(
        "[[tests]]\nname = \"a\"\n[[tests.inputs]]\nat = \"quiet\"\nevent = { type = \"a\" }\n[[tests.outputs]]\nfrom = \
         \"event_log\"\nrecords = 1\n",
    );
    let outcome =
        run_test(&config, &config.tests[0], &Locations::disk(std::sync::Arc::new(MemoryDisk::default()))).await;
    assert!(outcome.problems.is_empty());
    let left = ["asim.audit_event", "asim.authentication", "asim.user_management", "in"];
    assert_eq!(unreached(&config, [&outcome]), left);
}

/// A service must start without the files of its tests.
#[test]
fn only_the_command_that_runs_tests_needs_their_recordings() {
    let tests = "[[tests]]\nname = \"a\"\n[[tests.inputs]]\nat = \"in\"\nrecording = \"nowhere\"\n[[tests.outputs]]\n\
                 from = \"in\"\nnone = true\n";
    let files = [("a.toml".into(), format!("{PIPELINE}{tests}"))];
    let (_, warnings) = load(&files, &Environment::default()).expect("a pipeline");
    let told: Vec<_> = warnings.iter().map(|found| (found.severity, found.path.as_str())).collect();
    assert_eq!(told, [(Severity::Warning, "tests.0.inputs.0.recording")]);
    let (_, warnings) = load(&files, &Environment::default().may_be_absent()).expect("a pipeline");
    assert!(warnings.is_empty(), "{}", terminal(&warnings));
    let wrong = load_for_tests(&files, &Environment::default().may_be_absent()).expect_err("it isn't there");
    assert_eq!((wrong.len(), wrong[0].message.as_str()), (1, "the recording isn't there"));
}

/// Events may be of people.
#[test]
fn debug_shows_no_event() {
    let config = config(
        "[[tests]]\nname = \"a\"\n[[tests.inputs]]\nat = \"in\"\nevent = { a = \"s3cret\" }\n[[tests.outputs]]\nfrom = \
         \"in\"\nequals = { a = \"s3cret\" }\n",
    );
    assert!(!format!("{config:?}").contains("s3cret"));
}

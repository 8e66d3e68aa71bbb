//! `[[tests]]` of transforms that shape records: outputs that depend on what is read, routes, and what is refused.

use super::terminal;
use crate::pipeline::{Config, Outcome, Problem, Refusal, load_for_tests, run_test, unreached};
use crate::settings::{Diagnostic, Environment};
use crate::sources::recording_file::Locations;
use nordpass_env::MemoryDisk;

const PIPELINE: &str = r#"
[sources.in]
type = "stdin"
[transforms.mark]
type = "modify"
inputs = ["in"]
set = { "metadata.tenant" = "acme" }
[transforms.by_area]
type = "route"
inputs = ["mark"]
routes = { admin = { include_groups = ["admin"] }, login = { include_groups = ["login"] } }
[transforms.asim]
type = "asim"
inputs = ["by_area.admin", "by_area.login"]
[transforms.tenant]
type = "modify"
inputs = ["asim.user_management", "asim.audit_event", "asim.authentication"]
set = { "AdditionalFields.Tenant" = "acme" }
[sinks.out]
type = "console"
inputs = ["tenant.audit_event", "tenant.authentication", "tenant.user_management", "by_area._unmatched"]
"#;

fn loaded(tests: &str) -> Result<Config, Vec<Diagnostic>> {
    load_for_tests(&[("a.toml".into(), format!("{PIPELINE}{tests}"))], &Environment::default())
        .map(|(config, _)| config)
}

/// What a test with this event gives; `lines` are its own.
async fn outcome(lines: &str, event: &str, outputs: &str) -> (Config, Outcome) {
    let tests = format!("[[tests]]\nname = \"a\"\n{lines}[[tests.inputs]]\nat = \"in\"\nevent = {event}\n{outputs}");
    let config = loaded(&tests).unwrap_or_else(|found| panic!("{}", terminal(&found)));
    let outcome =
        run_test(&config, &config.tests[0], &Locations::disk(std::sync::Arc::new(MemoryDisk::default()))).await;
    (config, outcome)
}

#[tokio::test]
async fn each_route_is_an_output_and_each_table_behind_it() {
    let outputs = "[[tests.outputs]]\nfrom = \"by_area.login\"\nrecords = 1\n[[tests.outputs]]\nfrom = \"by_area.admin\"\nnone = \
                   true\n[[tests.outputs]]\nfrom = \"tenant.authentication\"\nequals = { AdditionalFields = { Tenant = \
                   \"acme\", tenant = \"acme\" } }\nwithout = [\"AdditionalFields.Tenants\"]\n";
    let (config, outcome) = outcome("", "{ type = \"login\", action = \"user_login_failed\" }", outputs).await;
    assert!(outcome.problems.is_empty());
    assert_eq!(
        unreached(&config, [&outcome]),
        [
            "asim.audit_event",
            "asim.user_management",
            "by_area._unmatched",
            "by_area.admin",
            "tenant.audit_event",
            "tenant.user_management"
        ]
    );
}

#[tokio::test]
async fn what_is_refused_fails_a_test_that_does_not_expect_it() {
    let event = "{ type = \"login\", metadata = \"text\" }";
    let none = "[[tests.outputs]]\nfrom = \"mark\"\nnone = true\n";
    let (_, failed) = outcome("", event, none).await;
    let [(2.., Problem::Refused { expected: 0, refused })] = failed.problems.as_slice() else { panic!("one problem") };
    let [Refusal { transform, reason, records: 1 }] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(transform == "mark" && reason.contains("isn't an object"), "{reason}");
    let (_, passed) = outcome("refused = 1\n", event, none).await;
    assert!(passed.problems.is_empty() && passed.refused.len() == 1);
    let (_, too_few) = outcome("refused = 2\n", event, none).await;
    assert!(matches!(too_few.problems.as_slice(), [(_, Problem::Refused { expected: 2, .. })]));
}

/// Rows that go into the transform itself would have no table.
#[test]
fn rows_of_several_tables_go_in_at_what_the_transform_reads() {
    let tests = "[[tests]]\nname = \"a\"\n[[tests.inputs]]\nat = \"tenant\"\nevent = { EventType = \"x\" }\n[[tests.outputs]]\nfrom \
                 = \"tenant.audit_event\"\nrecords = 1\n";
    let found = loaded(tests).expect_err("it is ambiguous");
    assert_eq!(found[0].message, "`tenant` reads rows of several tables");
    assert!(
        terminal(&found).contains("write \"asim.user_management\", \"asim.audit_event\" or \"asim.authentication\"")
    );
    assert!(loaded(&tests.replace("at = \"tenant\"", "at = \"asim.audit_event\"")).is_ok());
}

//! The wiring: what is right, and each way to get it wrong.

use std::fmt::Write;

use super::{diagnose, diagnose_files, registry};
use crate::pipeline::load;
use crate::settings::Environment;
use crate::settings::document::Document;
use crate::settings::report::Report;

fn messages(text: &str) -> Vec<String> {
    diagnose(text).into_iter().map(|found| found.message).collect()
}

/// A wiring of bare components: sources `a` and `b`, and whatever else is given.
fn wired(rest: &str) -> Vec<String> {
    messages(&format!("[sources.a]\ntype = \"stdin\"\n{rest}"))
}

#[test]
fn a_good_wiring_is_silent() {
    assert_eq!(
        wired(
            r#"
            [transforms.f]
            type = "filter"
            inputs = ["a"]
            [transforms.asim]
            type = "asim"
            inputs = ["f", "a"]
            [sinks.one]
            type = "console"
            inputs = ["asim.audit_event", "a"]
            [sinks.two]
            type = "blackhole"
            inputs = ["asim.authentication", "asim.user_management"]
            required = false
            "#
        ),
        [""; 0]
    );
}

#[test]
fn transforms_come_after_their_inputs() {
    let text = r#"
        [transforms.c]
        type = "filter"
        inputs = ["b"]
        [transforms.b]
        type = "filter"
        inputs = ["a"]
        [transforms.a]
        type = "filter"
        inputs = ["s"]
        [sources.s]
        type = "stdin"
        [sinks.x]
        type = "console"
        inputs = ["c"]
    "#;
    let report = Report::new(vec![Document::new("p.toml".into(), text.into())], Environment::default());
    let (draft, graph) = load::check(&report, &registry::registry());
    let graph = graph.unwrap();
    let names: Vec<&str> = graph.transforms.iter().map(|index| draft.components[*index].name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(report.found().is_empty());
}

#[test]
fn several_files_make_one_set() {
    let source = "data_dir = \"x\"\n[sources.a]\ntype = \"stdin\"\n";
    let sink = "[sinks.s]\ntype = \"console\"\ninputs = [\"a\"]\n";
    assert!(diagnose_files(&[("1.toml", source), ("2.toml", sink)]).is_empty());
    let found = diagnose_files(&[("1.toml", source), ("2.toml", sink), ("3.toml", source)]);
    let messages: Vec<String> = found.iter().map(|found| found.message.clone()).collect();
    assert_eq!(messages, ["`data_dir` is set in two files", "the name `a` is taken by sources.a"]);
    assert!(found.iter().all(|found| found.location.as_ref().unwrap().file.to_str() == Some("3.toml")));
}

#[test]
fn inputs_must_exist_and_give_events() {
    for (inputs, message) in [
        (r#"["b"]"#, "no component has this name"),
        (r#"["a.x"]"#, "`a` has no such output: it has only one, without a name"),
        (r#"["asim"]"#, "`asim` has several outputs"),
        (r#"["asim.audit_evnt"]"#, "`asim` has no such output"),
        (r#"["s"]"#, "`s` is a sink: it has no output"),
        ("[1]", "an input must be a string, not a whole number"),
        (r#""a""#, "`inputs` must be a list, not a string"),
        ("[]", "`inputs` is empty"),
        (r#"["a", "a"]"#, "this input is listed twice"),
    ] {
        let found = wired(&format!(
            "[transforms.asim]\ntype = \"asim\"\ninputs = [\"a\"]\n[sinks.s]\ntype = \"console\"\ninputs = \
             [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n[sinks.t]\ntype = \"console\"\ninputs = {inputs}"
        ));
        assert_eq!(found, [message], "{inputs}");
    }
}

#[test]
fn transforms_read_events_only() {
    let found = wired(
        "[transforms.asim]\ntype = \"asim\"\ninputs = [\"a\"]\n[transforms.f]\ntype = \"filter\"\ninputs = \
         [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n[sinks.s]\ntype = \"console\"\ninputs = [\"f\"]",
    );
    assert_eq!(
        found,
        [
            "`asim.audit_event` outputs table rows, but a transform reads events",
            "`asim.authentication` outputs table rows, but a transform reads events",
            "`asim.user_management` outputs table rows, but a transform reads events",
        ]
    );
}

#[test]
fn a_cycle_is_told_once() {
    let circle = |names: &[&str]| {
        let mut text = String::from("[sinks.s]\ntype = \"console\"\ninputs = [\"a\"]\n");
        for (index, name) in names.iter().enumerate() {
            let previous = names[(index + names.len() - 1) % names.len()];
            let _ = write!(text, "[transforms.{name}]\ntype = \"filter\"\ninputs = [\"{previous}\"]\n");
        }
        wired(&text)
    };
    assert_eq!(circle(&["x"]), ["these transforms form a cycle: x -> x"]);
    assert_eq!(circle(&["x", "y", "z"]), ["these transforms form a cycle: x -> y -> z -> x"]);
}

#[test]
fn a_pipeline_has_two_ends() {
    assert_eq!(messages(""), ["the pipeline has no source", "the pipeline has no sink"]);
    assert_eq!(wired(""), ["the output `a` has no reader", "the pipeline has no sink"]);
}

#[test]
fn names_are_plain() {
    for name in ["\"\"", "\"a b\"", "\"a.b\"", "\"ä\"", "\"../x\"", "-x"] {
        let found = messages(&format!("[sources.{name}]\ntype = \"stdin\""));
        assert!(found[0].ends_with("isn't a valid component name"), "{name}: {found:?}");
    }
    let found = messages(&format!("[sources.{}]\ntype = \"stdin\"", "x".repeat(65)));
    assert_eq!(found[0], "a name of 65 characters is too long");
}

#[test]
fn keys_of_other_kinds_are_explained() {
    assert_eq!(
        wired("inputs = [\"b\"]\nrequired = true\n[sinks.s]\ntype = \"console\"\ninputs = [\"a\"]\nrequired = 1"),
        [
            "a source has no `inputs`: events come from outside",
            "a source has no `required`",
            "`required` must be `true` or `false`, not a whole number",
        ]
    );
}

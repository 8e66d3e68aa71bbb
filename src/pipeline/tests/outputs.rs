//! The outputs of transforms that shape records, which depend on what they read and on their own tables.

use crate::component::Records;
use crate::pipeline::{Config, load};
use crate::settings::{Diagnostic, Environment};

fn loaded(text: &str) -> Result<Config, Vec<Diagnostic>> {
    load(&[("p.toml".into(), text.to_owned())], &Environment::default()).map(|(config, _)| config)
}

/// A set with a source `in`, an `asim` behind it, and these transforms; everything is read by a blackhole.
fn outputs(transforms: &str, name: &str) -> (Records, Vec<String>) {
    let asim = "[sources.in]\ntype = \"stdin\"\n[transforms.asim]\ntype = \"asim\"\ninputs = [\"in\"]\n";
    let head = format!("{asim}{transforms}\n");
    // The loader says which outputs have no reader: those are read, and then nothing may be wrong.
    let unread = |found: &[Diagnostic]| {
        let address = |found: &Diagnostic| {
            let address = found.message.strip_prefix("the output `")?.strip_suffix("` has no reader")?;
            Some(format!("\"{address}\""))
        };
        found.iter().filter_map(address).collect::<Vec<_>>().join(", ")
    };
    let found = loaded(&head).expect_err("there is no sink");
    let text = format!("{head}[sinks.out]\ntype = \"blackhole\"\ninputs = [{}]\n", unread(&found));
    let config = loaded(&text).unwrap_or_else(|found| panic!("{text}\n{found:?}"));
    let transform = config.transforms.into_iter().find(|transform| transform.name == name).expect("a transform");
    (transform.records, transform.outputs)
}

fn messages(text: &str) -> Vec<String> {
    loaded(text).map_or_else(|found| found.into_iter().map(|found| found.message).collect(), |_| Vec::new())
}

const TENANT: &str = "set = { \"AdditionalFields.Tenant\" = \"acme\" }";

#[test]
fn events_have_one_output_and_rows_one_for_each_table() {
    let tenant = |inputs: &str| format!("[transforms.t]\ntype = \"modify\"\n{TENANT}\ninputs = {inputs}");
    for (inputs, records, expected) in [
        (r#"["in"]"#, Records::Events, &[""][..]),
        (r#"["asim.audit_event"]"#, Records::Rows, &["audit_event"]),
        (r#"["asim.user_management", "asim.audit_event"]"#, Records::Rows, &["user_management", "audit_event"]),
    ] {
        assert_eq!(outputs(&tenant(inputs), "t"), (records, expected.iter().map(|&name| name.to_owned()).collect()));
    }
}

#[test]
fn rows_of_one_table_from_two_places_share_an_output_and_a_chain_keeps_the_names() {
    let text = format!(
        "[transforms.two]\ntype = \"asim\"\ninputs = [\"in\"]\n[transforms.log]\ntype = \"event_log\"\ninputs = [\"in\"]\n\
         [transforms.last]\ntype = \"filter\"\nexclude = [\"login.*\"]\ninputs = [\"t.audit_event\", \"t\"]\n\
         [transforms.t]\ntype = \"modify\"\n{TENANT}\ninputs = [\"asim.audit_event\", \"two.audit_event\", \"log\"]"
    );
    assert_eq!(outputs(&text, "t").1, ["audit_event", ""]);
    assert_eq!(outputs(&text, "last"), (Records::Rows, vec!["audit_event".to_owned(), String::new()]));
}

#[test]
fn a_route_has_an_output_for_each_of_its_keys_and_of_these_one_for_each_table() {
    let route = |inputs: &str| {
        format!(
            "[transforms.r]\ntype = \"route\"\ninputs = {inputs}\n[transforms.r.routes]\nb = {{ include = [\"login.*\"] }}\na = \
             {{ include_groups = [\"admin\"] }}"
        )
    };
    assert_eq!(outputs(&route(r#"["in"]"#), "r").1, ["b", "a", "_unmatched"]);
    let tables = outputs(&route(r#"["asim.audit_event", "asim.authentication"]"#), "r").1;
    let expected =
        ["b", "a", "_unmatched"].map(|key| ["audit_event", "authentication"].map(|table| format!("{key}.{table}")));
    assert_eq!(tables, expected.concat());
}

#[test]
fn what_is_made_of_an_input_goes_to_its_tables_output() {
    let text = "[sources.in]\ntype = \"stdin\"\n[transforms.asim]\ntype = \"asim\"\ninputs = [\"in\"]\n\
        [transforms.r]\ntype = \"route\"\ninputs = [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n\
        routes = { a = { include = [\"login.*\"] } }\n[sinks.out]\ntype = \"blackhole\"\ninputs = [\"r.a.audit_event\", \
        \"r.a.authentication\", \"r.a.user_management\", \"r._unmatched.audit_event\", \"r._unmatched.authentication\", \
        \"r._unmatched.user_management\"]\n";
    let config = loaded(text).expect("good");
    let route = config.transforms.iter().find(|transform| transform.name == "r").expect("the route");
    let address = |input, own| route.outputs[route.output(input, own)].as_str();
    assert_eq!(address(1, 0), "a.authentication");
    assert_eq!(address(2, 1), "_unmatched.user_management");
    assert_eq!(route.input_addresses[1], "asim.authentication");
}

#[test]
fn what_is_wrong_with_such_wiring_is_told() {
    let head = "[sources.in]\ntype = \"stdin\"\n[sources.h]\ntype = \"health\"\n";
    let sink = |inputs: &str| format!("[sinks.out]\ntype = \"blackhole\"\ninputs = {inputs}\n");
    let modify =
        |name: &str, inputs: &str| format!("[transforms.{name}]\ntype = \"modify\"\n{TENANT}\ninputs = {inputs}\n");
    for (text, message) in [
        (modify("t", "[\"in\", \"h\"]") + &sink("[\"t\"]"), "`h` outputs table rows, but `in` outputs events"),
        (
            format!(
                "{}[transforms.asim]\ntype = \"asim\"\ninputs = [\"t\"]\n{}",
                modify("t", "[\"h\"]"),
                sink("[\"asim.audit_event\"]")
            ),
            "`t` outputs table rows, but a transform reads events",
        ),
        (
            modify("a", "[\"b\"]") + &modify("b", "[\"a\"]") + &sink("[\"a\", \"in\", \"h\"]"),
            "these transforms form a cycle: a -> b -> a",
        ),
        (
            modify("t", "[\"in\"]") + &sink("[\"t.audit_event\", \"h\"]"),
            "`t` has no such output: it has only one, without a name",
        ),
    ] {
        let found = messages(&format!("{head}{text}"));
        assert!(found.iter().any(|found| found == message), "{message}: {found:?}");
    }
}

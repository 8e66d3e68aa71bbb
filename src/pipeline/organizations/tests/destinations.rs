//! Destinations of organizations.

use super::*;
use crate::component::Takes;

const MONITOR: &str = "https://x.westeurope-1.ingest.monitor.azure.com";

/// A set with a sink of type `sentinel`, which has a destination of its own with these lines.
fn load_sentinel(
    world: &World,
    own: &str,
    file: &str,
    organizations: &str,
) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    load_set(world, own, file, organizations, "")
}

fn load_set(
    world: &World,
    own: &str,
    file: &str,
    organizations: &str,
    more: &str,
) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    load(
        &[("pipeline.toml".into(), set(world, own, file, organizations) + more)],
        &Environment::of([("HOME", "hidden")]),
    )
}

/// The same where the sink without a destination also gets what a file has.
fn load_mixed(world: &World, organizations: &str) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let text = set(world, "", "o.toml", organizations);
    let text = text.replace(
        "type = \"event_log\"\ninputs = [\"nordpass\"]",
        "type = \"event_log\"\ninputs = [\"nordpass\", \"file\"]",
    );
    let file = "[sources.file]\ntype = \"file\"\npaths = [\"recording.ndjson\"]\n";
    load(&[("pipeline.toml".into(), text + file)], &Environment::of([("HOME", "hidden")]))
}

fn set(world: &World, own: &str, file: &str, organizations: &str) -> String {
    std::fs::write(world.path(file), organizations).expect("a file");
    let folder = world.folder.path().display();
    format!(
        "[organizations]\nfile = \"{folder}/{file}\"\nsecrets_dir = \"{folder}/secrets\"\n\
         allowed_endpoints = [\"{EU}\", \"{MONITOR}\"]\n[sources.nordpass]\ntype = \"nordpass\"\n\
         [sinks.archive]\ntype = \"blackhole\"\ninputs = [\"nordpass\"]\n\
         [transforms.log]\ntype = \"event_log\"\ninputs = [\"nordpass\"]\n\
         [sinks.sentinel]\ntype = \"sentinel\"\ninputs = [\"log\"]\n{own}\nstreams = {{ log = \"Custom-E\" }}\n\
         credential = {{ kind = \"managed_identity\" }}\n"
    )
}

fn rule(digit: char) -> String {
    format!("dcr-{}", String::from(digit).repeat(32))
}

fn own() -> String {
    format!("endpoint = \"{MONITOR}\"\ndcr_immutable_id = \"{}\"", rule('0'))
}

fn entry(name: &str, more: &str) -> String {
    format!("[{name}]\nid = \"c-{name}\"\ntoken = \"{name}\"\n{more}\n")
}

fn with_destination(name: &str, more: &str) -> String {
    let destination =
        format!("destination = {{ endpoint = \"{MONITOR}\", dcr_immutable_id = \"{}\"{more} }}", rule('1'));
    entry(name, &destination)
}

fn sinks(config: &Config) -> Vec<(&str, Takes)> {
    config.sinks.iter().map(|sink| (sink.name.as_str(), sink.takes.clone())).collect()
}

#[test]
fn a_destination_is_a_sink_of_its_own_and_the_others_keep_the_sinks_own() {
    let world = World::new(&["acme", "beta"]);
    let text = with_destination("acme", "") + &entry("beta", "");
    let (config, found) = load_sentinel(&world, &own(), "o.toml", &text).expect("a set");
    assert_eq!(found.len(), 0, "{}", world.said(&found));
    let of_acme = Takes::Organization("c-acme".into());
    assert_eq!(
        sinks(&config),
        [("archive", Takes::All), ("sentinel", Takes::WithoutDestination), ("sentinel@acme", of_acme)]
    );
    assert_eq!(config.sinks[1].inputs, config.sinks[2].inputs);
    assert_ne!(config.sinks[1].fingerprint, config.sinks[2].fingerprint);
    let names =
        |source: usize| config.sinks_for(config.sources.get(source)).map(|sink| sink.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["archive", "sentinel@acme"], vec!["archive", "sentinel"]));
    assert_eq!(config.distinct_sinks().count(), 2);
}

#[test]
fn a_table_with_commas_can_have_destinations() {
    let world = World::new(&["acme", "beta", "key"]);
    let text = format!(
        "id,name,token,destination.endpoint,destination.dcr_immutable_id,destination.credential.kind,\
         destination.credential.tenant_id,destination.credential.client_id,destination.credential.client_secret\n\
         c-1,acme,acme,{MONITOR},{},client_secret,t,c,key\nc-2,beta,beta,,,,,,\n",
        rule('1')
    );
    let (config, found) = load_sentinel(&world, &own(), "o.csv", &text).expect("a set");
    assert_eq!((found.len(), config.sinks.len()), (0, 3), "{}", world.said(&found));
}

/// Its secret is free for the entry that rightly names it.
#[test]
fn a_wrong_destination_binds_no_secret() {
    let world = World::new(&["acme", "key"]);
    let credential =
        ", credential = { kind = \"client_secret\", tenant_id = \"a/b\", client_id = \"c\", client_secret = \"key\" }";
    let right = credential.replace("a/b", "t");
    let text = with_destination("wrong", credential).replace("token = \"wrong\"", "token = \"acme\"")
        + &with_destination("acme", &right);
    let (config, found) = load_sentinel(&world, &own(), "o.toml", &text).expect("one is right");
    assert_eq!((names(&config), found.len()), (vec!["nordpass@acme"], 1), "{}", world.said(&found));
    assert!(world.said(&found).contains("`tenant_id` is neither an ID nor a domain name"), "{}", world.said(&found));
}

/// A flag is a flag, in TOML as in a table with commas.
#[test]
fn a_flag_of_a_credential_is_read() {
    let world = World::new(&["acme", "pem"]);
    for flag in ["true", "\"true\"", "1"] {
        let credential = format!(
            ", credential = {{ kind = \"client_certificate\", tenant_id = \"t\", client_id = \"c\", certificate_file = \"pem\", \
             send_certificate_chain = {flag} }}"
        );
        let found = load_sentinel(&world, &own(), "o.toml", &with_destination("acme", &credential))
            .expect_err("no certificate");
        let said = world.said(&found);
        assert_eq!(said.contains("send_certificate_chain"), flag == "1", "{said}");
        assert_eq!(said.contains("this certificate can't be used"), flag != "1", "{said}");
    }
}

/// Only the entry whose destination changes gets another sink.
#[test]
fn another_rule_or_secret_makes_another_sink() {
    let world = World::new(&["acme", "one", "two"]);
    let of = |secret: &str, digit: char| {
        let credential = format!(
            ", credential = {{ kind = \"client_secret\", tenant_id = \"t\", client_id = \"c\", client_secret = \"{secret}\" }}"
        );
        let text = with_destination("acme", &credential).replace(&rule('1'), &rule(digit));
        let (config, found) = load_sentinel(&world, &own(), "o.toml", &text).expect("a set");
        assert_eq!(found.len(), 0, "{}", world.said(&found));
        config.sinks[2].fingerprint
    };
    let first = of("one", '1');
    assert!(first == of("one", '1') && first != of("two", '1') && first != of("one", '2'));
}

#[test]
fn wrong_destinations_keep_their_organizations_out() {
    let secrets =
        ["good", "plain", "unknown", "elsewhere", "variable", "file", "shared", "pasted", "cli", "rule", "list"];
    let world = World::new(&secrets);
    let credential = |name: &str, secret: &str| {
        let more = format!(
            ", credential = {{ kind = \"client_secret\", tenant_id = \"t\", client_id = \"c\", client_secret = \"{secret}\" }}"
        );
        with_destination(name, &more)
    };
    let text = [
        with_destination("good", ""),
        entry("plain", "destination = \"somewhere\""),
        with_destination("unknown", ", endpont = \"x\""),
        with_destination("elsewhere", "").replace(MONITOR, "https://evil.example"),
        with_destination("variable", ", tenant_id = \"${HOME}\""),
        credential("file", "nowhere"),
        credential("shared", "good"),
        credential("pasted", "hidden0123456789abcdefHIDDEN0123456789"),
        with_destination("cli", ", credential = { kind = \"azure_cli\", azure_cli_path = \"/tmp/x\" }"),
        with_destination("rule", "").replace("dcr-", "dcx-"),
        with_destination("list", ", tenant_id = [1]"),
    ]
    .concat();
    let (config, found) = load_sentinel(&world, &own(), "o.toml", &text).expect("one is right");
    assert_eq!(names(&config), ["nordpass@good"]);
    insta::assert_snapshot!("wrong_destinations", world.said(&found));
}

#[test]
fn a_sink_without_a_destination_gets_what_organizations_with_one_send_and_nothing_else() {
    let world = World::new(&["acme", "beta"]);
    let text = with_destination("acme", "") + &entry("beta", "");
    let (config, found) = load_sentinel(&world, "", "o.toml", &text).expect("a set");
    assert_eq!(sinks(&config)[1..], [("sentinel@acme", Takes::Organization("c-acme".into()))]);
    assert_eq!(names(&config), ["nordpass@acme"]);
    let said = world.said(&found);
    assert!(said.contains("an organization has no `destination`, and `sentinel` has none for all"), "{said}");

    let health = "[sources.health]\ntype = \"health\"\n[sinks.own]\ntype = \"console\"\ninputs = [\"health\"]\n";
    assert!(load_set(&world, "", "o.toml", &text, health).is_ok(), "a source of no organization has a sink of its own");
    let errors = load_mixed(&world, &text).expect_err("what a file has belongs to nobody");
    let said = world.said(&errors);
    assert!(said.contains("what `file` sends belongs to no organization, and `sentinel` has no destination"), "{said}");
}

#[test]
fn a_destination_needs_one_sink_that_can_have_it() {
    let world = World::new(&["acme"]);
    let text = with_destination("acme", "");
    let none = world.load("o.toml", &text).expect_err("no organization is left");
    assert!(world.said(&none).contains("no sink of this set can have a destination"), "{}", world.said(&none));
    let second = format!(
        "[sinks.second]\ntype = \"sentinel\"\ninputs = [\"log\"]\n{}\nstreams = {{ log = \"Custom-E\" }}\n\
         credential = {{ kind = \"managed_identity\" }}\n",
        own()
    );
    let two = load_set(&world, &own(), "o.toml", &text, &second).expect_err("no organization is left");
    assert!(world.said(&two).contains("`destination` could be for each of 2 sinks"), "{}", world.said(&two));
    let (config, _) = load_set(&world, "", "o.toml", &text, &second).expect("the one without its own");
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["archive", "sentinel@acme", "second"]);
}

//! What stands in `deploy/`: the Azure template's rule takes exactly what the program sends, and every pipeline file is one
//! that the program runs.

use std::process::Stdio;

use nordpass_env::catalogue::{EVENT_LOG_TABLE, HEALTH_TABLE};
use nordpass_sentinel::pipeline;
use nordpass_sentinel::settings::Environment;
use nordpass_simulator::ingestion::{self, Dcr};
use nordpass_simulator::{Simulation, SimulationOptions, entra};

use crate::support::{World, history, output, program, repository, said};

const TEMPLATE: &str = "deploy/azure/mainTemplate.json";
const EVENTS: u64 = 2_000;

/// The rule as the template declares it.
fn rule() -> Dcr {
    let text = std::fs::read_to_string(repository(TEMPLATE)).expect("the template");
    Dcr::from_json(&text).expect("its rule")
}

/// Azure with this rule, and with a user-assigned identity and no other, as the template makes it.
async fn world(dcr: Dcr) -> World {
    let ingestion = ingestion::Settings { dcr, ..ingestion::Settings::default() };
    let entra = entra::Settings::default();
    let entra = entra::Settings { user_identity: Some(entra.client_id.clone()), system_identity: false, ..entra };
    let options = SimulationOptions { events: history(51, 2_000), entra, ingestion, ..SimulationOptions::default() };
    World::new(options).await
}

/// A command over the container's pipeline files that fill all five tables. The state is in a folder: `checkpoint.toml`
/// would keep it in a storage account.
fn container(world: &World, arguments: &[&str]) -> std::process::Command {
    let files =
        ["nordpass.toml", "asim.toml", "official-table.toml"].map(|name| repository("deploy/container").join(name));
    let mut command = world.command(arguments);
    command.args(files).env("DATA_DIR", "state").env("API_LISTEN", "127.0.0.1:0").env("INSTANCE", "one");
    command
}

/// What went wrong with the rows in any table, in words.
fn damage(simulation: &Simulation, dcr: &Dcr) -> Vec<String> {
    let tables = dcr.streams.values().map(|stream| (&stream.table, simulation.ingestion.table(&stream.table)));
    let dropped = tables.flat_map(|(name, table)| {
        table.dropped_columns.into_keys().map(move |column| format!("{name} has no column {column}"))
    });
    dropped.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_templates_rule_takes_every_row_of_the_whole_pipeline() {
    let world = world(rule()).await;
    let end = output(container(&world, &["run", "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "{}", said(&end));
    assert_eq!(damage(&world.simulation, &rule()), Vec::<String>::new());
    let verdict = world.simulation.verdict();
    assert_eq!((verdict.events_delivered, verdict.events_lost), (EVENTS, 0), "{verdict:?}");
    let asim: u64 = verdict.rows.iter().filter(|(table, _)| table.starts_with("ASim")).map(|(_, rows)| rows).sum();
    assert_eq!((verdict.rows[EVENT_LOG_TABLE], asim), (EVENTS, EVENTS), "each event once in each: {verdict:?}");
    assert!(world.simulation.ingestion.table(HEALTH_TABLE).rows >= 5, "a row for each source and sink");
    assert_eq!(verdict.rows.len(), 5, "all five tables: {verdict:?}");
}

#[test]
fn the_template_declares_the_columns_that_rows_have_and_no_others() {
    let (declared, sent) = (rule().streams, Dcr::default().streams);
    assert_eq!(declared.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>());
    for (name, stream) in &sent {
        assert_eq!(&declared[name], stream, "{name}\nhint: cargo xtask docs");
    }
}

/// The test above must be able to fail: one column less in each stream is one complaint each.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_taken_out_of_the_rule_is_missed() {
    let mut dcr = rule();
    for stream in dcr.streams.values_mut() {
        let column = if stream.table == EVENT_LOG_TABLE { "event_id" } else { "EventOriginalUid" };
        let column = if stream.table == HEALTH_TABLE { "State" } else { column };
        stream.columns.remove(column).expect("it is declared");
    }
    let world = world(dcr.clone()).await;
    let end = output(container(&world, &["run", "--once", "--timeout", "600s"])).await;
    assert!(end.status.success(), "Azure drops columns silently: {}", said(&end));
    assert_eq!(damage(&world.simulation, &dcr).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_rule_does_not_have_is_refused() {
    let mut dcr = rule();
    dcr.streams.remove("Custom-NordPassAuthentication").expect("it is declared");
    let world = world(dcr).await;
    let end = output(container(&world, &["validate", "--connect"])).await;
    assert_eq!(end.status.code(), Some(1), "{}", said(&end));
    assert!(said(&end).contains("Custom-NordPassAuthentication"), "{}", said(&end));
}

/// The simulator on the command line, for anybody's own load test against this very rule.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_loads_the_template() {
    let template = repository(TEMPLATE);
    let mut command = program(&["simulate", "--events", "0", "--until-stdin-closes", "--dcr"]);
    command.arg(template).stdin(Stdio::null());
    let end = output(command).await;
    let first = String::from_utf8_lossy(&end.stdout).lines().next().unwrap_or_default().to_owned();
    let line: serde_json::Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{}", said(&end)));
    let streams: Vec<_> = line["streams"].as_object().expect("streams").keys().cloned().collect();
    assert_eq!(streams, Dcr::default().streams.into_keys().collect::<Vec<_>>());
}

/// What a set of pipeline files says when it is checked, with a host's variables and two secrets in files.
fn validated(files: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = [
        "nordpass_token",
        "azure_client_secret",
        "nordpass-token",
        "azure-client-secret",
        "nordpass/token",
        "nordpass-organizations/example",
    ];
    for name in secrets {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, "a secret\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).expect("set");
    }
    let folder = folder.path().to_str().expect("a path");
    let host = [
        ("SECRETS", folder),
        ("CREDENTIALS_DIRECTORY", folder),
        ("NORDPASS_ENDPOINT_URL", "https://api-activities.eu.nordpass.com/activities/query"),
        ("DATA_COLLECTION_ENDPOINT", "https://dcr-x.westeurope-1.ingest.monitor.azure.com"),
        ("DCR_IMMUTABLE_ID", "dcr-00000000000000000000000000000001"),
        ("NORDPASS_TOKEN", "a token"),
        ("AZURE_TENANT_ID", "11111111-2222-4333-8444-555555555555"),
        ("AZURE_CLIENT_ID", "66666666-7777-4888-9999-000000000000"),
        ("INSTANCE", "one"),
    ];
    // The program's own check, without that of this machine: it needn't have the host's folders.
    let environment = Environment::of(host.iter().chain(variables).copied());
    let files: Vec<_> = files.iter().map(|file| repository("deploy").join(file)).collect();
    let loaded = pipeline::read_files(&files).and_then(|files| pipeline::load(&files, &environment));
    let (is_valid, found) = match loaded {
        Ok((_, warnings)) => (true, warnings),
        Err(found) => (false, found),
    };
    (is_valid, found.iter().map(|found| found.human(false)).collect())
}

/// No error and no warning: what is shipped is an example as well.
fn assert_valid(files: &[&str], variables: &[(&str, &str)]) {
    let (is_valid, words) = validated(files, variables);
    assert!(is_valid && words.is_empty(), "{files:?}: {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_files_of_each_host_are_valid() {
    assert_valid(&["compose/pipeline.toml"], &[]);
    assert_valid(&["systemd/pipeline.toml"], &[]);
    for tables in [&["asim"][..], &["official-table"], &["asim", "official-table"]] {
        let names: Vec<_> = tables.iter().map(|name| format!("container/{name}.toml")).collect();
        let files: Vec<_> =
            std::iter::once("container/nordpass.toml").chain(names.iter().map(String::as_str)).collect();
        assert_valid(&files, &[]);
    }
}

/// Those with a shared checkpoint or a platform's identity, and the function's default.
#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_files_of_hosts_in_azure_are_valid() {
    let takeover = ["container/nordpass.toml", "container/checkpoint-takeover.toml", "container/official-table.toml"];
    let sets: [&[&str]; 6] = [
        &takeover,
        &["kubernetes/pipeline.toml"],
        &["kubernetes/replicas/pipeline.toml"],
        &["container/nordpass.toml", "container/checkpoint.toml", "container/asim.toml"],
        &["functions/pipeline.toml"],
        &["container/nordpass.toml", "container/checkpoint.toml", "container/asim.toml", "container/archive.toml"],
    ];
    let config = repository("deploy/kubernetes/replicas");
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", "nordpass/token"),
        ("BLOB_URL", "https://account.blob.core.windows.net/"),
        ("CONFIG", config.to_str().expect("a path")),
        ("POD_INDEX", "2"),
        ("REPLICAS", "3"),
        ("TAKEOVER_BLOB_URL", "https://official.blob.core.windows.net/"),
    ];
    for files in sets {
        assert_valid(files, &variables);
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("organizations.toml"), "[acme]\nid = \"c-1\"\ntoken = \"acme\"\n")
        .expect("writes");
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).expect("a folder");
    std::fs::write(secrets.join("acme"), "token\n").expect("writes");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(secrets.join("acme"), std::fs::Permissions::from_mode(0o600)).expect("the owner's");
    }
    let organizations = ("ORGANIZATIONS", folder.path().to_str().expect("a path"));
    let files = ["container/organizations.toml", "container/checkpoint.toml", "container/asim.toml"];
    assert_valid(&files, &[&variables[..], &[organizations]].concat());
}

/// A name that two hosts share hides the death of one behind the life of the other.
#[test]
fn no_host_gets_a_name_that_another_has_by_default() {
    let read = |file: &str| std::fs::read_to_string(repository("deploy").join(file)).expect(file);
    for file in ["systemd", "compose", "kubernetes", "functions"].map(|host| format!("{host}/pipeline.toml")) {
        assert!(read(&file).contains("instance = \"${INSTANCE}\"\n"), "{file}");
    }
    for file in ["container/nordpass.toml", "container/organizations.toml"] {
        assert!(read(file).contains("instance = \"${INSTANCE}\"\n"), "{file}");
    }
    for file in ["systemd/environment.example", "compose/settings.example.env", "kubernetes/settings.env"] {
        let text = read(file);
        let set = text.lines().find_map(|line| line.strip_prefix("INSTANCE="));
        assert!(set.is_none_or(str::is_empty), "{file}: {set:?}");
    }
    let unit = read("systemd/nordpass-sentinel.service");
    let name = unit.find("Environment=INSTANCE=%H\n").expect("the host's name");
    assert!(name < unit.find("EnvironmentFile=").expect("the settings"), "the file's settings win");
    assert!(read("compose/compose.yaml").contains("INSTANCE: ${INSTANCE:?set it in .env}\n"));
    let pod = read("kubernetes/statefulset.yaml");
    let own = ["fieldPath: metadata.namespace ", "fieldPath: metadata.name ", "value: $(POD_NAMESPACE)/$(POD_NAME)\n"];
    let places: Vec<_> = own.iter().map(|text| pod.find(text).expect(text)).collect();
    assert!(places.is_sorted(), "a variable refers to earlier ones only: {places:?}");
}

/// Where a patch doesn't meet what it means, `kubectl --kustomize` adds a second container, volume or mount without a word.
#[test]
fn the_patch_of_several_replicas_meets_the_set_of_one() {
    let read = |file: &str| {
        let text = std::fs::read_to_string(repository("deploy/kubernetes").join(file)).expect(file);
        serde_yaml_ng::from_str::<serde_yaml_ng::Value>(&text).expect(file)
    };
    let (base, patch) = (read("statefulset.yaml"), read("replicas/statefulset.yaml"));
    for key in ["apiVersion", "kind", "metadata"] {
        let named = |value: &serde_yaml_ng::Value| value[key]["name"].clone();
        assert_eq!(named(&base), named(&patch), "{key}");
    }
    let pod = |value: &serde_yaml_ng::Value| value["spec"]["template"]["spec"].clone();
    let names = |list: &serde_yaml_ng::Value| -> Vec<String> {
        let list = list.as_sequence().expect("a list").iter();
        list.map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
    };
    let (base, pods) = (pod(&base), pod(&patch));
    assert_eq!(names(&base["containers"]), names(&pods["containers"]));
    let is_removed = |entry: &&serde_yaml_ng::Value| entry["$patch"] == "delete";
    for place in ["volumes", "volumeMounts"] {
        let list = |pod: &serde_yaml_ng::Value| {
            if place == "volumes" { pod[place].clone() } else { pod["containers"][0][place].clone() }
        };
        let removed: Vec<_> = list(&pods).as_sequence().expect("a list").iter().filter(is_removed).cloned().collect();
        let there = names(&list(&base));
        assert!(
            !removed.is_empty()
                && removed.iter().all(|entry| there.contains(&entry["name"].as_str().expect("a name").to_owned()))
        );
        let added = names(&list(&pods));
        assert!(added.iter().filter(|name| !there.contains(name)).eq(["organizations"].iter()), "{added:?}");
    }
    let settings = std::fs::read_to_string(repository("deploy/kubernetes/replicas/settings.env")).expect("settings");
    let replicas = patch["spec"]["replicas"].as_u64().expect("a number");
    assert!(settings.contains(&format!("REPLICAS={replicas}\n")), "as many as the shards are counted");
}

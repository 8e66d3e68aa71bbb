//! `estimate` against the simulator and from recordings, and `validate --dcr`.

use std::fmt::Write as _;

use nordpass_simulator::Endpoint;
use nordpass_simulator::SimulationOptions;
use serde_json::Value;

use crate::support::{World, history, output, program, repository, said};

fn estimate(out: &std::process::Output) -> Value {
    assert!(out.status.success(), "{}", said(out));
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_counted_and_a_sample_goes_through_the_pipeline() {
    let world = World::new(SimulationOptions { events: history(21, 5_000), ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let arguments = ["estimate", pipeline, "--days", "14", "--pages", "10", "--price-per-gb", "4.30", "--json"];
    let estimated = estimate(&output(world.command(&arguments)).await);
    let requests = world.simulation.log().at(Endpoint::Nordpass).len() as u64;
    assert_eq!(estimated["requests"], requests);
    assert!(requests <= 24, "{requests}");
    assert!(world.simulation.ingestion.rows().values().all(|rows| *rows == 0), "nothing is sent");
    assert!(!world.folder.path().join("state").exists() && !world.folder.path().join("archive").exists());
    // The history has seven days; the running one isn't counted.
    let a_day = number(&estimated["events_per_day"]);
    assert!((5_000.0 / 14.0 * 0.7..=5_000.0 / 14.0).contains(&a_day), "{a_day}");
    let total = &estimated["total"];
    assert!((number(&total["rows_per_month"]) - a_day * 30.0).abs() < 20.0, "each event is one row: {total}");
    assert!(number(&total["gb_billed_per_month"]) < number(&total["gb_json_per_month"]), "{total}");
    let cost = number(&total["gb_billed_per_month"]) * 4.30;
    assert!((number(&total["cost_per_month"]) - cost).abs() < 1e-3, "{total}");
    assert_eq!(estimated["tables"].as_array().map(Vec::len), Some(3));
    assert_eq!(estimated["other_sinks"][0]["name"], "archive");

    // What a filter leaves out costs nothing: the estimate says what it saves, and another one proves it.
    let first = estimated["event_types"][0].clone();
    let kind = first["name"].as_str().expect("a name");
    let text = std::fs::read_to_string(pipeline).expect("a file").replace(
        "[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]",
        &format!(
            "[transforms.quiet]\ntype = \"filter\"\ninputs = [\"nordpass\"]\nexclude = [{kind:?}]\n\n[transforms.asim]\ntype = \
             \"asim\"\ninputs = [\"quiet\"]"
        ),
    );
    let filtered = world.pipeline("filtered.toml", &text);
    let arguments = ["estimate", filtered.to_str().expect("a path"), "--days", "14", "--pages", "10", "--json"];
    let cheaper = estimate(&output(world.command(&arguments)).await);
    let saved = number(&total["gb_billed_per_month"]) - number(&cheaper["total"]["gb_billed_per_month"]);
    assert!((saved - number(&first["gb_billed_per_month"])).abs() < 2e-6, "{saved} {first}");
    assert!(number(&cheaper["events_left_out_per_day"]) > 0.0, "{cheaper}");
    let out = output(world.command(&arguments[..2])).await;
    for words in ["GB billed", "what a filter would save", "leaves out", "--price-per-gb", "archive: "] {
        assert!(said(&out).contains(words), "{words}: {}", said(&out));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_needs_no_network_and_agrees_with_replay() {
    let world = World::new(SimulationOptions { events: history(22, 2_000), ..SimulationOptions::default() }).await;
    let mut recording = String::new();
    for event in history(22, 2_000) {
        let _ = writeln!(recording, "{}", event.json());
    }
    std::fs::write(world.folder.path().join("recording.ndjson"), recording).expect("writes");
    let pipeline = world.both();
    let pipeline = pipeline.to_str().expect("a path");
    let mut command = program(&["estimate", "--recording", "recording.ndjson", "--json", pipeline]);
    command.current_dir(world.folder.path()).env_clear();
    let estimated = estimate(&output(command).await);
    assert_eq!((&estimated["events_sampled"], &estimated["requests"]), (&2_000.into(), &0.into()));
    assert_eq!(world.simulation.log().count(), 0);
    let out = output(world.command(&["replay", "recording.ndjson", "--pipeline", pipeline, "--json"])).await;
    let replayed = estimate(&out);
    let both = [&estimated["total"]["gb_json_per_month"], &replayed["gb_json_per_month_to_azure"]].map(number);
    assert!((both[0] - both[1]).abs() < 1e-3, "{both:?}");

    for (arguments, words, code) in [
        (vec!["--recording", "nowhere.ndjson"], "no file matches nowhere.ndjson", 1),
        (vec!["--recording", "recording.ndjson", "--source", "a"], "available: nordpass", 2),
        (vec!["--price-per-gb", "cheap"], "expected a price such as 4.30", 2),
        (vec!["--recording", "recording.ndjson", "--days", "3"], "cannot be used with", 2),
    ] {
        let out = output(world.command(&[&["estimate", pipeline], arguments.as_slice()].concat())).await;
        assert!(out.status.code() == Some(code) && said(&out).contains(words), "{}", said(&out));
    }
}

/// What a transform can't handle costs nothing in Azure, and isn't what the pipeline leaves out on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_transform_refuses_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recording = String::new();
    for hour in 0..100 {
        let metadata = if hour % 4 == 0 { "\"text\"" } else { "{}" };
        let time = 1_764_400_000 + hour * 3_600;
        let _ = writeln!(recording, r#"{{"type":"login","action":"a","timestamp":{time},"metadata":{metadata}}}"#);
    }
    std::fs::write(folder.path().join("recording.ndjson"), recording).expect("writes");
    let mut command = program(&["estimate", "--recording", "recording.ndjson", "--json"]);
    command.arg(repository("docs/guide/recipes/what-cannot-be-changed.toml"));
    command.current_dir(folder.path()).env_clear();
    let estimated = estimate(&output(command).await);
    let records = |sink: usize| number(&estimated["other_sinks"][sink]["records_per_month"]);
    let refused = &estimated["refused"][0];
    assert_eq!(refused["transform"], "strict");
    let refused = number(&refused["records_per_month"]);
    assert!(refused > 0.0 && (records(0) - refused - records(1)).abs() < 2.0, "{estimated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_ends_it_at_once() {
    let world = World::new(SimulationOptions { events: history(23, 100), ..SimulationOptions::default() }).await;
    let pipeline = world.both();
    let mut command = world.command(&["estimate", pipeline.to_str().expect("a path")]);
    command.env("NORDPASS_TOKEN", "another");
    let out = output(command).await;
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    assert!(said(&out).contains("source nordpass: NordPass refuses the token"), "{}", said(&out));
    assert_eq!(world.simulation.log().at(Endpoint::Nordpass).len(), 1);
}

/// The deployment's own template declares everything; a rule that lacks a column, or a stream, doesn't.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_the_rule_does_not_declare_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = std::fs::read_to_string(repository("deploy/azure/mainTemplate.json")).expect("a file");
    let validate = async |rule: &str| {
        std::fs::write(folder.path().join("rule.json"), rule).expect("writes");
        let mut command = program(&["validate", "--no-environment", "--dcr", "rule.json"]);
        command.arg(repository("pipelines/with-health.toml")).current_dir(folder.path()).env_clear();
        output(command).await
    };
    let out = validate(&template).await;
    assert!(out.status.success() && said(&out).contains("of 4 streams are declared"), "{}", said(&out));
    let out = validate(&template.replace("\"name\": \"SrcIpAddr\"", "\"name\": \"SrcIpAdr\"")).await;
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    let words = "the stream Custom-NordPassAuthentication doesn't declare `SrcIpAddr`: Azure drops this column without an error";
    assert!(said(&out).contains(words) && said(&out).contains("did you mean `SrcIpAdr`?"), "{}", said(&out));
    let out = validate(&template.replace("Custom-NordPassConnectorHealth_CL", "Custom-NordPassHealth_CL")).await;
    assert!(said(&out).contains("doesn't declare the stream Custom-NordPassConnectorHealth_CL"), "{}", said(&out));
    for (rule, words) in [("{", "this isn't JSON"), ("{}", "it has no `streamDeclarations`")] {
        let out = validate(rule).await;
        assert!(out.status.code() == Some(2) && said(&out).contains(words), "{}", said(&out));
    }
}

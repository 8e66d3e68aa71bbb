use clap::Parser;
use jiff::Timestamp;

use super::left_out::LeftOut;
use super::*;
use crate::component::Records;
use crate::pipeline::{Chunks, load};
use crate::settings::Environment;
use crate::sources::nordpass::Examine;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    range: RangeArgs,
}

const NOW: &str = "2026-11-16T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn seconds(arguments: &[&str]) -> CommandResult<Range<i64>> {
    let line = Line::try_parse_from([&["line", "a.toml"], arguments].concat()).expect("parses");
    line.range.seconds(now())
}

fn text(error: CommandError) -> String {
    error.diagnostics.into_iter().map(|diagnostic| diagnostic.json()).collect()
}

#[test]
fn a_date_is_its_midnight_and_the_end_is_now() {
    let midnight = "2026-11-10T00:00:00Z".parse::<Timestamp>().expect("a time").as_second();
    assert_eq!(seconds(&["--from", "2026-11-10"]).expect("a range"), midnight..now().as_second());
    let to = ["--from", "2026-11-10", "--to", "2026-11-10T01:00:00+01:00"];
    assert!(seconds(&to).is_err(), "the same moment in another time zone");
    let to = ["--from", "2026-11-10", "--to", "2026-11-10T01:00:00Z"];
    assert_eq!(seconds(&to).expect("a range"), midnight..midnight + 3600);
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_can() {
    let refused = |arguments: &[&str]| text(seconds(arguments).expect_err("refused"));
    let old = refused(&["--from", "2026-08-01"]);
    assert!(old.contains("107 days ago") && old.contains("2026-08-18T12:02:00Z"), "{old}");
    assert!(refused(&["--from", "2026-11-10", "--to", "2026-11-17"]).contains("in the future"));
    assert!(refused(&["--from", "2026-11-10", "--to", "2026-11-09"]).contains("isn't after"));
}

#[test]
fn what_is_no_time_is_a_usage_error() {
    for text in ["yesterday", "2026-13-01", "2026-11-01T08:00", "20261101", ""] {
        assert!(parse_time(text).is_err(), "{text}");
    }
}

fn config() -> Config {
    let text = r#"
        data_dir = "state"
        [api]
        listen = "127.0.0.1:8080"
        [sources.one]
        type = "nordpass"
        endpoint = "https://one.example/query"
        token = "t"
        [sources.two]
        type = "nordpass"
        endpoint = "https://two.example/query"
        token = "t"
        [sources.lines]
        type = "stdin"
        [sinks.out]
        type = "blackhole"
        inputs = ["one", "two", "lines"]
    "#;
    load(&[("a.toml".into(), text.to_owned())], &Environment::default()).expect("is valid").0
}

/// What each source of the file is to do, and whether it is there at all.
fn modes(config: &Config) -> Vec<Option<bool>> {
    let mode = |source: &crate::pipeline::SourceConfig| {
        let settings: &dyn Any = source.settings.as_ref();
        settings.downcast_ref::<Settings>().map(|settings| matches!(settings.mode, ReadMode::Fetch(_)))
    };
    config.sources.iter().map(mode).collect()
}

#[test]
fn only_the_chosen_sources_take_part() {
    let choose = |arguments: &[&str]| {
        let line = Line::try_parse_from([&["line", "a.toml", "--from", "2026-11-10"], arguments].concat());
        let mut config = config();
        let chosen = line.expect("parses").range.select(&mut config).map_err(text)?;
        let chosen: Vec<_> = chosen.into_iter().map(|(name, _)| (name, ReadMode::Fetch(0..1))).collect();
        assign(&mut config, &chosen);
        assert_eq!(config.api_listen, None);
        Ok::<_, String>(modes(&config))
    };
    assert_eq!(choose(&[]).expect("both"), [Some(true), Some(true), None]);
    assert_eq!(choose(&["--source", "two"]).expect("one"), [None, Some(true), None]);
    let error = choose(&["--source", "three"]).expect_err("no such source");
    assert!(error.contains("three") && error.contains("one, two"), "{error}");
    assert!(choose(&["--source", "lines"]).is_err(), "not a source that can be asked");
}

/// The source of an organization has a name of its own, and its template's readers.
#[test]
fn what_an_organizations_pipeline_leaves_out_counts_as_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
    std::fs::write(folder.path().join("secrets/acme"), "t").expect("a file");
    std::fs::write(folder.path().join("o.toml"), "[acme]\nid = \"c-1\"\ntoken = \"acme\"\n").expect("a file");
    let text = format!(
        "[organizations]\nfile = \"{at}/o.toml\"\nsecrets_dir = \"{at}/secrets\"\n\
         allowed_endpoints = [\"https://one.example/query\"]\n[sources.nordpass]\ntype = \"nordpass\"\n\
         [transforms.some]\ntype = \"filter\"\ninputs = [\"nordpass\"]\ninclude = [\"login.*\"]\n\
         [sinks.out]\ntype = \"console\"\ninputs = [\"some\"]\n"
    );
    let config = load(&[("a.toml".into(), text)], &Environment::default()).expect("is valid").0;
    let line = r#"{"type":"item","action":"item_created","timestamp":1,"metadata":{}}"#;
    let event = Chunks::default().read(line.as_bytes().to_vec(), Records::Events).chunk.expect("an event");
    let left_out = LeftOut::new(&config, "nordpass@acme");
    left_out.acknowledged(&event, 1);
    assert_eq!(left_out.counted().acknowledged, 1);
}

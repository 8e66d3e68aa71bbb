use tokio_util::sync::CancellationToken;

use super::call::{Call, Outcome};
use super::catch_up::CatchUp;
use super::settings::Settings;
use crate::settings::Environment;
use crate::sources::nordpass;

#[test]
fn a_call_is_read_in_every_spelling_and_only_what_is_no_json_is_refused() {
    for (body, past_due) in [
        (
            r#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":true}},"Metadata":{}}"#,
            true,
        ),
        (r#"{"data":{"timer":{"isPastDue":true}}}"#, true),
        (r#"{"Data":{"timer":"{\"IsPastDue\":true}"}}"#, true),
        (r#"{"Data":{"timer":{"IsPastDue":"perhaps"}}}"#, false),
        (r#"{"Data":{"timer":"nonsense"},"Metadata":{"RetryContext":{"MaxRetryCount":5}}}"#, false),
        (r#"{"Data":[]}"#, false),
        ("[]", false),
        ("null", false),
        ("", false),
        (" \r\n", false),
    ] {
        assert_eq!(Call::parse(body.as_bytes()), Ok(Call { past_due }), "{body}");
    }
    for body in ["<html>", "{", "\u{feff}{}", "{}{}"] {
        assert!(Call::parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(Call::parse(&[0xff, 0xfe]).is_err());
}

#[test]
fn settings_are_checked_before_anything_listens() {
    let read = |variables: &[(&str, &str)]| Settings::read(&Environment::of(variables.iter().copied()));
    let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071");
    let settings = read(&[port]).expect("enough");
    assert_eq!((settings.listen.to_string().as_str(), settings.limit.as_secs()), ("127.0.0.1:7071", 180));
    assert!(settings.files[0].is_absolute() && settings.files[0].ends_with("pipeline.toml"), "{settings:?}");
    let two = read(&[port, ("NORDPASS_SENTINEL_PIPELINE", "nordpass.toml, /etc/asim.toml,")]).expect("files");
    assert_eq!(two.files.len(), 2);
    assert_eq!(two.files[1].to_str(), Some("/etc/asim.toml"));
    assert_eq!(read(&[("FUNCTIONS_HTTPWORKER_PORT", "7071")]).expect("the older name").listen.port(), 7071);
    for (variables, part) in [
        (&[][..], "isn't set"),
        (&[("FUNCTIONS_CUSTOMHANDLER_PORT", "http")], "isn't a port"),
        (&[("FUNCTIONS_CUSTOMHANDLER_PORT", "0")], "isn't a port"),
        (&[port, ("NORDPASS_SENTINEL_TIME_LIMIT", "5s")], "is invalid"),
        (&[port, ("NORDPASS_SENTINEL_TIME_LIMIT", "soon")], "is invalid"),
    ] {
        let (message, hint) = read(variables).expect_err("wrong");
        assert!(message.contains(part) && !hint.is_empty(), "{message}");
    }
}

#[test]
fn a_failure_is_no_success() {
    let outcome = Outcome { logs: vec!["sink sentinel: 0 delivered".into()], failures: Vec::new() };
    assert_eq!(outcome.into_response().status(), 200);
    assert_eq!(Outcome::failed("the token is refused").into_response().status(), 500);
}

/// No run lives for an hour: without this no late event would ever be found.
#[test]
fn each_run_sweeps_when_it_is_due_and_serves_no_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[api]\nlisten = \"127.0.0.1:8686\"\n[sources.nordpass]\ntype = \"nordpass\"\n\
                endpoint = \"https://api-activities.eu.nordpass.com/activities/query\"\ntoken = \"${T}\"\n\
                [sinks.out]\ntype = \"blackhole\"\ninputs = [\"nordpass\"]\n";
    let file = folder.path().join("pipeline.toml");
    std::fs::write(&file, text).expect("writes");
    let file = file.to_str().expect("a path").to_owned();
    let variables = [("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), ("NORDPASS_SENTINEL_PIPELINE", &file), ("T", "token")];
    let environment = Environment::of(variables);
    let settings = Settings::read(&environment).expect("settings");
    let work = CatchUp::new(settings.clone(), environment, crate::http::system_env(), CancellationToken::new());
    let config = work.config().expect("a configuration");
    assert_eq!(config.api_listen, None);
    let settings: &dyn std::any::Any = config.sources[0].settings.as_ref();
    let source = settings.downcast_ref::<nordpass::Settings>().expect("a nordpass source");
    assert!(source.again_with_once);
    std::fs::write(&file, "[sources").expect("writes");
    assert!(work.config().expect_err("wrong")[0].contains("pipeline.toml:1: "), "read anew, and told with its place");
}

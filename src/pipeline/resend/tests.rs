use std::path::PathBuf;

use super::*;
use crate::http::system_env;
use crate::pipeline::load;
use crate::settings::Environment;
use crate::telemetry::ComponentKind;
use nordpass_env::{MemoryDisk, SeededRandom, TestClock};

fn env() -> Env {
    Env {
        clock: Arc::new(TestClock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
        random: Arc::new(SeededRandom::new(1)),
        disk: Arc::new(MemoryDisk::new()),
        ..system_env()
    }
}

fn config(text: &str) -> Config {
    let files: [(PathBuf, String); 1] = [("p.toml".into(), text.to_owned())];
    load(&files, &Environment::default()).unwrap_or_else(|found| panic!("{found:?}")).0
}

const SET: &str = r#"
[sources.in]
type = "stdin"
[transforms.before]
type = "filter"
inputs = ["in"]
include = ["login.*"]
[transforms.asim]
type = "asim"
inputs = ["before"]
[transforms.mark]
type = "modify"
inputs = ["asim.audit_event", "asim.authentication"]
set = { "AdditionalFields.Tenant" = "acme" }
[transforms.behind]
type = "filter"
inputs = ["mark.authentication"]
exclude_users = ["nobody"]
[sinks.some]
type = "blackhole"
inputs = ["mark.audit_event", "asim.user_management", "behind.authentication"]
[sinks.other]
type = "blackhole"
inputs = ["in"]
"#;

fn letter<'a>(stream: &'a str, record: &'a str) -> Letter<'a> {
    Letter { id: EventId(7), shown_id: Some(EventId(8)), organization: None, stream, record }
}

#[test]
fn only_what_is_behind_the_transform_runs() {
    let (behind, senders) = behind(&config(SET), "mark", 2);
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(behind.transforms.iter().map(|known| &known.name).collect()), ["mark", "behind"]);
    assert_eq!(names(behind.sinks.iter().map(|known| &known.name).collect()), ["some"]);
    assert_eq!((behind.sources.len(), senders.len()), (2, 2));
    assert_eq!(behind.transforms[0].inputs[1].component, "mark, input 1");
}

#[tokio::test]
async fn a_letter_goes_in_where_it_came_from_and_is_accepted_when_every_sink_has_it() {
    let resender = resender(&config(SET), "mark", &env()).await.expect("a transform");
    let patience = Duration::from_secs(5);
    let row = r#"{"TimeGenerated":"2026-01-02T03:04:05Z","AdditionalFields":{"Organization":"o"}}"#;
    for (stream, record, accepted) in [
        ("asim.audit_event", row, true),
        ("asim.authentication", row, true),
        ("asim.authentication", r#"{"AdditionalFields":"text"}"#, false),
        ("asim.user_management", row, false),
        ("asim.audit_event", "[]", false),
    ] {
        let outcome = resender.resend(letter(stream, record), &resender.request_id(), patience).await;
        match outcome {
            ResendOutcome::Accepted => assert!(accepted, "{stream} {record}"),
            ResendOutcome::Impossible { reason } => assert!(!accepted, "{stream} {record}: {reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(super::resender(&config(SET), "nothing", &env()).await.is_err());
}

/// A letter that another organization's workspace got would be a leak.
#[tokio::test]
async fn a_letter_goes_to_its_own_organizations_destination_or_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
    let list = "[acme]\nid = \"c-1\"\ntoken = \"acme\"\n[acme.destination]\nendpoint = \"http://127.0.0.1:9\"\n\
                dcr_immutable_id = \"dcr-00000000000000000000000000000001\"\n[beta]\nid = \"c-2\"\ntoken = \"beta\"\n";
    std::fs::write(folder.path().join("o.toml"), list).expect("a file");
    for name in ["acme", "beta"] {
        std::fs::write(folder.path().join("secrets").join(name), name).expect("a file");
    }
    let set = format!(
        "[organizations]\nfile = \"{at}/o.toml\"\nsecrets_dir = \"{at}/secrets\"\n\
         allowed_endpoints = [\"https://one.example/query\", \"http://127.0.0.1:9\"]\n[sources.nordpass]\ntype = \"nordpass\"\n\
         [transforms.log]\ntype = \"event_log\"\ninputs = [\"nordpass\"]\n[sinks.out]\ntype = \"sentinel\"\ninputs = [\"log\"]\n\
         endpoint = \"http://127.0.0.1:9\"\ndcr_immutable_id = \"dcr-00000000000000000000000000000000\"\n\
         streams = {{ log = \"Custom-E\" }}\ncredential = {{ kind = \"managed_identity\" }}\n"
    );
    let resender = open(&config(&set), "log", &env()).await.expect("a transform");
    let event = r#"{"type":"a","action":"b","timestamp":1738255186,"organization_uuid":"o"}"#;
    let to = async |organization| {
        let letter = Letter { organization, ..letter("nordpass", event) };
        resender.resend(letter, "r", Duration::MAX).await
    };
    for (organization, words) in [(None, "doesn't say whose it is"), (Some("c-3"), "no longer listed")] {
        let ResendOutcome::Impossible { reason } = to(organization).await else { panic!("{organization:?}") };
        assert!(reason.contains(words), "{reason}");
    }
    // Nobody listens there: who waits is who would have got it.
    let waits = |sink: &str| {
        let state = resender.telemetry.component(ComponentKind::Sink, sink).status().get();
        matches!(state, ComponentState::Waiting { .. })
    };
    let got = async |sink| {
        while !waits(sink) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for (organization, sink) in [("c-1", "out@acme"), ("c-2", "out")] {
        assert!(!waits("out"), "{organization}");
        tokio::select! {
            outcome = to(Some(organization)) => panic!("{organization}: {outcome:?}"),
            () = got(sink) => {}
        }
    }
}

#[test]
fn a_record_is_what_it_was() {
    let origin = Origin { source: "s".into(), run: 0, sequence: 0 };
    let row = r#"{"TimeGenerated":"1970-01-01T00:00:05Z","AdditionalFields":{"Organization":"o"}}"#;
    let (rows, _) = chunk(&letter("x", row), Records::Rows, origin.clone(), 1).expect("a row");
    assert!(rows.events.is_none());
    assert_eq!((rows.records[0].time, &*rows.records[0].organization, rows.records[0].id), (5, "o", EventId(7)));
    let event = r#"{"type":"a","action":"b","timestamp":1738255186,"organization_uuid":"o"}"#;
    let (events, _) = chunk(&letter("x", event), Records::Events, origin, 1).expect("an event");
    assert_eq!((events.records[0].time, &*events.records[0].organization), (1_738_255_186, "o"));
    assert_eq!(events.shown_id(&events.records[0]), EventId(8), "it shows the id that it showed");
}

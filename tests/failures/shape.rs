//! What shaping transforms do to the guarantee: nothing. What is changed is the same event, what is left out on purpose is
//! never missing, what can't be handled is kept, and nobody is recognised behind `pseudonymize`.

use std::path::Path;
use std::time::Duration;

use nordpass_sentinel::dead_letters::{DeadLetterFolder, Fate, Resending};
use nordpass_sentinel::pipeline;
use nordpass_sentinel::settings::Environment;
use nordpass_simulator::ingestion::IMMUTABLE_ID;
use nordpass_simulator::{SimulatedEvent, Simulation, entra};
use serde_json::{Value, json};

use crate::rig::{DAY, HOUR, INGESTION, Rig, START, event, history, keeping};

/// From NordPass through `transforms`, of which `from` is the last, to the audit table.
fn pipeline(transforms: &str, from: &str) -> String {
    let entra = entra::Settings::default();
    format!(
        r#"
data_dir = "data"
[sources.nordpass]
type = "nordpass"
endpoint = "{}"
token = "simulated-nordpass-token"
{transforms}
[sinks.sentinel]
type = "sentinel"
inputs = ["{from}"]
endpoint = "https://{INGESTION}"
dcr_immutable_id = "{IMMUTABLE_ID}"
[sinks.sentinel.streams]
"{from}" = "Custom-NordPassAuditEvent"
[sinks.sentinel.credential]
kind = "client_secret"
tenant_id = "{}"
client_id = "{}"
client_secret = "{}"
"#,
        Simulation::NORDPASS_URL,
        entra.tenant,
        entra.client_id,
        entra.client_secret,
    )
}

/// The tables of an `asim` transform, of which only the audit table is wanted.
fn asim(input: &str) -> String {
    format!(
        r#"
[transforms.asim]
type = "asim"
inputs = ["{input}"]
[sinks.rest]
type = "blackhole"
inputs = ["asim.authentication", "asim.user_management"]
"#
    )
}

fn rig(events: Vec<SimulatedEvent>, transforms: &str, from: &str) -> Rig {
    let mut rig = Rig::new(keeping(events));
    rig.text = pipeline(transforms, from);
    rig
}

/// An event whose metadata is text, so that nothing can be set in it.
fn odd(at: i64, text: &str) -> SimulatedEvent {
    let event = json!({
        "type": "item_access", "action": "item_copied", "timestamp": at,
        "organization_uuid": "00000000-0000-4000-8000-000000000001",
        "user": {"uuid": "00000000-0000-4000-8000-000000000002", "email": "someone@example.com"},
        "metadata": text, "initiator": "",
    });
    SimulatedEvent::from_json(&event.to_string(), at)
}

fn named(rows: &[Value], name: &str) -> Value {
    let row = rows.iter().find(|row| row["AdditionalFields"]["probe"] == name);
    row.unwrap_or_else(|| panic!("no row of {name}")).clone()
}

/// Events are changed, rows are changed, some are left out: the state knows all of them, so a second run sends nothing.
#[tokio::test(start_paused = true)]
async fn what_is_changed_or_left_out_is_known_and_never_sent_again() {
    let events = vec![
        event(START - HOUR, "kept", &json!({"platform": "web", "ip_address": "203.0.113.7"})),
        event(START - HOUR + 1, "internal", &json!({"platform": "web", "ip_address": "10.0.0.7"})),
        event(START - HOUR + 2, "renamed", &json!({"platform": "ios", "old": {"n": 1.50}})),
    ];
    let transforms = r#"
[transforms.outside]
type = "filter"
inputs = ["nordpass"]
exclude_addresses = ["10.0.0.0/8"]
[transforms.renamed]
type = "modify"
inputs = ["outside"]
rename = { "metadata.old" = "metadata.new" }
"#
    .to_owned()
        + &asim("renamed")
        + r#"
[transforms.tenant]
type = "modify"
inputs = ["asim.audit_event"]
set = { "AdditionalFields.Tenant" = "acme of {organization}" }
remove = ["ActorUserId", "ActorUserIdType"]
"#;
    let mut rig = rig(events, &transforms, "tenant.audit_event");
    assert!(rig.once().await.failures.is_empty());
    let rows = rig.rows();
    assert_eq!(rows.len(), 2);
    let (kept, renamed) = (named(&rows, "kept"), named(&rows, "renamed"));
    assert_eq!(kept["AdditionalFields"]["Tenant"], "acme of 00000000-0000-4000-8000-000000000001");
    assert!(kept.get("ActorUserId").is_none_or(Value::is_null) && kept["ActorUsername"] == "someone@example.com");
    assert_eq!(renamed["AdditionalFields"]["new"], json!({"n": 1.5}));
    let known = rig.state().await.known;
    assert_eq!(known.len(), 3, "what was left out is known, too");
    assert!(known.iter().any(|id| kept["EventOriginalUid"] == format!("{id:032x}")), "the id is the event's own");
    assert!(rig.once().await.failures.is_empty());
    assert_eq!(rig.rows().len(), 2);
}

/// Routes by what the events are: one table, two streams, nothing is lost between them.
#[tokio::test(start_paused = true)]
async fn every_event_takes_exactly_one_route() {
    let mut rig = Rig::new(keeping(history(400)));
    rig = rig.with(
        "[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]",
        "[transforms.by]\ntype = \"route\"\ninputs = [\"nordpass\"]\n[transforms.by.routes]\nvault = { include_groups = [\"vault\"] }\n\
         login = { include_groups = [\"login\"] }\n[transforms.asim]\ntype = \"asim\"\ninputs = [\"by.vault\", \"by.login\", \"by._unmatched\"]",
    );
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
}

/// A record that the transform can't handle is a dead letter, written before it is acknowledged and only once, whatever happens in
/// between. A mended program cures it: `dead-letters resend` sends it into the transform again.
#[tokio::test(start_paused = true)]
async fn what_a_transform_can_not_handle_is_kept_and_a_mended_one_takes_it() {
    let events = vec![event(START - HOUR, "good", &json!({})), odd(START - HOUR + 1, "one"), odd(START - DAY, "two")];
    let set = |field: &str| {
        format!(
            "[transforms.mark]\ntype = \"modify\"\ninputs = [\"nordpass\"]\nset = {{ \"{field}\" = \"acme\" }}\n{}",
            asim("mark")
        )
    };
    let mut rig = rig(events, &set("metadata.tenant"), "asim.audit_event");
    let life = rig.start();
    crate::rig::until("the letters are written", 600, || rig.dead_letters("mark").len() == 2).await;
    rig.kill(life).await;
    assert!(rig.once().await.failures.is_empty());
    let letters = rig.dead_letters("mark");
    assert_eq!(letters.len(), 2, "each once: {letters:?}");
    assert_eq!(letters[0]["stream"], "nordpass");
    assert_eq!(letters[0]["reason"], "`metadata` isn't an object, so nothing can be set in it");
    assert!(letters.iter().all(|letter| letter["record"]["metadata"].is_string()), "as they came");
    assert_eq!(rig.state().await.known.len(), 3, "the state doesn't wait for them");
    assert_eq!(rig.rows().iter().filter(|row| row["AdditionalFields"]["probe"] == "good").count(), rig.rows().len());
    // The same program still can't handle them.
    let fates = resend(&rig).await;
    assert!(
        fates.iter().all(|fate| matches!(fate, Fate::Impossible { reason } if reason.contains("isn't an object"))),
        "{fates:?}"
    );
    assert_eq!(rig.dead_letters("mark").len(), 2);
    let before = rig.rows().len();
    rig.text = pipeline(&set("tenant"), "asim.audit_event");
    let fates = resend(&rig).await;
    assert_eq!(fates, [Fate::Accepted { maybe_twice: false }, Fate::Accepted { maybe_twice: false }]);
    let rows = rig.rows();
    assert_eq!(rows.len(), before + 2);
    let ids: Vec<&str> = letters.iter().filter_map(|letter| letter["id"].as_str()).collect();
    assert!(ids.iter().all(|id| rows.iter().any(|row| row["EventOriginalUid"] == **id)), "with their own ids");
    let again = resend(&rig).await;
    assert!(again.iter().all(|fate| matches!(fate, Fate::Before(_))), "{again:?}");
}

/// Sends all dead letters of `mark` into the pipeline as its file is now.
async fn resend(rig: &Rig) -> Vec<Fate> {
    let env = rig.env();
    let files = [("world.toml".into(), rig.text.clone())];
    let (config, _) = pipeline::load(&files, &Environment::of::<&str, &str>([])).expect("a good file");
    let folder = DeadLetterFolder::new(env.disk.clone(), Path::new("data"));
    let letters: Vec<_> =
        folder.list().await.expect("a list").into_iter().filter(|letter| letter.is_of("mark")).collect();
    let patience = Duration::from_mins(1);
    let resender = pipeline::resender(&config, "mark", &env).await.expect("a transform");
    let resending = Resending::begin(folder, patience, false).await.expect("a lock");
    let mut fates = Vec::new();
    resending.send(&letters, resender.as_ref(), env.clock.as_ref(), |_, fate| fates.push(fate)).await.expect("marks");
    resending.end().await;
    fates
}

/// Behind `pseudonymize` nothing leads back to a person, and people can still be counted: one pseudonym each.
#[tokio::test(start_paused = true)]
async fn behind_pseudonymize_nobody_is_recognised_and_everybody_can_be_counted() {
    let events: Vec<SimulatedEvent> = history(300);
    let transforms = r#"
[transforms.private]
type = "pseudonymize"
inputs = ["nordpass"]
fields = ["user.*", "initiator", "metadata.*email*", "metadata.*uuid*", "metadata.ip_address", "metadata.msp.*"]
key = "0123456789abcdef0123456789abcdef"
"#
    .to_owned()
        + &asim("private");
    let mut rig = rig(events, &transforms, "asim.audit_event");
    assert!(rig.once().await.failures.is_empty());
    let rows = rig.rows();
    assert!(rows.len() > 50, "{}", rows.len());
    let actors: std::collections::BTreeSet<&str> =
        rows.iter().filter_map(|row| row["ActorUsername"].as_str()).collect();
    assert!(actors.len() > 3 && actors.iter().all(|actor| actor.len() == 32), "{actors:?}");
    let known = rig.state().await.known;
    for row in &rows {
        assert!(!row.to_string().contains('@'), "{row}");
        let shown = row["EventOriginalUid"].as_str().expect("an id");
        assert!(known.iter().all(|id| format!("{id:032x}") != shown), "the state goes by the events' own ids");
    }
    let before = rows.len();
    assert!(rig.once().await.failures.is_empty());
    assert_eq!(rig.rows().len(), before, "nothing is sent again");
}

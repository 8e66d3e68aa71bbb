//! D19 to D21: what the official connector's rows say.

use nordpass_simulator::SimulatedEvent;
use serde_json::{Value, json};

use crate::rig::{DAY, HOUR, Rig, START, event, keeping};

/// An event of these parts, with the probe `one`.
fn one(kind: &str, action: &str, metadata: &Value) -> SimulatedEvent {
    let mut metadata = metadata.clone();
    metadata["probe"] = "one".into();
    let event = json!({
        "type": kind, "action": action, "timestamp": START - HOUR,
        "organization_uuid": "00000000-0000-4000-8000-000000000001",
        "user": {"uuid": "00000000-0000-4000-8000-000000000002", "email": "member@example.com"},
        "metadata": metadata, "initiator": "",
    });
    SimulatedEvent::from_json(&event.to_string(), START - HOUR)
}

/// Its row in Azure.
async fn row_of(event: SimulatedEvent) -> Value {
    let mut rig = Rig::new(keeping(vec![event]));
    assert!(rig.once().await.failures.is_empty());
    rig.row("one")
}

/// D19: `TimeGenerated` is the time of the upload, so that a week of history looks as if it had happened in one minute, and
/// rules that count within minutes raise false alerts. Here it is the event's own time. Azure replaces it where it is older
/// than two days; the event's time stays in `AdditionalFields.OriginalTime`.
#[tokio::test(start_paused = true)]
async fn d19_time_generated_is_the_events_own_time_and_the_original_time_stays() {
    let events = vec![event(START - HOUR, "recent", &json!({})), event(START - 5 * DAY, "old", &json!({}))];
    let mut rig = Rig::new(keeping(events));
    assert!(rig.once().await.failures.is_empty());
    let recent = rig.row("recent");
    assert_eq!(recent["TimeGenerated"], "2027-01-15T07:00:00Z");
    assert_eq!(recent["EventStartTime"], "2027-01-15T07:00:00Z");
    assert_eq!(recent["AdditionalFields"]["OriginalTime"], "2027-01-15T07:00:00Z");
    let old = rig.row("old");
    assert_eq!(old["_TimeGeneratedSent"], "2027-01-10T08:00:00Z", "sent as it was; the simulated Azure replaces it");
    assert_eq!(old["AdditionalFields"]["OriginalTime"], "2027-01-10T08:00:00Z");
}

/// D20: where staff of a managed service provider acted, its address overwrites the member's, who is lost, and nobody can
/// tell staff from members. Here the staff is the actor, marked as such, and the member stays visible.
#[tokio::test(start_paused = true)]
async fn d20_msp_staff_is_the_actor_and_the_member_stays_visible() {
    let msp = json!({"msp": {
        "user_uuid": "00000000-0000-4000-8000-000000000003", "user_email": "staff@provider.example.net", "user_role": "admin"
    }});
    let row = row_of(one("invites", "user_invited", &msp)).await;
    assert_eq!(row["ActorUsername"], "staff@provider.example.net");
    assert_eq!(row["ActorUserId"], "00000000-0000-4000-8000-000000000003");
    let text = row.to_string();
    assert!(text.contains("member@example.com") && text.contains("00000000-0000-4000-8000-000000000002"), "{text}");
    let plain = row_of(one("invites", "user_invited", &json!({}))).await;
    assert_eq!(plain["ActorUsername"], "member@example.com");
    assert_ne!(plain["ActorOriginalUserType"], row["ActorOriginalUserType"], "staff can be told from members");
}

/// D21: addresses, platforms, targets and items stay inside one dynamic column, where no detection for all products looks.
/// Here they have the columns of the ASIM tables.
#[tokio::test(start_paused = true)]
async fn d21_addresses_platforms_targets_and_items_have_columns() {
    let item = "10000000-0000-4000-8000-000000000009";
    let metadata = json!({"ip_address": "198.51.100.7", "platform": "Windows", "items": [item]});
    let row = row_of(one("item_access", "item_copied", &metadata)).await;
    for (column, value) in [
        ("SrcIpAddr", "198.51.100.7"),
        ("ObjectId", item),
        ("ActorUsername", "member@example.com"),
        ("ActorUserId", "00000000-0000-4000-8000-000000000002"),
        ("EventVendor", "Nord Security"),
        ("EventProduct", "NordPass"),
        ("EventOriginalType", "item_access.item_copied"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    for column in ["EventType", "EventResult", "Operation", "Object", "ObjectType", "EventSchemaVersion"] {
        assert!(row[column].as_str().is_some_and(|text| !text.is_empty()), "{column} in {row}");
    }
    let target = json!({"user_uuid": "00000000-0000-4000-8000-000000000004", "user_email": "other@example.com"});
    let row = row_of(one("global_settings", "mfa_reset", &target)).await;
    assert_eq!(row["TargetUsername"], "other@example.com");
    assert_eq!(row["TargetUserId"], "00000000-0000-4000-8000-000000000004");
}

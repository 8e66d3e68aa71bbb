//! What rows look like, rule by rule; `many` checks what holds for all events.

mod conformance;
pub mod generator;
mod golden;
mod many;
mod support;

use std::collections::HashMap;

use super::*;
use crate::event::AckOutcome;
use conformance::Tester;
use generator::{READ_AT, chunk, typical};
use support::{Unique, event, lenient, row, text};

#[test]
fn the_common_columns() {
    let (schema, row) = row(&event("item_access.vault_exported", r#"{"platform":"macos"}"#));
    assert_eq!(schema, Schema::AuditEvent);
    for (column, expected) in [
        ("TimeGenerated", "2025-01-30T16:39:46Z"),
        ("EventStartTime", "2025-01-30T16:39:46Z"),
        ("EventEndTime", "2025-01-30T16:39:46Z"),
        ("EventVendor", "Nord Security"),
        ("EventProduct", "NordPass"),
        ("EventSchemaVersion", "0.1.2"),
        ("EventOriginalType", "item_access.vault_exported"),
        ("Operation", "vault_exported"),
        ("ActorUsername", "anna@example.com"),
        ("ActorUsernameType", "UPN"),
        ("ActorUserId", "u-1"),
        ("ActorUserIdType", "Other"),
        ("ActorScopeId", "org"),
        ("ActingAppName", "macos"),
        ("SrcDeviceType", "Computer"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
    assert_eq!(row["EventCount"], 1);
    assert_eq!(row["AdditionalFields"]["OriginalTime"], "2025-01-30T16:39:46Z");
    assert_eq!(row["AdditionalFields"]["platform"], "macos");
    assert_eq!(row["AdditionalFields"]["Organization"], "org");
    assert!(!row.contains_key("EventSchema"));
    assert_eq!(text(&row, "EventOriginalUid").len(), 32);
}

#[test]
fn the_original_uid_is_the_record_id_in_hex() {
    let chunk = chunk(&[event("lock.master_failed", "{}")]);
    let id = chunk.records[0].id.to_string();
    let mut out = Vec::new();
    Settings.build(ComponentReporter::detached()).transform(chunk, &mut out);
    let (index, rows) = out.pop().expect("one");
    assert_eq!(index, 1);
    assert_eq!(rows.records[0].id.to_string(), id);
    assert!(rows.body(&rows.records[0]).contains(&format!(r#""EventOriginalUid":"{id}""#)));
}

#[test]
fn a_failed_login_has_its_address() {
    let metadata = r#"{"ip_address":"203.0.113.7","platform":"ios","provider":"azure_ad"}"#;
    let (schema, row) = row(&event("login.user_login_failed", metadata));
    assert_eq!(schema, Schema::Authentication);
    for (column, expected) in [
        ("EventType", "Logon"),
        ("EventResult", "Failure"),
        ("EventResultDetails", "Other"),
        ("SrcIpAddr", "203.0.113.7"),
        ("TargetUsername", "anna@example.com"),
        ("TargetUsernameType", "UPN"),
        ("TargetUserId", "u-1"),
        ("TargetAppName", "NordPass"),
        ("TargetAppType", "SaaS application"),
        ("SrcDvcOs", "ios"),
        ("SrcDeviceType", "Mobile Device"),
        ("EventSchemaVersion", "0.1.4"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
    assert_eq!(row["AdditionalFields"]["provider"], "azure_ad");
}

#[test]
fn unlocks_are_log_ins_to_the_vault() {
    let (_, row) = row(&event("lock.master_failed", r#"{"platform":"chrome"}"#));
    assert_eq!(text(&row, "TargetAppName"), "NordPass vault");
    assert_eq!(text(&row, "EventResultDetails"), "Incorrect password");
    assert_eq!(text(&row, "LogonMethod"), "Username & Password");
    assert_eq!(text(&row, "ActingAppType"), "Browser");
}

#[test]
fn an_address_with_a_port_in_brackets_or_in_a_list_has_its_column() {
    for (spelled, address) in [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:DB8::1"),
        (" 203.0.113.7 ", "203.0.113.7"),
        (r"\t2001:db8::1\n", "2001:db8::1"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("203.0.113.7:443,10.0.0.1:80", "203.0.113.7"),
        ("[2001:db8::1]:443 , unknown", "2001:db8::1"),
        ("2001:db8::1,203.0.113.7", "2001:db8::1"),
        ("[::ffff:203.0.113.7]:1", "::ffff:203.0.113.7"),
    ] {
        let json = format!("\"{spelled}\"");
        let (_, row) = row(&event("login.user_login_failed", &format!(r#"{{"ip_address":{json}}}"#)));
        assert_eq!(text(&row, "SrcIpAddr"), address, "{json}");
        assert_eq!(row["AdditionalFields"]["ip_address"], lenient(&json));
    }
}

#[test]
fn what_is_no_address_stays_out_of_the_column() {
    for address in [
        r#""unknown""#,
        "null",
        "5",
        "[]",
        "[5]",
        r#"["192.0.2.1"]"#,
        r#""""#,
        r#"" ""#,
        r#"",203.0.113.7""#,
        r#""unknown, 203.0.113.7""#,
        r#""10.0.0""#,
        r#""203.0.113.999:443""#,
        r#""203.0.113.7:""#,
        r#""203.0.113.7:port""#,
        r#""203.0.113.7:123456""#,
        r#""203.0.113.7:80:80""#,
        r#""203.0.113.7 10.0.0.1""#,
        r#""203.0.113.7/24""#,
        r#""[203.0.113.7]""#,
        r#""[203.0.113.7:80]:80""#,
        r#""[2001:db8::1""#,
        r#""[2001:db8::1]443""#,
        r#""[2001:db8::1]:""#,
        r#""[2001:db8::1%5]:443""#,
        r#""fe80::1%eth0""#,
        r#""2001:db8:::1""#,
    ] {
        let (_, row) = row(&event("login.user_login_failed", &format!(r#"{{"ip_address":{address}}}"#)));
        assert!(!row.contains_key("SrcIpAddr"), "{address}");
        assert_eq!(row["AdditionalFields"]["ip_address"], lenient(address));
    }
    let (_, row) = row(&event("login.user_login_failed", r#"{"ip_address":"2001:db8::7"}"#));
    assert_eq!(text(&row, "SrcIpAddr"), "2001:db8::7");
}

#[test]
fn the_status_decides_what_happened_to_a_member() {
    for (metadata, expected) in [
        (r#"{"status":"suspended"}"#, "UserDisabled"),
        (r#"{"status":"deleted"}"#, "UserDeleted"),
        (r#"{"status":"active"}"#, "UserEnabled"),
        (r#"{"status":"sus\u0070ended"}"#, "UserDisabled"),
        (r#"{"status":"something new"}"#, "UserModified"),
        (r#"{"status":null}"#, "UserModified"),
        ("{}", "UserModified"),
        ("null", "UserModified"),
    ] {
        let (schema, row) = row(&event("access.user_status_updated", metadata));
        assert_eq!((schema, text(&row, "EventType")), (Schema::UserManagement, expected), "{metadata}");
        assert_eq!(text(&row, "EventSchema"), "UserManagement");
    }
}

#[test]
fn msp_staff_are_the_actor_and_the_member_stays_visible() {
    let msp = r#""msp":{"user_email":"staff@msp.example","user_role":"admin","user_uuid":"m-1"}"#;
    for pair in
        ["item_access.vault_exported", "lock.master_validated", "access.user_status_updated", "invites.user_invited"]
    {
        let (schema, row) = row(&event(pair, &format!("{{{msp}}}")));
        assert_eq!(text(&row, "ActorUsername"), "staff@msp.example", "{pair}");
        assert_eq!(text(&row, "ActorUserId"), "m-1");
        assert_eq!(text(&row, "ActorOriginalUserType"), "admin");
        assert_eq!(text(&row, "ActorUserType"), "Admin");
        assert!(!row.contains_key("ActorScopeId"), "staff don't belong to the organization");
        assert_eq!(row["AdditionalFields"]["msp"]["user_uuid"], "m-1");
        if schema == Schema::AuditEvent {
            assert_eq!(row["AdditionalFields"]["User"]["email"], "anna@example.com");
            assert_eq!(row["AdditionalFields"]["User"]["uuid"], "u-1");
        } else {
            assert_eq!(text(&row, "TargetUsername"), "anna@example.com");
            assert_eq!(text(&row, "TargetUserScopeId"), "org");
        }
    }
    // The invitee is the target; the member moves over.
    let (_, row) = row(&event("invites.user_invited", &format!(r#"{{"emails":["new@example.com"],{msp}}}"#)));
    assert_eq!(text(&row, "TargetUsername"), "new@example.com");
    assert_eq!(row["AdditionalFields"]["User"]["email"], "anna@example.com");
}

#[test]
fn invitees() {
    let (_, one) = row(&event("invites.user_invited", r#"{"emails":["new@example.com"]}"#));
    assert_eq!((text(&one, "EventType"), text(&one, "TargetUsername")), ("UserCreated", "new@example.com"));
    assert_eq!(text(&one, "ActorUsername"), "anna@example.com");
    let (_, two) = row(&event("invites.user_invited", r#"{"emails":["a@example.com","b@example.com"]}"#));
    assert!(!two.contains_key("TargetUsername") && !two.contains_key("TargetUsernameType"));
    assert_eq!(two["AdditionalFields"]["emails"].as_array().map(Vec::len), Some(2));
}

#[test]
fn without_a_user_the_initiator_is_the_actor() {
    let scim = |pair: &str, user: &str, initiator: &str| {
        let (kind, action) = pair.split_once('.').expect("type.action");
        row(&format!(r#"{{"type":"{kind}","action":"{action}","timestamp":1738255186,"organization_uuid":"org","user":{user},"metadata":{{}},"initiator":{initiator}}}"#)).1
    };
    for user in ["null", "{}", r#"{"uuid":"","email":null}"#] {
        let management = scim("invites.user_converted_to_provisioned", user, r#""azure_ad""#);
        assert_eq!(text(&management, "ActorUsername"), "azure_ad");
        assert_eq!(text(&management, "ActorUsernameType"), "Simple");
        assert_eq!(text(&management, "ActorUserType"), "Service Principal");
        assert!(!management["AdditionalFields"].as_object().expect("object").contains_key("Initiator"));
        let audit = scim("item_access.item_viewed", user, r#""azure_ad""#);
        assert_eq!(text(&audit, "ActorUserType"), "Service");
    }
    let address = scim("groups.group_created", "null", r#""boss@example.com""#);
    assert_eq!((text(&address, "ActorUsernameType"), text(&address, "ActorUserType")), ("UPN", ""));
    // Beside a user it is shown, not lost.
    let both = scim("groups.group_created", r#"{"uuid":"u","email":"anna@example.com"}"#, r#""azure_ad""#);
    assert_eq!(text(&both, "ActorUsername"), "anna@example.com");
    assert_eq!(both["AdditionalFields"]["Initiator"], "azure_ad");
    // An object is no name.
    let object = scim("groups.group_created", "null", r#"{"kind":"scim"}"#);
    assert_eq!(text(&object, "ActorUsername"), "Unknown");
    assert_eq!(object["AdditionalFields"]["Initiator"]["kind"], "scim");
}

#[test]
fn a_login_that_names_its_user_only_as_initiator() {
    let (_, row) = row(
        r#"{"type":"login","action":"user_login_failed","user":null,"initiator":"anna@example.com","timestamp":1}"#,
    );
    assert_eq!(text(&row, "TargetUsername"), "anna@example.com");
}

#[test]
fn groups() {
    let (_, row) = row(&event(
        "groups.group_users_added",
        r#"{"group":{"uuid":"g-1","name":"Finance"},"emails":["b@example.com"]}"#,
    ));
    for (column, expected) in [
        ("EventType", "UserAddedToGroup"),
        ("GroupName", "Finance"),
        ("GroupNameType", "Simple"),
        ("GroupId", "g-1"),
        ("GroupIdType", "UID"),
        ("TargetUsername", "b@example.com"),
    ] {
        assert_eq!(text(&row, column), expected, "{column}");
    }
}

#[test]
fn an_unknown_pair_is_an_audit_event() {
    let (schema, row) = row(&event("brand_new.thing_happened", r#"{"a":1}"#));
    assert_eq!(schema, Schema::AuditEvent);
    assert_eq!(text(&row, "EventType"), "Other");
    assert_eq!(text(&row, "EventResult"), "NA");
    assert_eq!(text(&row, "Operation"), "thing_happened");
    assert_eq!(text(&row, "Object"), "brand_new");
    assert_eq!(text(&row, "EventOriginalType"), "brand_new.thing_happened");
    assert_eq!(row["AdditionalFields"]["a"], 1);
}

#[test]
fn odd_events_become_rows_too() {
    let tester = Tester::new();
    for event in [
        "{}",
        r#"{"type":null,"action":null}"#,
        r#"{"type":"","action":"","user":5,"metadata":7,"timestamp":null}"#,
        r#"{"type":5,"action":["x"],"user":"someone","metadata":"text","initiator":{"a":1},"organization_uuid":{}}"#,
        r#"{"type":"lock","action":"master_failed","user":[],"metadata":[],"timestamp":"soon"}"#,
        r#"{"type":"groups","action":"group_created"}"#,
    ] {
        let (schema, row) = row(event);
        assert_eq!(tester.row_findings(schema, &row), Vec::<String>::new(), "{event}");
    }
}

#[test]
fn an_unusable_timestamp_stays_readable() {
    for (timestamp, time) in
        [("\"soon\"", READ_AT), ("0", READ_AT), ("1738255186000", 1_738_255_186), ("\"1738255186\"", 1_738_255_186)]
    {
        let (_, row) = row(&format!(r#"{{"type":"a","action":"b","timestamp":{timestamp}}}"#));
        assert_eq!(row["AdditionalFields"]["OriginalTimestamp"], lenient(timestamp));
        assert_eq!(text(&row, "TimeGenerated"), json::ascii(&json::time(time)));
    }
    let (_, row) = row(r#"{"type":"a","action":"b","timestamp":1738255186}"#);
    assert!(!row["AdditionalFields"].as_object().expect("object").contains_key("OriginalTimestamp"));
}

#[test]
fn colliding_keys_lose_nothing() {
    let metadata = r#"{"OriginalTime":"mine","note":1,"note":2,"n\u006fte":3,"\u004fser":4,"\u0055ser":5}"#;
    let (_, row) = row(&event("item_access.item_viewed", metadata));
    let additional = &row["AdditionalFields"];
    assert_eq!(additional["OriginalTime"], "2025-01-30T16:39:46Z");
    assert_eq!(additional["note"], 1);
    assert_eq!(additional["Oser"], 4);
    assert_eq!(
        additional["MetadataCollisions"],
        lenient(r#"[{"OriginalTime":"mine"},{"note":2},{"note":3},{"User":5}]"#)
    );
}

#[test]
fn unknown_fields_and_further_user_fields_are_kept() {
    let (_, row) = row(
        r#"{"type":"a","action":"b","session":{"id":1},"x":1,"x":2,"user":{"uuid":"u","email":"e@x.y","name":"N"}}"#,
    );
    assert_eq!(row["AdditionalFields"]["UnknownFields"], lenient(r#"{"session":{"id":1},"x":1}"#));
    assert_eq!(row["AdditionalFields"]["UnknownFieldCollisions"], lenient(r#"[{"x":2}]"#));
    assert_eq!(row["AdditionalFields"]["User"]["name"], "N");
    assert_eq!(text(&row, "ActorUsername"), "e@x.y");
}

#[test]
fn spelling_is_copied_faithfully() {
    let metadata =
        r#"{"big":123456789012345678901234567890,"fraction":1.50,"huge":1e400,"text":"\u00e9 \"q\" \\ é 😀 \/"}"#;
    let mut out = Vec::new();
    Settings
        .build(ComponentReporter::detached())
        .transform(chunk(&[event("item_access.item_viewed", metadata)]), &mut out);
    let rows = &out[0].1;
    let body = rows.body(&rows.records[0]);
    assert!(body.contains(metadata.trim_matches(['{', '}'])), "{body}");
    let Unique(_) = serde_json::from_str(body).expect("valid");
}

#[tokio::test]
async fn one_event_one_row_and_the_chunk_is_acknowledged_by_its_rows() {
    let events: Vec<String> = entries().iter().enumerate().map(|(number, entry)| typical(entry, number)).collect();
    let chunk = chunk(&events);
    let text = chunk.text.clone();
    let (records, fields) = (chunk.records.to_vec(), chunk.events.as_deref().expect("events").to_vec());
    let (chunk, ack_receiver) = Chunk::of_events(text, records, fields, chunk.origin.clone(), None);
    let ids: Vec<_> = chunk.records.iter().map(|record| record.id).collect();
    let mut out = Vec::new();
    Settings.build(ComponentReporter::detached()).transform(chunk, &mut out);
    assert_eq!(out.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    let mut seen: HashMap<_, usize> = HashMap::new();
    for (_, rows) in &out {
        for record in &*rows.records {
            *seen.entry(record.id).or_default() += 1;
        }
    }
    assert!(ids.iter().all(|id| seen[id] == 1) && seen.len() == ids.len());
    for (_, rows) in out {
        rows.ack.done();
    }
    assert_eq!(ack_receiver.await, AckOutcome::Delivered);
}

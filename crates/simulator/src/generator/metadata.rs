//! An event's `metadata`: the keys that have been seen in real queries and tests, and plausible ones beside them.
//!
//! Which events carry which keys isn't documented, so the choice here is wide rather than tidy: addresses of both
//! families, lists of one and of many, booleans and numbers, escapes and international text, keys that no column has.

use std::fmt::Write as _;

use super::organization::{Organization, Person, address};
use crate::dice::Dice;
use nordpass_env::catalogue::{Entry, Group};

const ROLES: &[&str] = &["user", "admin", "owner"];
const STATUSES: &[&str] = &["suspended", "deleted", "active", "suspended", "deleted", "active", "locked"];
const SETTINGS: &[&str] =
    &["autolock_timeout", "external_sharing", "offline_mode", "export", "biometrics", "panic_mode"];
const LEAKS: &[&str] = &["Northwind forum dump", "Collection «Ąžuolas»", "Stealer log 4\\/2026"];

/// Appends the entries of `metadata`, each with a comma behind it.
pub fn write(dice: &mut Dice, organization: &Organization, entry: &Entry, actor: usize, out: &mut String) {
    let person = &organization.members[actor];
    match entry.group {
        Group::Vault => vault(dice, organization, entry, person, out),
        Group::Login => login(dice, entry, person, out),
        Group::Admin => {
            admin(dice, organization, entry, person, out);
            if dice.chance(0.12) {
                let (uuid, email) = dice.pick(&organization.technicians);
                let _ = write!(out, r#""msp":{{"user_uuid":"{uuid}","user_email":"{email}","user_role":"admin"}},"#);
            }
        }
    }
}

fn vault(dice: &mut Dice, organization: &Organization, entry: &Entry, person: &Person, out: &mut String) {
    let platform = person.platforms[usize::from(dice.chance(0.2))];
    let _ = write!(out, r#""platform":"{platform}","#);
    if dice.chance(0.8) {
        source(dice, person, out);
    }
    match entry.kind {
        "consents" | "redeem" => {}
        "breach" => {
            let _ = write!(out, r#""emails":["{}"],"source":"{}","#, person.email, dice.pick(LEAKS));
        }
        kind => {
            let most = match entry.action {
                "items_deleted" if dice.chance(0.1) => 120,
                "items_deleted" | "items_imported" | "items_imported_v2" | "vault_exported" => 25,
                "items_created" | "items_updated" | "items_shared" | "items_unshared" => 4,
                _ => 1,
            };
            items(dice, person, most, out);
            if kind == "item_share" {
                let outsider = dice.chance(0.15);
                let guest =
                    if outsider { "guest@partner.example.edu" } else { &*dice.pick(&organization.members).email };
                let permission = dice.pick(&["full", "limited", "autofill"]);
                let _ = write!(out, r#""emails":["{guest}"],"permission":"{permission}","#);
            }
        }
    }
}

fn login(dice: &mut Dice, entry: &Entry, person: &Person, out: &mut String) {
    let platform = person.platforms[usize::from(dice.chance(0.1))];
    let _ = write!(out, r#""platform":"{platform}","#);
    if entry.action == "user_login_failed" && dice.chance(0.5) {
        // Failed log-ins come from elsewhere more often.
        let _ = write!(out, r#""ip_address":"{}","#, address(dice));
    } else {
        source(dice, person, out);
    }
    if entry.kind == "login" {
        let _ = write!(out, r#""provider":"{}","#, person.provider);
    }
    if dice.chance(0.7) {
        let _ = write!(out, r#""device_uuid":"{}","#, person.device);
    }
}

fn admin(dice: &mut Dice, organization: &Organization, entry: &Entry, person: &Person, out: &mut String) {
    let member = dice.pick(&organization.members);
    match entry.kind {
        "invites" => {
            let number = dice.below(9000);
            let _ = write!(out, r#""emails":["new{number}@example.com""#);
            if dice.chance(0.2) {
                let _ = write!(out, r#","naujas.žmogus{number}@example.org","extra{number}@example.net""#);
            }
            let _ = write!(out, r#"],"role":"{}","#, dice.pick(ROLES));
        }
        "access" if entry.action == "user_status_updated" => {
            let _ = write!(out, r#""emails":["{}"],"status":"{}","#, member.email, dice.pick(STATUSES));
        }
        "access" | "item_delete" if entry.action.starts_with("item_") => {
            items(dice, person, 30, out);
            let _ = write!(out, r#""emails":["{}"],"#, member.email);
        }
        "access" => {
            let _ = write!(out, r#""emails":["{}"],"user_uuid":"{}","#, member.email, member.uuid);
        }
        "roles" => {
            let (new, old) = (dice.pick(ROLES), dice.pick(ROLES));
            let _ = write!(out, r#""emails":["{}"],"role":"{new}","previous_role":"{old}","#, member.email);
        }
        "groups" | "group_provisioning" => {
            let (uuid, name) = dice.pick(&organization.groups);
            let _ = write!(out, r#""group_uuid":"{uuid}","group_name":"{name}","#);
            if entry.action.starts_with("group_users") {
                let other = dice.pick(&organization.members);
                let _ = write!(out, r#""emails":["{}","{}"],"members_count":2,"#, member.email, other.email);
            }
        }
        "global_settings" | "role_settings" | "user_settings" | "totp" => {
            let (setting, enabled, minutes) = (dice.pick(SETTINGS), dice.chance(0.5), dice.below(60));
            let _ = write!(out, r#""setting":"{setting}","enabled":{enabled},"minutes":{minutes},"#);
            if dice.chance(0.3) {
                out.push_str(r#""previous":{"enabled":null,"values":[1,2.50,true]},"#);
            }
        }
        "domain" | "oauth_domain" | "breach" => {
            let _ = write!(out, r#""domain":"{}","#, dice.pick(&["example.com", "example.org", "münchen.example"]));
        }
        "sharing_hub" => items(dice, person, 1, out),
        "billing" | "checkout" | "consents" => {}
        _ => {
            let _ = write!(out, r#""token_name":"SIEM {}","#, dice.below(5));
        }
    }
    if dice.chance(0.6) {
        out.push_str(r#""platform":"Web vault","#);
        source(dice, person, out);
    }
}

fn source(dice: &mut Dice, person: &Person, out: &mut String) {
    let _ = write!(out, r#""ip_address":"{}","#, dice.pick_early(&person.addresses));
}

/// Between one and `most` items of a person.
fn items(dice: &mut Dice, person: &Person, most: usize, out: &mut String) {
    out.push_str(r#""items":["#);
    for number in 0..=dice.below(most) {
        let _ = write!(out, r#"{}"{}""#, if number == 0 { "" } else { "," }, dice.pick_early(&person.items));
    }
    out.push_str("],");
}

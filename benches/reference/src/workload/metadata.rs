//! What an event's `metadata` holds, by its pair.

use std::fmt::Write;

use super::pairs::Pair;
use super::people::{DOMAINS, Member, People};
use super::random::Random;

const PROVIDERS: [&str; 5] = ["nord_account", "microsoft", "google", "okta", "adfs"];
/// As they stand in JSON: `&` and quotes are escaped, other text is UTF-8.
const GROUPS: [&str; 10] = [
    "Finance",
    "IT Operations",
    "Führungskräfte",
    r"R\u0026D",
    "Équipe support",
    "営業部",
    r#"Sales \"EMEA\""#,
    "Отдел кадров",
    "Contractors 🔑",
    "Domain Admins",
];
const ROLES: [&str; 4] = ["user", "admin", "owner", "auditor"];
const STATUSES: [&str; 4] = ["active", "suspended", "deleted", "pending"];
const SETTINGS: [&str; 5] =
    ["autolock_timeout", "sharing_outside_organization", "offline_mode", "export_items", "biometric_unlock"];
/// Actions on many items at once.
const MANY_ITEMS: [&str; 8] = [
    "items_deleted",
    "items_imported",
    "items_imported_v2",
    "item_reassignment_transferred",
    "item_reassignment_deleted",
    "items_imported_weak",
    "items_imported_reused",
    "vault_exported",
];

/// Writes the entries of an event's metadata, without the braces.
pub fn write(out: &mut String, random: &mut Random, pair: Pair, people: &People, member: &Member) {
    let platform = member.platforms[usize::from(random.chance(0.2))];
    let address = &member.addresses[random.skewed(3)];
    let item = &member.items[random.skewed(member.items.len())];
    let many = MANY_ITEMS.contains(&pair.action);
    let here = format!(r#""platform":"{platform}","ip_address":"{address}""#);
    let somebody = |random: &mut Random| random.pick(&people.members).email.as_str();
    // Writing to memory can't fail.
    let _ = match (pair.group, pair.kind) {
        ("vault", "consents" | "breach" | "redeem") => write!(out, r#""platform":"{platform}""#),
        ("vault", kind) => {
            let items = items(random, member, item, many);
            let _ = write!(out, r#"{here},"items":[{items}]"#);
            if kind == "item_share" {
                if random.chance(0.8) {
                    write!(out, r#","emails":["{}"]"#, somebody(random))
                } else {
                    write!(out, r#","emails":["partner{}@example.edu"]"#, random.below(256))
                }
            } else {
                Ok(())
            }
        }
        ("login", "login") => {
            let (provider, session) = (random.pick(&PROVIDERS), random.uuid());
            write!(out, r#"{here},"provider":"{provider}","session_uuid":"{session}","device_uuid":{item}"#)
        }
        ("login", _) => write!(out, r#"{here},"device_uuid":{item}"#),
        (_, "invites") if random.chance(0.2) => {
            let (one, other) = (random.below(4096), random.below(256));
            let emails = format!(r#""new{one}@example.com","neu.müller{other}@example.com""#);
            write!(out, r#""emails":[{emails}],"ip_address":"{address}""#)
        }
        (_, "invites") => {
            let (number, domain, role) = (random.below(4096), random.pick(&DOMAINS), random.pick(&ROLES));
            write!(out, r#""emails":["new{number}@{domain}"],"role":"{role}""#)
        }
        (_, "access") if !many => {
            let (email, status) = (somebody(random), random.pick(&STATUSES));
            write!(out, r#""emails":["{email}"],"status":"{status}","ip_address":"{address}""#)
        }
        (_, "roles") => {
            let (email, role, before) = (somebody(random), random.pick(&ROLES), random.pick(&ROLES));
            write!(out, r#""emails":["{email}"],"role":"{role}","previous_role":"{before}""#)
        }
        (_, "groups") => {
            let (group, name, size) = (random.uuid(), random.pick(&GROUPS), 1 + random.below(40));
            let (one, other) = (somebody(random), somebody(random));
            let _ = write!(out, r#""group_uuid":"{group}","group_name":"{name}","members":{size}"#);
            write!(out, r#","emails":["{one}","{other}"]"#)
        }
        _ if many => {
            let number = 2 + random.below(6);
            let (items, email) = (list(random, member, number), somebody(random));
            write!(out, r#""items":[{items}],"emails":["{email}"]"#)
        }
        (_, "sharing_hub") => write!(out, r#"{here},"items":[{item}]"#),
        (_, kind) if kind.ends_with("_settings") => {
            let (setting, enabled) = (random.pick(&SETTINGS), random.chance(0.5));
            let _ = write!(out, r#""setting":"{setting}","enabled":{enabled},"ip_address":"{address}""#);
            write!(out, r#","platform":"Web vault""#)
        }
        (_, "breach" | "domain") => {
            let domain = random.pick(&DOMAINS);
            write!(out, r#""domain":"{domain}","platform":"Web vault","ip_address":"{address}""#)
        }
        (_, "billing" | "checkout") => Ok(()),
        _ => write!(out, r#""ip_address":"{address}","platform":"Web vault""#),
    };
}

/// The items that something is done with: one to three, or many.
fn items(random: &mut Random, member: &Member, item: &str, many: bool) -> String {
    if many {
        let number = 3 + random.below(10);
        return list(random, member, number);
    }
    let further = match random.unit() {
        ..0.4 => return item.to_owned(),
        ..0.7 => 1,
        _ => 2,
    };
    format!("{item},{}", list(random, member, further))
}

fn list(random: &mut Random, member: &Member, number: usize) -> String {
    (0..number).map(|_| random.pick(&member.items).as_str()).collect::<Vec<_>>().join(",")
}

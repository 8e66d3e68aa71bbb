//! The made-up people, their devices, groups and items.

use crate::dice::Dice;

/// What starts events without a person.
pub const MACHINES: &[&str] = &["azure_ad", "azure_ad", "azure_ad", "okta", "scim", "system"];

const GIVEN: &[&str] = &[
    "agnes", "arturo", "beatriz", "bogdan", "chiara", "dmitri", "edith", "emeka", "fiona", "gustav", "hana", "ibrahim",
    "ingrid", "joaquin", "kofi", "laura", "mateusz", "mei", "noor", "oskar", "priya", "ruta", "samuel", "teresa",
    "viktor", "wanda", "yara", "zsofia",
];
const FAMILY: &[&str] = &[
    "abara",
    "baumann",
    "castellano",
    "dimitrov",
    "eriksson",
    "fontaine",
    "gruber",
    "hashimoto",
    "iversen",
    "jankauskas",
    "kowalska",
    "lindqvist",
    "moreau",
    "nakamura",
    "okafor",
    "petersen",
    "rasmussen",
    "silva",
    "tamm",
    "uzun",
    "varga",
    "wagner",
    "yilmaz",
    "zukauskas",
];
/// Addresses may be international; every tenth person has such a one.
const UNICODE: &[&str] =
    &["ąžuolas.šimkus", "björn.åkesson", "françoise.lefèvre", "güneş.çelik", "måns.öberg", "andré.simões"];
const DOMAINS: &[&str] = &["example.com", "example.com", "example.com", "staff.example.org", "example.net"];
const PLATFORMS: &[&str] = &[
    "Windows",
    "macOS",
    "Linux",
    "iOS",
    "Android",
    "Chrome extension",
    "Firefox extension",
    "Edge extension",
    "Safari extension",
    "Web vault",
];
const PROVIDERS: &[&str] = &["nord_account", "microsoft", "google", "okta", "adfs"];
/// Already escaped for JSON, with escapes on purpose.
const GROUPS: &[&str] = &[
    "Accounting",
    "Service Desk",
    "R\\u0026D",
    "Geschäftsleitung",
    "Équipe réseau",
    "Pardavimų skyrius",
    "人事部",
    "Field \\\"North\\\"",
    "Contractors 2026 🔐",
    "Build\\\\Release",
];

/// A member.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's UUID.
    pub uuid: String,
    /// The e-mail address.
    pub email: String,
    /// Where the member's requests come from: mostly the first.
    pub addresses: [String; 3],
    /// What the member works with: mostly the first.
    pub platforms: [&'static str; 2],
    /// The identity provider.
    pub provider: &'static str,
    /// UUIDs of the member's items.
    pub items: Vec<String>,
    /// The member's device.
    pub device: String,
}

/// An organization of NordPass.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its UUID.
    pub uuid: String,
    /// Its members; the first ones are administrators.
    pub members: Vec<Person>,
    /// How many of them are administrators.
    pub administrators: usize,
    /// UUID and e-mail of the service provider's staff.
    pub technicians: Vec<(String, String)>,
    /// UUID and name (escaped for JSON) of its groups.
    pub groups: Vec<(String, &'static str)>,
}

impl Organization {
    pub(super) fn new(dice: &mut Dice, members: usize, items: usize) -> Self {
        let uuid = dice.uuid();
        let mut people: Vec<Person> = Vec::with_capacity(members);
        for number in 0..members {
            people.push(person(dice, number, items));
        }
        let technicians =
            (1..=3).map(|number| (dice.uuid(), format!("support{number}@provider.example.net"))).collect();
        let groups = GROUPS.iter().map(|name| (dice.uuid(), *name)).collect();
        Self { uuid, members: people, administrators: (members / 20).clamp(2, 12), technicians, groups }
    }
}

fn person(dice: &mut Dice, number: usize, items: usize) -> Person {
    let name = if number % 10 == 9 {
        (*dice.pick(UNICODE)).to_owned()
    } else {
        format!("{}.{}", dice.pick(GIVEN), dice.pick(FAMILY))
    };
    // The number keeps addresses apart once the names run out.
    let suffix = if number < GIVEN.len() { String::new() } else { number.to_string() };
    Person {
        uuid: dice.uuid(),
        email: format!("{name}{suffix}@{}", dice.pick(DOMAINS)),
        addresses: [address(dice), address(dice), address(dice)],
        platforms: [*dice.pick(PLATFORMS), *dice.pick(PLATFORMS)],
        provider: dice.pick::<&'static str>(PROVIDERS),
        items: (0..items).map(|_| dice.uuid()).collect(),
        device: dice.uuid(),
    }
}

/// An address of the ranges for documentation (RFC 5737 and RFC 3849).
pub fn address(dice: &mut Dice) -> String {
    if dice.chance(0.15) {
        return format!("2001:db8:{:x}::{:x}", dice.below(0xffff) + 1, dice.below(0xffff) + 1);
    }
    format!("{}.{}", dice.pick(&["192.0.2", "198.51.100", "203.0.113"]), 1 + dice.below(254))
}

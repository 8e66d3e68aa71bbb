//! Who does things: members with their devices and items, and technicians of a managed service provider.

use std::collections::HashSet;

use super::random::Random;

const MEMBERS: usize = 500;
const ADMINS: usize = 12;
const ITEMS: usize = 120;

const FIRST: [&str; 26] = [
    "anna", "ben", "carla", "david", "elena", "farid", "greta", "hugo", "ines", "jonas", "karin", "liam", "maria",
    "nils", "olga", "paul", "quentin", "rosa", "sven", "tara", "ugo", "vera", "wim", "xenia", "yusuf", "zoe",
];
const LAST: [&str; 26] = [
    "adler", "brandt", "costa", "dahl", "evans", "fischer", "garcia", "haas", "ivanov", "jensen", "keller", "lopez",
    "meyer", "novak", "olsen", "petrov", "quinn", "rossi", "schmidt", "tanaka", "urban", "vogel", "weber", "xu",
    "young", "ziegler",
];
/// One member in 25.
const BEYOND_ASCII: [&str; 6] =
    ["jürgen.müller", "zoë.ångström", "søren.dvořák", "łukasz.nowak", "amélie.côté", "naïma.şahin"];
/// The domains of the addresses.
pub const DOMAINS: [&str; 5] = ["example.com", "example.com", "example.com", "corp.example.org", "example.net"];
const PLATFORMS: [&str; 10] = [
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

/// A member.
pub struct Member {
    /// `user.uuid`
    pub uuid: String,
    /// `user.email`
    pub email: String,
    /// Where from; the first is the usual one.
    pub addresses: [String; 3],
    /// With what; the first is the usual one.
    pub platforms: [&'static str; 2],
    /// UUIDs of items, in quotes.
    pub items: Vec<String>,
}

/// Everybody.
pub struct People {
    /// All members.
    pub members: Vec<Member>,
    /// UUID and address of each technician.
    pub technicians: Vec<(String, String)>,
}

impl People {
    /// Makes them up.
    pub fn new(random: &mut Random) -> Self {
        let mut seen = HashSet::new();
        let members = (0..MEMBERS).map(|number| {
            let name = if number % 25 == 24 {
                (*random.pick(&BEYOND_ASCII)).to_owned()
            } else {
                format!("{}.{}", random.pick(&FIRST), random.pick(&LAST))
            };
            let domain = random.pick(&DOMAINS);
            let mut email = format!("{name}@{domain}");
            if !seen.insert(email.clone()) {
                email = format!("{name}{number}@{domain}");
                seen.insert(email.clone());
            }
            Member {
                uuid: random.uuid(),
                email,
                addresses: [random.address(), random.address(), random.address()],
                platforms: std::array::from_fn(|_| *random.pick(&PLATFORMS)),
                items: (0..ITEMS).map(|_| format!("\"{}\"", random.uuid())).collect(),
            }
        });
        let members = members.collect();
        let technicians = (0..4).map(|number| (random.uuid(), format!("tech{number}@msp.example.net"))).collect();
        Self { members, technicians }
    }

    /// Those who administrate.
    pub fn admins(&self) -> &[Member] {
        &self.members[..ADMINS]
    }
}

//! The reference workload: a week of one organization's activity as raw events of the NordPass API, one on each line.
//!
//! About 389 bytes a line, 500 members, all pairs of the catalogue; vault work is most of it. The same number of events
//! and the same seed give the same bytes on every machine. All of it is made up: example domains, address ranges for
//! documentation, random UUIDs.

mod hours;
mod metadata;
mod pairs;
mod people;
mod random;

use std::fmt::Write;

use self::hours::Hours;
use self::pairs::Pairs;
use self::people::People;
use self::random::Random;

/// Types that often have no user but only an initiator: a machine.
const BY_MACHINES: [&str; 2] = ["group_provisioning", "scim_credentials"];

/// Writes the workload, line by line.
pub struct Workload {
    random: Random,
    hours: Hours,
    pairs: Pairs,
    people: People,
    organization: String,
    events: u64,
    written: u64,
    /// How many pairs have had their fixed place.
    placed: u64,
}

impl Workload {
    /// So many events of a seed.
    pub fn new(events: u64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let organization = random.uuid();
        let people = People::new(&mut random);
        let (hours, pairs) = (Hours::new(), Pairs::new());
        Self { random, hours, pairs, people, organization, events, written: 0, placed: 0 }
    }

    /// All lines as one text.
    pub fn text(events: u64, seed: u64) -> String {
        let mut workload = Self::new(events, seed);
        let mut text = String::new();
        while workload.write_line(&mut text) {}
        text
    }

    /// Appends the next line with its line end. False when there is none.
    pub fn write_line(&mut self, out: &mut String) -> bool {
        if self.written == self.events {
            return false;
        }
        let random = &mut self.random;
        let time = self.hours.second((self.written as f64 + 0.999 * random.unit()) / self.events as f64);
        // Each pair has a fixed place, so that all of them occur whatever is drawn.
        let drawn = self.pairs.at(random.unit());
        let all = self.pairs.all.len() as u64;
        let pair = if self.events >= all && self.placed < all && self.placed * self.events / all == self.written {
            self.placed += 1;
            self.pairs.all[usize::try_from(self.placed - 1).unwrap_or_default()]
        } else {
            drawn
        };
        self.written += 1;

        let admin = pair.group == "admin";
        let member = if admin {
            random.pick(self.people.admins())
        } else {
            &self.people.members[random.skewed(self.people.members.len())]
        };
        let (mut uuid, mut email) = (member.uuid.as_str(), member.email.as_str());
        let mut initiator = if admin { email } else { "" };
        // Writing to memory can't fail.
        let _ = write!(out, r#"{{"type":"{}","action":"{}","timestamp":{time}"#, pair.kind, pair.action);
        let mut metadata = String::new();
        metadata::write(&mut metadata, random, pair, &self.people, member);
        if admin && BY_MACHINES.contains(&pair.kind) && random.chance(0.7) {
            (uuid, email, initiator) = ("", "", "azure_ad");
        } else if admin && random.chance(0.15) {
            let (uuid, email) = random.pick(&self.people.technicians);
            let comma = if metadata.is_empty() { "" } else { "," };
            let technician = format!(r#""user_uuid":"{uuid}","user_email":"{email}","user_role":"admin""#);
            let _ = write!(metadata, r#"{comma}"msp":{{{technician}}}"#);
        }
        let organization = &self.organization;
        let _ = write!(out, r#","organization_uuid":"{organization}","user":{{"uuid":"{uuid}","email":"{email}"}}"#);
        let _ = writeln!(out, r#","metadata":{{{metadata}}},"initiator":"{initiator}"}}"#);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_bytes_for_a_seed_and_all_pairs() {
        let text = Workload::text(2_000, 1);
        assert_eq!(text, Workload::text(2_000, 1));
        assert_ne!(text, Workload::text(2_000, 2));
        assert_eq!(text.lines().count(), 2_000);
        let known = Pairs::new().all.len();
        let text = Workload::text(known as u64, 3);
        let events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let pairs: BTreeSet<_> = events.map(|event| (event["type"].to_string(), event["action"].to_string())).collect();
        assert_eq!(pairs.len(), known);
    }

    #[test]
    fn a_line_has_about_389_bytes() {
        let length = Workload::text(20_000, 1).len() as f64 / 20_000.0;
        assert!((381.0..397.0).contains(&length), "{length}");
    }
}

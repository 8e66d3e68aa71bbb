//! Which events there are, and how often each occurs.

/// The product's own list of all pairs.
static CATALOGUE: &str = include_str!("../../../../crates/env/src/catalogue/events.txt");

/// Vault work first, then log-ins, then administration.
const GROUP_SHARE: [(&str, f64); 3] = [("vault", 0.78), ("login", 0.17), ("admin", 0.05)];

/// How often a pair occurs among those of its group. Pairs that aren't listed weigh 1.
const WEIGHTS: [(&str, &str, f64); 28] = [
    ("item_access", "item_autofilled", 340.0),
    ("item_access", "item_viewed", 180.0),
    ("item_access", "item_copied", 140.0),
    ("item_access", "item_secret_viewed", 90.0),
    ("item_access", "2fa_item_accessed", 40.0),
    ("totp", "2fa_item_accessed", 40.0),
    ("item_access", "items_updated", 30.0),
    ("item_access", "items_created", 30.0),
    ("item_share", "items_shared", 14.0),
    ("item_share", "item_accepted", 8.0),
    ("item_delete", "items_deleted", 12.0),
    ("password_health", "item_created_weak", 5.0),
    ("login", "user_login_successful", 120.0),
    ("login", "user_login_failed", 14.0),
    ("lock", "master_validated", 180.0),
    ("lock", "master_failed", 16.0),
    ("biometric", "biometric_enabled", 4.0),
    ("invites", "user_invited", 14.0),
    ("invites", "user_invite_accepted", 10.0),
    ("access", "user_status_updated", 10.0),
    ("groups", "group_users_added", 9.0),
    ("groups", "group_updated", 6.0),
    ("roles", "user_role_updated", 5.0),
    ("global_settings", "global_settings_updated", 6.0),
    ("group_provisioning", "group_provisioning_enabled", 2.0),
    ("breach", "domain_breached", 3.0),
    ("sharing_hub", "item_viewed", 8.0),
    ("integrations", "activities_token_created", 2.0),
];

/// A `type` and an `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `type`
    pub kind: &'static str,
    /// `action`
    pub action: &'static str,
    /// `admin`, `vault` or `login`.
    pub group: &'static str,
}

/// All pairs with the sums of their weights.
pub struct Pairs {
    /// In the order of the catalogue.
    pub all: Vec<Pair>,
    sums: Vec<f64>,
}

impl Pairs {
    /// Reads the catalogue.
    pub fn new() -> Self {
        let lines = CATALOGUE.lines().filter(|line| !line.starts_with('#') && line.contains('|')).skip(1);
        let all: Vec<Pair> = lines
            .filter_map(|line| {
                let mut cells = line.split('|').map(str::trim);
                Some(Pair { kind: cells.next()?, action: cells.next()?, group: cells.next()? })
            })
            .collect();
        let group = |name| all.iter().filter(move |pair| pair.group == name).map(weight).sum::<f64>();
        let shares = GROUP_SHARE.map(|(name, share)| (name, share / group(name)));
        let mut sum = 0.0;
        let sums = all.iter().map(|pair| {
            sum += weight(pair) * shares.iter().find(|(name, _)| *name == pair.group).map_or(0.0, |(_, share)| *share);
            sum
        });
        Self { sums: sums.collect(), all }
    }

    /// The pair at a place between 0 and 1.
    pub fn at(&self, unit: f64) -> Pair {
        let drawn = unit * self.sums.last().copied().unwrap_or(0.0);
        let place = self.sums.partition_point(|sum| *sum <= drawn);
        self.all[place.min(self.all.len() - 1)]
    }
}

fn weight(pair: &Pair) -> f64 {
    let listed = WEIGHTS.iter().find(|(kind, action, _)| (*kind, *action) == (pair.kind, pair.action));
    listed.map_or(1.0, |(_, _, weight)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_name_pairs_of_the_catalogue_and_the_groups_get_their_shares() {
        let pairs = Pairs::new();
        for (kind, action, _) in WEIGHTS {
            assert!(pairs.all.iter().any(|pair| (pair.kind, pair.action) == (kind, action)), "{kind}.{action}");
        }
        let drawn = (0..10_000).map(|number| pairs.at(f64::from(number) / 10_000.0));
        let vault = drawn.filter(|pair| pair.group == "vault").count();
        assert!((7_795..=7_805).contains(&vault), "{vault}");
    }
}

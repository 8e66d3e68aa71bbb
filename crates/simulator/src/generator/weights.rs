//! How often each pair occurs.

use nordpass_env::catalogue::{Entry, Group};

/// Cumulative weights, one for each entry. Most events are people using their vault.
pub fn cumulative(entries: &[Entry]) -> Vec<f64> {
    let share = |group| match group {
        Group::Vault => 0.75,
        Group::Login => 0.19,
        Group::Admin => 0.06,
    };
    let sum = |group| -> f64 { entries.iter().filter(|entry| entry.group == group).map(relative).sum() };
    let sums = Group::ALL.map(sum);
    let mut total = 0.0;
    entries
        .iter()
        .map(|entry| {
            total += share(entry.group) * relative(entry) / sums[entry.group as usize];
            total
        })
        .collect()
}

/// The weight within the group; rare pairs weigh 1.
fn relative(entry: &Entry) -> f64 {
    match (entry.kind, entry.action) {
        ("item_access", "item_autofilled") => 320.0,
        ("item_access", "item_viewed") => 170.0,
        ("item_access", "item_copied") => 150.0,
        ("item_access", "item_secret_viewed") => 80.0,
        ("item_access" | "totp", "2fa_item_accessed") => 35.0,
        ("item_access", "items_created" | "items_updated") => 28.0,
        ("item_share", "items_shared") | ("item_delete", "items_deleted") => 12.0,
        ("item_share", "item_accepted") | ("password_health", "item_created_weak") => 6.0,
        ("lock", "master_validated") => 160.0,
        ("login", "user_login_successful") => 110.0,
        ("lock", "master_failed") => 18.0,
        ("login", "user_login_failed") => 14.0,
        ("biometric", "biometric_enabled") => 4.0,
        ("invites", "user_invited" | "user_invite_accepted") | ("access", "user_status_updated") => 11.0,
        ("groups", "group_users_added") | ("sharing_hub", "item_viewed") => 8.0,
        ("roles", "user_role_updated")
        | ("groups", "group_updated")
        | ("global_settings", "global_settings_updated") => 5.0,
        _ => 1.0,
    }
}

//! The mapping's tables: which words of an event give which words of its row.

/// The three tables.
#[derive(Clone, Copy)]
pub enum Stream {
    /// Log-ins and unlocks.
    Authentication,
    /// Changes of users and groups.
    UserManagement,
    /// Everything else.
    AuditEvent,
}

/// The table of a pair.
pub fn stream(kind: &str, action: &str) -> Stream {
    match kind {
        "login" | "lock" | "biometric" => Stream::Authentication,
        "invites" | "roles" | "groups" | "group_provisioning" => Stream::UserManagement,
        "access" if action.starts_with("user_") => Stream::UserManagement,
        _ => Stream::AuditEvent,
    }
}

/// `EventResult`, by the action's last word.
pub fn result(verb: &str) -> &'static str {
    match verb {
        "failed" | "failure" => "Failure",
        "requested" | "started" => "NA",
        _ => "Success",
    }
}

/// `EventSeverity`
pub fn severity(kind: &str, action: &str, result: &str) -> &'static str {
    match kind {
        "breach" => "High",
        _ if result == "Failure" => "Low",
        "global_settings" | "role_settings" | "roles" | "scim_credentials" | "oauth_credentials" | "integrations" => {
            "Medium"
        }
        _ if action == "vault_exported" => "Medium",
        _ => "Informational",
    }
}

/// `EventType` of a row of user management.
pub fn user_event(action: &str, status: Option<&str>) -> &'static str {
    match action {
        "user_invited" => "UserCreated",
        "user_invite_accepted" | "user_approved" => "UserEnabled",
        "user_invite_removed" | "user_invite_declined" => "UserDeleted",
        "group_created" => "GroupCreated",
        "groups_deleted" => "GroupDeleted",
        "group_users_added" => "UserAddedToGroup",
        "group_users_removed" => "UserRemovedFromGroup",
        "group_updated" | "group_provisioning_enabled" | "group_provisioning_disabled" => "GroupModified",
        "user_status_updated" => match status {
            Some("suspended") => "UserDisabled",
            Some("deleted") => "UserDeleted",
            Some("active") => "UserEnabled",
            _ => "UserModified",
        },
        _ => "UserModified",
    }
}

/// `EventType` of an audit event, by the action's last word.
pub fn audit_event(verb: &str) -> &'static str {
    match verb {
        "viewed" | "autofilled" | "copied" | "accessed" | "exported" | "revealed" | "downloaded" => "Read",
        "updated" | "changed" | "set" | "toggled" | "reset" | "transferred" | "folder" | "verified" | "reverified"
        | "resolved" | "unresolved" | "muted" | "unmuted" => "Set",
        "created" | "imported" | "v2" | "added" | "auto" | "shared" | "given" | "granted" | "enrolled" | "received"
        | "recreated" => "Create",
        "deleted" | "removed" | "revoked" | "cleared" | "unshared" | "expired" => "Delete",
        "accepted" | "enabled" | "approved" => "Enable",
        "rejected" | "disabled" | "declined" => "Disable",
        "used" | "successful" | "failed" | "requested" | "started" | "restarted" | "upgrade" => "Execute",
        _ => "Other",
    }
}

/// `ObjectType` of an audit event.
pub fn object_type(kind: &str) -> &'static str {
    match kind {
        "item_access" | "item_share" | "item_delete" | "password_health" | "sharing_hub" | "totp" => "Other",
        "global_settings" | "role_settings" | "user_settings" => "Policy Rule",
        "integrations"
        | "scim_credentials"
        | "oauth_credentials"
        | "oauth_domain"
        | "oauth_token_management"
        | "domain" => "Configuration Atom",
        "password" | "recovery_code" | "access" | "consents" => "Directory Service Object",
        _ => "Service",
    }
}

"""Protection weakened."""

from .registry import attack

NAMES = (
    "mfa_required", "two_factor_authentication", "block_external_sharing", "disable_vault_export", "mfa_for_guests",
    "auto_lock_timeout", "sso_only_login", "restrict_item_sharing", "master_password_strength",
)


@attack("policy-weakened", "High", essential=("policy",), fallback="look", variants=tuple(
    [{}] + [{"name": name} for name in NAMES[1:]]
    + [{"pair": "global_settings.password_policy_toggled"}, {"pair": "role_settings.role_settings_updated"},
       {"pair": "totp.global_settings_updated"}, {"pair": "global_settings.global_settings_customization_deleted"}]),
    twins=({"old": False, "new": True}, {"name": "organization_name", "old": "Northwind", "new": "Northwind SE"}), sweep="policy")
def policy_weakened(s, name=NAMES[0], pair="global_settings.global_settings_updated", old=True, new=False):
    """A protective policy is switched off; its name and shape may be any, and unreadable must be told as such."""
    s.act(pair, s.admin, s.at(0, 11), s.admin.office, platform="Web vault", policy=(name, old, new))
    # Whether an unknown setting with a text as its value matters can't be told: a look is right, an alarm isn't.
    more = {"allowed": "changed, look"} if name == "organization_name" else {}
    s.expect(actor=s.admin, addresses=[s.admin.office], **more)


@attack("breach-monitoring-muted", "Medium", essential=("target",), fallback="look", variants=({}, {"count": 8}), twins=({"un": True},))
def muted(s, count=1, un=False):
    """The breach scanner is told to ignore members."""
    for number, person in enumerate(s.people[2:2 + count]):
        s.act("breach.user_unmuted" if un else "breach.user_muted", s.admin, s.at(0, 11, number), s.admin.office, target=[person])
    s.expect(actor=s.admin, target=s.people[2:2 + count], addresses=[s.admin.office])

"""Around a member's leaving."""

from .registry import attack


@attack("export-before-leaving", "High", essential=("target", "status"), fallback="look", variants=(
    {}, {"days": 12}, {"how": "directory user"}, {"how": "directory metadata", "status": "deleted"},
    {"order": "suspension told first"}), twins=({"someone": "other"},))
def export_before_leaving(s, days=1, how="admin", status="suspended", order="as it was", someone="leaver"):
    """A vault is exported up to fourteen days before its owner is suspended or deleted."""
    late = 7200 if order == "suspension told first" else 30
    s.act("item_access.vault_exported", s.leaver, s.at(-days, 16), s.leaver.home, s.leaver.platform, late=late)
    gone = s.leaver if someone == "leaver" else s.colleague
    when = s.at(0, 9) if order == "as it was" else s.at(-days, 16, 30)
    if how == "admin":
        s.act("access.user_status_updated", s.admin, when, s.admin.office, target=[gone], status=("active", status))
    else:
        s.scim = True
        s.by_directory("access.user_status_updated", gone, when, where=how.split()[1], status=("active", status))
    s.absent[gone.email] = 0
    s.expect(actor=s.leaver, target=[s.leaver], addresses=[s.leaver.home])


@attack("leaver-items-to-self", "High", essential=("target",), fallback="look", variants=(
    {}, {"self": "recipient only"}, {"read": 0}), twins=({"to": "manager"},))
def leaver_items(s, to="admin", read=12, **behaviour):
    """An administrator has a removed member's items transferred to himself, then reads them."""
    receiver = getattr(s, to)
    s.act("access.user_status_updated", s.admin, s.at(0, 9), s.admin.office, target=[s.leaver], status=("active", "deleted"))
    people = [receiver] if behaviour else [s.leaver, receiver]
    s.act("access.item_reassignment_transferred", s.admin, s.at(0, 9, 4), s.admin.office, target=people, items=s.leaver.items(0, 30))
    if to == "admin":
        s.reads(s.admin, s.at(0, 9, 15), s.leaver.items(0, read), s.admin.office)
    s.absent[s.leaver.email] = 0
    s.expect(actor=s.admin, target=[s.leaver], addresses=[s.admin.office], count=30)


@attack("breach-resolved-untouched", "Medium", essential=("target",), fallback="look", variants=(
    {}, {"used": True}, {"muted": True}), twins=({"changed": True},))
def breach_resolved(s, used=False, muted=False, changed=False):
    """A member's breach finding is marked resolved, or muted, though no password was changed."""
    s.act("breach.email_breached", s.victim, s.at(0, 9), platform="Web vault")
    if changed:
        s.act("lock.master_changed", s.victim, s.at(0, 10), s.victim.office, s.victim.platform)
        s.act("password.business_account_password_change_successful", s.victim, s.at(0, 10, 4), s.victim.office, s.victim.platform)
        s.act("item_access.items_updated", s.victim, s.at(0, 10, 9), s.victim.office, s.victim.platform, items=s.victim.items(0, 3))
    pair = "breach.user_muted" if muted else "breach.breach_resolved"
    s.act(pair, s.admin, s.at(0, 9, 1) if not changed else s.at(0, 14), s.admin.office, target=[s.victim])
    if used:
        s.login(s.victim, s.at(1, 3), s.hostile(90), "Linux")
    s.expect(actor=s.admin, target=[s.victim], addresses=[s.hostile(90)] if used else [])


@attack("leak-of-many", "High", essential=(), fallback="look", variants=({}, {"spread": 3600}, {"about": "metadata"}), twins=({"old": True},))
def leak_of_many(s, spread=60, about="user", old=False):
    """One leak with the addresses of twenty-two people: one incident that names all, not twenty-two."""
    crowd = [s.stranger(f"r{number:02}.north", "northwind.example") for number in range(22)]
    for number, person in enumerate(crowd):
        if old:  # looking at known findings isn't a leak
            s.act("breach.breach_details_viewed", s.admin, s.at(0, 8) + number * spread, s.admin.office, target=[person])
        elif about == "user":
            s.act("breach.email_breached", person, s.at(0, 8) + number * spread)
        else:
            s.needs.add("target")
            s.act("breach.email_breached", None, s.at(0, 8) + number * spread, target=[person])
    s.expect(target=crowd, count=22, incidents=1)

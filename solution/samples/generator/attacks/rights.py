"""Rights given: roles, tokens, access to oneself."""

from ..randomness import uuid
from .registry import attack


@attack("privilege-granted", "High", essential=("role",), fallback="look", variants=(
    {}, {"new": "admin"}, {"night": False, "who": "colleague"}), twins=({"old": "owner", "new": "user", "who": "colleague", "night": False},), sweep="role")
def privilege(s, old="user", new="owner", who="stranger", night=True):
    """An administrator makes a private account Owner or Admin, with the role in any shape; unreadable must be told, too."""
    friend = s.stranger("mallory", "gmail.com") if who == "stranger" else getattr(s, who)
    day, hour = (5, 2) if night else (0, 11)
    where = s.hostile(6) if night else s.admin.office
    s.last_day = 5
    if who == "stranger":
        s.act("invites.user_invited", s.admin, s.at(day, hour, 1), where, target=[friend])
        s.act("invites.user_invite_accepted", friend, s.at(day, hour, 9), where)
    s.act("roles.user_role_updated", s.admin, s.at(day, hour, 10), where, target=[friend], role=(old, new))
    s.expect(actor=s.admin, target=[friend], addresses=[where])


@attack("token-by-new-admin", "High", essential=("role",), fallback="full", variants=(
    {}, {"past": "recovery"}, {"past": "nothing"}, {"past": "scim"}, {"pair": "scim_credentials.scim_credentials_created"}), twins=({"past": "years"},))
def token_new_admin(s, past="promoted", pair="integrations.activities_token_created"):
    """A token or SCIM credential is made by somebody who never administrated: own events as a member don't count."""
    maker = s.admin if past == "years" else s.rare
    if past == "promoted":
        s.act("invites.user_invite_accepted", maker, s.at(-5, 8), maker.office)
        s.act("roles.user_role_updated", s.admin, s.at(0, 8), s.admin.office, target=[maker], role=("user", "admin"))
    elif past == "recovery":
        s.act("access.recovery_request_created", maker, s.at(-7, 8), maker.office)
    elif past == "scim":
        s.by_directory("access.user_status_updated", maker, s.at(-9, 6), status=("suspended", "active"))
    s.act(pair, maker, s.at(0, 9), maker.office, token_name="export")
    s.expect(actor=maker, addresses=[maker.office])


@attack("token-replaced", "High", essential=(), fallback="full", variants=(
    {}, {"order": "revoked first"}, {"hours": 20, "who": "owner"}, {"told": "made only"}), twins=({"listed": True},))
def token_replaced(s, order="made first", hours=0, who="admin2", listed=False, told="both"):
    """A new token is made and the connector's is revoked: the log goes elsewhere, and no more arrives here."""
    maker = getattr(s, who)
    made, revoked = s.at(0, 9, 5), s.at(0, 9, 9) + hours * 3600
    if order == "revoked first":
        made, revoked = revoked, made
    s.act("integrations.activities_token_created", maker, made, s.hostile(7) if not listed else maker.office)
    if told == "made only":  # the revocation itself can't be read any more
        s.cut = made + 240
        s.connectors += [
            {"instance": "nordpass-sentinel", "host": "host-a", "state": state, "from": first, "until": last}
            for state, first, last in (("running", s.at(-16), s.cut), ("rejected", s.cut, s.at(4)))
        ]
    s.act("integrations.activities_token_revoked", maker, revoked, s.hostile(7) if not listed else maker.office)
    if listed:
        s.lists["maintenance"] = [{"kind": "token rotation", "who": [maker.email], "from": s.at(-1), "until": s.at(2)}]
    s.expect(actor=maker, addresses=[s.hostile(7)] if not listed else [])


@attack("self-granted-access", "High", essential=("target",), fallback="blind", variants=(
    {}, {"how": "acl"}, {"how": "owner"}, {"how": "folder"}, {"told": "nowhere"}), twins=({"whom": "other", "read": 4}, {"read": 0, "how": "new group"}))
def self_granted(s, how="group", whom="admin", read=20, told="named"):
    """An administrator gives himself access to a group, item or folder, then reads what is in it."""
    person = getattr(s, whom)
    items = s.manager.items(0, 20)
    group = ("Domain admins", uuid(s.organization, "group", 9))
    facts = {"target": [person]} if told == "named" else {}
    s.lost |= {"target"} if told == "nowhere" else set()
    pair, more = {
        "group": ("groups.group_users_added", {"group": group}),
        "new group": ("groups.group_users_added", {"group": group}),
        "acl": ("item_share.item_acl_changed", {"items": items, "permission": "full"}),
        "owner": ("item_share.item_owner_changed", {"items": items}),
        "folder": ("item_share.shared_folder_shared", {"folder_uuid": uuid(s.organization, "folder")}),
    }[how]
    if how == "new group":
        s.act("groups.group_created", s.admin, s.at(0, 9, 58), s.admin.office, group=group)
    s.act(pair, s.admin, s.at(0, 10), s.admin.office, **facts, **more)
    s.reads(person, s.at(0, 10, 2), items[:read], person.office, gap=60)
    s.expect(actor=s.admin, target=[s.admin], addresses=[s.admin.office], count=read)


@attack("msp-self-access", "High", essential=("target", "recipient"), fallback="look", variants=(
    {}, {"how": "role"}, {"how": "share"}), twins=({"how": "member"},))
def msp_self(s, how="group"):
    """Staff of the managing provider gives itself access in a customer's organization."""
    staff = s.stranger("sam", "provider.example")
    s.lists["msp_domains"] = ["provider.example"]
    for day in (-14, -10, -6):
        s.act("groups.group_users_added", s.owner, s.at(day, 9), staff.home, msp=staff, target=[s.other], group=("Project", s.organization))
    if how == "member":
        s.act("groups.group_users_added", s.owner, s.at(0, 9), staff.home, msp=staff, target=[s.colleague], group=("Project", s.organization))
    elif how == "group":
        s.act("groups.group_users_added", s.owner, s.at(0, 9), staff.home, msp=staff, target=[staff], group=("All vaults", s.organization))
    elif how == "role":
        s.act("roles.user_role_updated", s.owner, s.at(0, 9), staff.home, msp=staff, target=[staff], role=("user", "owner"))
    else:
        s.act("item_share.items_shared", s.owner, s.at(0, 9), staff.home, "Windows", msp=staff, recipient=[staff], items=s.owner.items(0, 12))
    s.expect(actor=staff, target=[staff], addresses=[staff.home])

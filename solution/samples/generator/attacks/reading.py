"""Secrets read in a mass, slowly, or by a newcomer."""

from .. import sample as _sample
from .registry import attack


@attack("mass-reveal", "High", essential=(), fallback="look", variants=(
    {}, {"action": "item_access.item_autofilled"}, {"action": "item_access.deleted_item_secret_viewed"},
    {"action": "sharing_hub.item_access_revealed", "who": "admin"}, {"action": "item_access.item_copied", "bulk": True},
    {"action": "mixed"}, {"action": "item_access.2fa_item_accessed"}, {"late": 171000}, {"count": 30},
    {"young": True}), twins=(
    {"count": 9}, {"listed": True, "count": 70}, {"same": True, "count": 30}, {"habit": True}))
def mass_reveal(s, action="item_access.item_secret_viewed", count=70, gap=40, who="victim", bulk=False, same=False, listed=False, late=None,
                habit=False, young=False):
    """Seventy secrets within an hour by a person who reads two a day: viewed, copied, filled, from the trash or hub."""
    person = getattr(s, who)
    items = person.items(50, count) if not same else person.items(3, 1) * count
    actions = ("item_access.item_secret_viewed", "item_access.item_copied", "item_access.item_viewed",
               "totp.2fa_item_accessed") if action == "mixed" else (action,)
    s.late = late
    if young:  # an organization of three days: nothing to compare with
        s.first_day = -3
    if habit:  # the person's work: as many on each working day
        for day in (-15, -14, -13, -12, -11, -8, -7, -6, -5, -4, -1):
            s.reads(person, s.at(day, 9), person.items(50 + day % 7, count - 5 + day % 9), gap=300, action=action)
    if bulk:
        s.needs.add("item count")
        s.act(action, person, s.at(0, 17), person.home, person.platform, items=items)
    else:
        for number, item in enumerate(items):
            s.act(actions[number % len(actions)], person, s.at(0, 17) + number * gap, person.home, person.platform, items=[item])
    if listed:
        s.lists["maintenance"] = [{"kind": "rotation", "who": [person.email], "from": s.at(-1), "until": s.at(2)}]
    s.expect(actor=person, addresses=[person.home], count=count)


@attack("low-and-slow-reading", "Medium", essential=("items",), fallback="blind", variants=(
    {}, {"per_day": 12, "days": 13}, {"action": "item_access.item_autofilled"}), twins=({"known": True, "per_day": 6}, {"per_day": 3}))
def low_and_slow(s, per_day=28, days=8, action="item_access.item_secret_viewed", known=False):
    """Each day some secrets that the person never opened before, always below what a day's limit would be."""
    s.last_day = days + 2
    for day in range(days):
        items = s.victim.items(0, per_day) if known else s.victim.items(100 + day * per_day, per_day)
        s.reads(s.victim, s.at(day, 9), items, s.victim.office, gap=900, action=action)
    s.expect(actor=s.victim, addresses=[s.victim.office], count=per_day * days)


@attack("newcomer-reading", "Medium", variants=({}, {"scim": True}, {"action": "item_access.item_copied", "count": 55}), twins=({"count": 8},))
def newcomer(s, scim=False, count=90, action="item_access.item_secret_viewed"):
    """A member of two days, without a past to compare with, reveals ninety secrets in one evening."""
    new = s.stranger("nora.newly", "northwind.example")
    if scim:
        s.scim = True
        s.by_directory("invites.user_invited", new, s.at(-2, 6), where="metadata")
    else:
        s.act("invites.user_invited", s.admin, s.at(-2, 8), s.admin.office, target=[new])
    s.act("invites.user_invite_accepted", new, s.at(-2, 9), new.office)
    s.login(new, s.at(-2, 9, 5), new.office)
    s.reads(new, s.at(-1, 9), new.items(0, 2), new.office)
    s.reads(new, s.at(0, 18), new.items(10, count), gap=40, action=action)
    s.expect(actor=new, addresses=[new.home], count=count)


@attack("sensitive-item-read", "Medium", essential=("items",), fallback="blind", variants=(
    {}, {"action": "item_access.item_autofilled"}, {"action": "item_share.items_shared"}), twins=({"listed": "other"}, {"owner": True}), sweep="items")
def sensitive_item(s, action="item_access.item_secret_viewed", listed="this", owner=False):
    """An item on the watchlist of sensitive items is read by somebody who isn't allowed to."""
    item = s.manager.items(2, 1)[0]
    reader = s.manager if owner else s.other
    s.lists["sensitive_items"] = [{"item": item if listed == "this" else s.manager.items(3, 1)[0], "allowed": [s.manager.email]}]
    facts = {"recipient": [s.colleague]} if "share" in action else {}
    s.act(action, reader, s.at(0, 16), reader.home, reader.platform, items=[item], **facts)
    s.expect(actor=reader, addresses=[reader.home], items=[item])


@attack("export-after-joining", "High", variants=({}, {"days": 5}, {"scim": True}), twins=({"days": 200},))
def export_after_joining(s, days=2, scim=False):
    """A vault is exported within days of its owner's joining."""
    new = _sample.Person(s.organization, "nils.early", 3)
    if days < 14:
        if scim:
            s.by_directory("invites.user_invited", new, s.at(-days, 6), where="metadata")
        s.act("invites.user_invite_accepted", new, s.at(-days, 8), new.office)
    for day in range(-min(days, 14), 0):
        s.login(new, s.at(day, 8, 30), new.office)
    s.act("item_access.vault_exported", new, s.at(0, 12), new.office, new.platform)
    # An export by an old member is worth a glance, but not as this attack.
    s.expect(actor=new, addresses=[new.office])

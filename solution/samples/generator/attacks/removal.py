"""Things and people removed in a mass."""

from ..randomness import uuid
from .registry import attack


def _listed(s, person, kind):
    s.lists["maintenance"] = [{"kind": kind, "who": [person.email], "from": s.at(-1), "until": s.at(2)}]


@attack("mass-item-deletion", "High", essential=(), fallback="look", variants=(
    {}, {"bulk": True}, {"gap": 900}, {"late": 171000}, {"action": "item_delete.item_reassignment_deleted"}, {"young": True}), twins=(
    {"count": 4}, {"listed": True}, {"habit": True}))
def item_deletion(s, count=25, gap=20, bulk=False, late=None, habit=False, young=False, action="item_delete.items_deleted", listed=False):
    """Twenty-five items deleted: one by one, in one event, slowly, or told two days late. The count must be told whole."""
    person = s.admin if "reassignment" in action else s.victim
    items = s.victim.items(0, count)
    s.needs |= {"item count"} if bulk else set()
    batches = [items] if bulk else [[item] for item in items]
    if young:
        s.first_day = -3
    if habit:
        for day in (-15, -14, -13, -12, -11, -8, -7, -6, -5, -4, -1):
            for number, item in enumerate(s.victim.items(1000 + day * 30, count - 4 + day % 7)):
                s.act(action, person, s.at(day, 15) + number * 20, person.home, person.platform, items=[item])
    for number, batch in enumerate(batches):
        s.act(action, person, s.at(0, 15) + number * gap, person.home, person.platform, late=late, items=batch)
    if listed:
        _listed(s, person, "clean-up")
    s.expect(actor=person, addresses=[person.home], count=count)


@attack("mass-overwriting", "High", essential=(), fallback="look", variants=({}, {"bulk": True}), twins=({"count": 3}, {"listed": True}))
def overwriting(s, count=60, bulk=False, listed=False):
    """Sixty items overwritten by a person who changes one a week: passwords destroyed without a deletion."""
    items = s.victim.items(0, count)
    s.needs |= {"item count"} if bulk else set()
    for number, batch in enumerate([items] if bulk else [[item] for item in items]):
        s.act("item_access.items_updated", s.victim, s.at(0, 21) + number * 15, s.victim.home, s.victim.platform, items=batch)
    if listed:
        _listed(s, s.victim, "rotation")
    s.expect(actor=s.victim, addresses=[s.victim.home], count=count)


@attack("mass-unsharing", "High", essential=(), fallback="full", variants=(
    {}, {"action": "item_share.shared_folder_unshared", "count": 30}, {"action": "item_share.item_acl_changed"}), twins=({"count": 5}, {"listed": True}))
def unsharing(s, count=80, action="item_share.items_unshared", listed=False):
    """Eighty shares taken back within ten minutes: a team loses its access."""
    facts = {"permission": "none"} if action.endswith("acl_changed") else {}
    for number, item in enumerate(s.victim.items(0, count)):
        s.act(action, s.victim, s.at(0, 13) + number * 7, s.victim.home, s.victim.platform, items=[item], recipient=[s.other], **facts)
    if listed:
        _listed(s, s.victim, "migration")
    s.expect(actor=s.victim, target=[s.other], addresses=[s.victim.home], count=count)


@attack("mass-member-removal", "High", essential=("status",), fallback="look", variants=(
    {}, {"status": "suspended"}, {"bulk": True}, {"pair": "invites.user_invite_removed"}, {"gap": 600}), twins=(
    {"count": 2}, {"listed": True}, {"directory": True, "count": 6}))
def member_removal(s, count=30, status="deleted", gap=20, bulk=False, pair="access.user_status_updated", listed=False, directory=False):
    """An administrator suspends or deletes thirty members within minutes."""
    crowd = [s.stranger(f"m{number:02}.north", "northwind.example") for number in range(count)]
    facts = {"status": ("active", status)} if "status" in pair else {}
    if directory:
        s.scim = True
        for number, person in enumerate(crowd):
            s.by_directory(pair, person, s.at(0, 6) + number * gap, **facts)
    else:
        s.needs |= {"target"} if bulk else set()
        for number, people in enumerate([crowd] if bulk else [[person] for person in crowd]):
            s.act(pair, s.admin, s.at(0, 13) + number * gap, s.admin.office, target=people, **facts)
    if listed:
        _listed(s, s.admin, "off-boarding")
    s.expect(actor=s.admin, target=crowd, addresses=[s.admin.office], count=count)


@attack("mass-group-deletion", "High", essential=(), fallback="full", variants=({}, {"pair": "groups.group_users_removed"}), twins=({"count": 1}, {"listed": True}))
def group_deletion(s, count=15, pair="groups.groups_deleted", listed=False):
    """An administrator deletes fifteen groups, or empties them, within a quarter of an hour."""
    for number in range(count):
        facts = {"target": s.people[4:8]} if "removed" in pair else {}
        s.act(pair, s.admin, s.at(0, 13, number), s.admin.office, group=(f"Team {number}", uuid(s.organization, "group", number)), **facts)
    if listed:
        _listed(s, s.admin, "off-boarding")
    s.expect(actor=s.admin, addresses=[s.admin.office], count=count)

"""Operations: outages, backlogs, migrations, rotations, and the work of administrators on the system itself."""

from .. import addresses
from ..clock import DAY, HOUR, MINUTE
from ..randomness import item_uuid
from .comings import ordinary, usual, work_time
from .people import member


def holiday(month, draw):
    """A long week-end; on the Tuesday after it many mistype, and a few have forgotten their master password."""
    month.holidays.add(28)
    month.clumsy[29] = 0.18
    crowd = ordinary(month)
    forgot = draw.some([person for person in crowd if person.away is None], max(1, month.facts["people"] // 90))
    for person in forgot:
        when = work_time(month, draw, person, 29)
        where, admin = usual(person), draw.pick(month.admins)
        for number in range(draw.between(3, 7)):
            month.add(month.quick("lock.master_failed", person, when + number * 25, where, person.device))
        month.add(month.event("access.recovery_request_created", person, when + 600, where))
        approved = when + 1200 + draw.below(5400)
        month.add(month.event("access.recovery_request_approved", admin, approved, usual(admin), target=[person]))
        month.add(month.quick("lock.master_changed", person, approved + 700, where, person.device))
        month.add(month.quick("lock.master_validated", person, approved + 730, where, person.device))
    month.remarkable("after a holiday", month.day(29), month.day(30), forgot, note="many failed log-ins everywhere; these asked for a recovery")


def identity_outage(month, draw):
    """The identity provider is down for an hour in the morning: everybody's log-in fails until it is back."""
    if not month.facts["provider"]:
        return
    day = draw.pick((16, 22, 36))
    first = month.day(day, 7, draw.below(40))
    last = first + draw.between(50, 95) * MINUTE
    month.outages.append((first, last))
    month.remarkable("identity provider outage", first, last + 40 * MINUTE, acceptable="one incident that tells an outage")


def backlog(month, draw):
    """The API is behind for hours, then everything arrives within minutes."""
    for day, hours in ((draw.pick((19, 26)), 5), (draw.pick((33, 40)), 14)):
        first = month.day(day, draw.between(6, 9))
        month.backlogs.append((first, first + hours * HOUR))
        month.remarkable("backlog", first, first + hours * HOUR + 600, note="events arrive late, all at once")


def late_pages(month, draw):
    """Short delays of twenty minutes on several days."""
    for _ in range(6):
        first = month.day(draw.below(month.days), draw.below(22), draw.below(60))
        month.backlogs.append((first, first + 20 * MINUTE))


def migration(month, draw):
    """One person imports and shares thousands of items from another product, over two evenings; it is entered."""
    person = ordinary(month)[3]
    day = draw.pick((15, 22, 30))
    where = usual(person)
    count = month.facts["migration"]
    items = [item_uuid(person.key ^ 5, number) for number in range(count)]
    when = month.day(day, 16)
    for first in range(0, count // 2, 250):  # half of them in bulk
        month.add(month.quick("item_access.items_imported_v2", person, when, where, person.device, items[first:first + 250]))
        when += 90
    for item in items[count // 2:]:
        month.add(month.quick("item_access.items_created", person, when, where, person.device, [item]))
        when += 3
    when = month.day(day + 1, 16)
    team = month.members[10:18]
    for number, item in enumerate(items):
        month.add(month.event("item_share.items_shared", person, when + number * 4, where, person.device, [item], recipient=[team[number % 8]]))
    for number in range(0, count, 9):
        month.add(month.quick("item_access.item_secret_viewed", person, when + number * 4 + 2, where, person.device, [items[number]]))
    month.remarkable("migration", month.day(day, 15), month.day(day + 1, 23), [person], listed=True, note=f"{count} items from another product")


def rotation(month, draw):
    """A leak becomes known, and in the three days after it those concerned change what they have; it is entered."""
    day = draw.pick((16, 23, 37))
    crowd = ordinary(month)[20:20 + month.facts["rotation"]] or ordinary(month)[:month.facts["rotation"]]
    found = month.day(day, 6, 12)
    month.add(month.event("breach.domain_breached", None, found))
    for number, person in enumerate(crowd):
        month.add(month.event("breach.email_breached", person, found + 2 + number))
        where = usual(person)
        when = work_time(month, draw, person, day + draw.below(3))
        month.add(month.quick("lock.master_changed", person, when, where, person.device))
        for item in range(draw.between(10, 45)):
            when += 50 + draw.below(90)
            identifier = [item_uuid(person.key, item)]
            month.add(month.quick("item_access.item_secret_viewed", person, when - 20, where, person.device, identifier))
            month.add(month.quick("item_access.items_updated", person, when, where, person.device, identifier))
        admin = draw.pick(month.admins)
        month.add(month.event("breach.breach_resolved", admin, when + HOUR, usual(admin), target=[person]))
    month.remarkable("rotation", found, month.day(day + 4), crowd, listed=True, note="a real leak, then new passwords", acceptable="one incident that tells the leak")


def token_rotation(month, draw):
    """The connector's token is replaced in a planned hour, the old one revoked when the new one works."""
    day = draw.pick((18, 27, 32))
    admin = month.admins[0]
    month.add(month.event("integrations.activities_token_created", admin, month.day(day, 9, 2), usual(admin)))
    month.add(month.event("integrations.activities_token_revoked", admin, month.day(day, 9, 40), usual(admin)))
    month.remarkable("token rotation", month.day(day, 9), month.day(day, 10), [admin], listed=True)


def break_glass_test(month, draw):
    """The emergency account is tested once; it is entered."""
    day = draw.pick((17, 24, 39))
    glass = member(month, 0, "glass")
    glass.email = month.lists["break_glass"][0]
    where = usual(month.owner)
    when = month.day(day, 10)
    for pair in ("login.user_login_successful", "lock.master_validated"):
        month.add(month.quick(pair, glass, when, where, "Windows"))
        when += 40
    month.remarkable("break-glass test", month.day(day, 10), month.day(day, 11), [glass, month.owner], listed=True)


def runner_moves(month, draw):
    """The service accounts' runners move to another cloud region for a day."""
    for person in month.services:
        day = 20 + draw.below(12)
        first = month.day(day)
        for quarter in range(0, 96, 2):
            when = first + quarter * 900 + 60
            where = addresses.address("cloud.US", person.key + quarter // 24)
            month.add(month.quick("item_access.item_copied", person, when, where, "Linux", [item_uuid(person.key, 0)]))
        month.remarkable("runner moved", first, first + DAY, [person], note="a listed service account works from another region")

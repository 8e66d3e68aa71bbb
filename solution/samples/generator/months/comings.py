"""People who come, go, travel, move, and change their names."""

from .. import addresses
from ..clock import DAY, HOUR
from ..randomness import item_uuid
from .people import member

ABROAD = ("hotel.FR", "hotel.ES", "hotel.GB", "hotel.JP", "home.US", "home.IN")


def ordinary(month, after=30):
    """Members without a task that other happenings depend on."""
    return [person for person in month.members[1 + month.facts["admins"]:] if person.left > month.end and person.joined == 0][after if month.size != "small" else 4:]


def working_day(month, draw, first, last):
    """A day from `first` to `last` that is neither at a weekend nor a holiday."""
    while True:
        day = draw.between(first, last)
        if day % 7 < 5 and day not in month.holidays:
            return day


def usual(person):
    """The address of the person's office, or of the home of those who always work there."""
    if not person.office_days:
        return addresses.address(f"home.{person.country}", person.home)
    return addresses.address(f"office.{person.country}", person.team % 3)


def work_time(month, draw, person, day):
    """A time in the person's working hours on a day."""
    return month.day(day) - person.offset + person.begin + int(draw.unit() * (person.length - 1) * HOUR)


def _joins(month, draw, person, day):
    """Invitation or provisioning, acceptance, first log-in, import of a few items, a recovery code, a group."""
    admin = draw.pick(month.admins)
    invited = month.day(day, 6, draw.below(40))
    joined = month.day(day) - person.offset + max(person.begin, 7 * HOUR) + draw.below(2 * HOUR)
    person.joined = joined + 6 * HOUR
    where = usual(person)
    if month.facts["scim"]:
        month.add(month.event("invites.user_invited", None, invited, initiator="azure_ad", target=[person]))
        month.add(month.event("groups.group_users_added", None, invited + 40, initiator="azure_ad", target=[person], group=(f"Team {person.team}", item_uuid(7, person.team))))
    else:
        month.add(month.event("invites.user_invited", admin, invited + 3 * HOUR, usual(admin), target=[person]))
        joined += 4 * HOUR
        month.add(month.event("groups.group_users_added", admin, joined + 1800, usual(admin), target=[person], group=(f"Team {person.team}", item_uuid(7, person.team))))
    add, quick = month.add, month.quick
    add(month.event("invites.user_invite_accepted", person, joined, where))
    add(month.event("login.user_login_successful", person, joined + 20, where, person.device, provider=month.facts["provider"]))
    add(quick("recovery_code.recovery_created", person, joined + 60, where, person.device))
    add(quick("recovery_code.recovery_downloaded", person, joined + 80, where, person.device))
    if draw.chance(0.5):
        count = draw.between(5, 60)
        add(quick("item_access.items_imported", person, joined + 900, where, person.device, [item_uuid(person.key, n) for n in range(count)]))
    for number in range(draw.between(2, 9)):
        add(quick("item_access.item_autofilled", person, joined + 1500 + number * 700, where, person.device, [item_uuid(person.team, number)]))
    add(month.event("login.user_login_successful", person, joined + 5 * HOUR, where, person.phone, provider=month.facts["provider"]))
    add(quick("biometric.biometric_enabled", person, joined + 5 * HOUR + 30, where, person.phone))


def onboarding_wave(month, draw):
    """Many people start on one Monday."""
    day = draw.pick((21, 28, 35))
    if day == 28:
        day = 29  # a holiday
    wave = ordinary(month)[-month.facts["wave"]:]
    for person in wave:
        _joins(month, draw, person, day)
    month.remarkable("onboarding wave", month.day(day), month.day(day + 2), wave, note=f"{len(wave)} people start on one day")


def joiners(month, draw):
    """Single people start on other days."""
    for person in ordinary(month)[:max(1, month.facts["people"] // 150)]:
        _joins(month, draw, person, working_day(month, draw, 2, month.days - 6))


def _leaves(month, draw, person, day, hour=16):
    """Suspension, deletion three days later, items to the manager."""
    gone = month.day(day, hour, draw.below(50))
    person.left = gone - 600
    manager = draw.pick(month.admins)
    if month.facts["scim"]:
        month.add(month.event("access.user_status_updated", None, gone, initiator="azure_ad", target=[person], status=("active", "suspended")))
        month.add(month.event("access.user_status_updated", None, gone + 3 * DAY, initiator="azure_ad", target=[person], status=("suspended", "deleted")))
    else:
        month.add(month.event("access.user_status_updated", manager, gone, usual(manager), target=[person], status=("active", "deleted")))
    heir = draw.pick(month.members[1 + len(month.admins):][:12])
    month.add(month.event("access.item_reassignment_transferred", manager, gone + 3 * DAY + 3600, usual(manager), target=[person, heir], items=[item_uuid(person.key, n) for n in range(12)]))
    for number in range(3):
        month.add(month.quick("item_access.item_viewed", heir, gone + 3 * DAY + 5400 + number * 60, usual(heir), heir.device, [item_uuid(person.key, number)]))


def leavers(month, draw):
    """People leave on various days; a manager inherits their items and looks at some."""
    for person in ordinary(month)[5:5 + month.facts["leavers"]]:
        day = draw.pick((14, 15, 21, 22, 29, 35, 36))
        _leaves(month, draw, person, day)
        month.remarkable("leaver", month.day(day), month.day(day + 4), [person])


def off_boarding_project(month, draw):
    """A contract ends: its people are suspended within an hour by hand, their groups are deleted."""
    count = month.facts["offboarding"]
    if not count:
        return
    crowd = ordinary(month)[50:50 + count]
    day = draw.pick((24, 31, 38))
    admin = month.admins[0]
    for number, person in enumerate(crowd):
        when = month.day(day, 13) + number * 15
        person.left = when - 600
        month.add(month.event("access.user_status_updated", admin, when, usual(admin), target=[person], status=("active", "suspended")))
    for number in range(6):
        month.add(month.event("groups.groups_deleted", admin, month.day(day, 15, number), usual(admin), group=(f"Contract {number}", item_uuid(8, number))))
    month.remarkable("off-boarding", month.day(day, 12), month.day(day, 17), [admin], listed=True, note=f"{count} contractors leave, 6 groups go")


def guests(month, draw):
    """Guests of a listed partner accept invitations over the month."""
    for person in month.guests:
        day = working_day(month, draw, 0, month.days - 5)
        when = month.day(day, 9, draw.below(400))
        person.joined = when + HOUR if draw.chance(0.5) else 0
        if person.joined:
            admin = draw.pick(month.admins)
            where = addresses.address("home.DE", person.home)
            month.add(month.event("invites.user_invited", admin, when - 1200, usual(admin), target=[person]))
            month.add(month.event("invites.user_invite_accepted", person, when, where))
            month.add(month.event("login.user_login_successful", person, when + 30, where, "Web vault"))
            month.add(month.event("item_share.external_items_received", person, when + 90, where, "Web vault"))


def agency(month, draw):
    """A new agency's two people join; the administrator has entered its domain."""
    month.lists["partner_domains"].append("agency.example")
    admin = month.admins[-1]
    day = draw.pick((17, 23, 37))
    people = [member(month, 900 + number, "guest", "agency.example") for number in range(2)]
    month.add(month.event("invites.invite_link_generated", admin, month.day(day, 9), usual(admin)))
    for number, person in enumerate(people):
        when = month.day(day, 11, 20 * number)
        where = addresses.address("home.DE", person.home)
        month.add(month.event("invites.user_invite_accepted", person, when, where))
        month.add(month.event("login.user_login_successful", person, when + 45, where, "Web vault"))
    month.remarkable("foreign domain joins", month.day(day, 9), month.day(day, 13), people, note="agency.example is in partner_domains")


def travellers(month, draw):
    """People work from abroad for some days; nobody enters it."""
    for person in ordinary(month)[-month.facts["travellers"]:]:
        day = 3 + draw.below(month.days - 12)
        first, last = month.day(day, 3), month.day(day + draw.between(2, 9), 20)
        network = draw.pick([name for name in ABROAD if not name.endswith(person.country)])
        person.away, person.away_at = (first, last), network
        month.remarkable("travel", first, last, [person], note=f"works from {addresses.NETWORKS[network][2]}")


def movers(month, draw):
    """Someone moves house: another network for good."""
    day = 23
    for person in [person for person in ordinary(month) if person.office_days][::41][:12]:
        person.lease, person.v6 = day, False  # so the address changes once
        month.remarkable("moved house", month.day(day), month.day(day + 2), [person])


def marriages(month, draw):
    """A member's address changes; events before it carry the old one."""
    chosen = ordinary(month, 45)
    person = chosen[draw.below(len(chosen))]
    day = working_day(month, draw, 18, 32)
    when = month.day(day, 9, 30)
    old, new = person.email, person.email.replace(".", ".van-", 1)
    admin = None if month.facts["scim"] else month.admins[0]
    month.add(month.event("access.user_email_updated", admin, when, usual(month.admins[0]) if admin else None,
                          initiator="azure_ad" if month.facts["scim"] else "", target=[person], extra={"old_email": old, "new_email": new}))
    person.email_change = (when, new, old)
    month.remarkable("address changed", when, when + DAY, [person], note=f"{old} is now {new}")

"""What everybody does on a working day."""

from .. import addresses, clock
from ..clock import DAY, HOUR
from ..randomness import Draw, item_uuid
from .people import place

# action: how many in a hundred
_MIX = (
    ("item_access.item_autofilled", 52), ("item_access.item_copied", 18), ("item_access.item_viewed", 14),
    ("item_access.item_secret_viewed", 6), ("totp.2fa_item_accessed", 4), ("item_access.items_updated", 2),
    ("item_access.items_created", 2), ("item_share.items_shared", 1), ("item_delete.items_deleted", 1),
)
ACTIONS = tuple(action for action, weight in _MIX for _ in range(weight))


def everyone(month, number, out):
    """Append (time, None, event) for all people's day `number`."""
    draw = Draw("day", month.size, month.seed, number)
    midnight = month.day(number)
    weekend = clock.weekday(midnight) >= clock.SATURDAY or number in month.holidays
    clumsy = month.clumsy.get(number, 0)
    for person in month.members:
        if weekend and not (person.weekends or draw.chance(0.06)):
            continue
        begin = midnight - person.offset + person.begin
        if begin < person.joined or begin + 10 * HOUR > person.left:
            continue
        if not weekend and draw.chance(0.1 if person.shift != "part-time" else 0.5):
            continue  # a day off
        if person.email_change:
            person.email = person.email_change[1 if begin > person.email_change[0] else 2]
        _day(month, draw, person, begin, clumsy, out)
    for person in month.guests:
        if not weekend and draw.chance(0.15):
            when = midnight + 8 * HOUR + draw.below(9 * HOUR)
            if when >= person.joined:
                where = addresses.address("home.DE", person.home)
                out.append((when, None, month.quick("item_access.item_viewed", person, when, where, "Web vault", [item_uuid(person.team, draw.below(6))])))
    for person in month.services:
        _service(month, draw, person, midnight, number, out)
    if not weekend:
        _administration(month, draw, midnight, out)


def _day(month, draw, person, begin, clumsy, out):
    quick = month.quick
    phone = draw.chance(0.2)
    platform = person.phone if phone else person.device
    when = begin + int((draw.bell() - 0.5) * 3 * HOUR)
    where = place(person, draw, when, phone)
    if clumsy or draw.chance(person.login_rate):
        when = login(month, draw, person, when, where, platform, clumsy, out)
    out.append((when + 25, None, quick("lock.master_validated", person, when + 25, where, platform)))
    end = begin + person.length * HOUR
    rounds = 1 + int(person.rate * draw.unit() * 1.6)
    pause = (end - begin) // (rounds + 1)
    for _ in range(rounds):
        when += 40 + int(pause * 2 * draw.unit())
        if draw.chance(0.15):  # another device, another place
            phone = not phone
            platform = person.phone if phone else person.device
            where = place(person, draw, when, phone)
        if draw.chance(0.35):
            if draw.chance(person.typos):
                for _ in range(draw.between(1, 3)):
                    out.append((when, None, quick("lock.master_failed", person, when, where, platform)))
                    when += 6 + draw.below(20)
            out.append((when, None, quick("lock.master_validated", person, when, where, platform)))
            when += 4 + draw.below(40)
        for _ in range(1 + int(3 * draw.unit() * draw.unit())):
            _use(month, draw, person, when, where, platform, out)
            when += 3 + draw.below(240)


def _use(month, draw, person, when, where, platform, out):
    pair = ACTIONS[draw.below(100)]
    spread = draw.unit()
    if draw.chance(0.25):  # the team's items
        item = item_uuid(person.team, int(60 * spread * spread))
    elif draw.chance(person.new_items):
        item = item_uuid(person.key, person.items + draw.below(5000))
    else:
        item = item_uuid(person.key, int(person.items * spread * spread * spread))
    if pair == "item_share.items_shared":
        near = draw.pick(month.members if draw.chance(0.92) or not month.guests else month.guests)
        out.append((when, None, month.event(pair, person, when, where, platform, [item], recipient=[near])))
        return
    items = [item]
    if pair == "item_delete.items_deleted" and draw.chance(0.1):
        items = [item_uuid(person.key, draw.below(person.items)) for _ in range(draw.between(2, 6))]
    late = None
    if platform == "Android" or platform == "iOS":
        if draw.chance(0.004):  # the phone was offline
            late = 2 * HOUR + draw.below(38 * HOUR)
    out.append((when, late, month.quick(pair, person, when, where, platform, items)))


def login(month, draw, person, when, where, platform, clumsy, out):
    """A log-in with its typing errors, or its failures in an outage. Gives the time at which it worked."""
    provider = month.facts["provider"]
    for first, last in month.outages:
        if first <= when < last and provider:
            for _ in range(draw.between(2, 6)):
                if when >= last:
                    break
                out.append((when, None, month.event("login.user_login_failed", person, when, where, platform, provider=provider)))
                when += 20 + draw.below(900)
            when = max(when, last + draw.below(40 * 60))
    if draw.chance(max(person.typos, clumsy)):
        for _ in range(draw.between(1, 2) if not clumsy else draw.between(1, 6)):
            out.append((when, None, month.event("login.user_login_failed", person, when, where, platform, provider=provider)))
            when += 8 + draw.below(60)
    out.append((when, None, month.event("login.user_login_successful", person, when, where, platform, provider=provider)))
    return when


def _service(month, draw, person, midnight, number, out):
    """A service account: the same few items each quarter of an hour, from a runner whose address moves at times."""
    for quarter in range(96):
        when = midnight + quarter * 900 + draw.below(20)
        where = addresses.address("cloud.DE", person.key + number // 11)
        if quarter % 24 == 0:
            out.append((when - 2, None, month.quick("login.user_login_successful", person, when - 2, where, "Linux")))
        for item in range(3):
            out.append((when + item, None, month.quick("item_access.item_copied", person, when + item, where, "Linux", [item_uuid(person.key, item)])))


def _administration(month, draw, midnight, out):
    for number, admin in enumerate(month.admins):
        part_time = number % 3 == 2
        if part_time and clock.weekday(midnight) not in (clock.TUESDAY, clock.THURSDAY):
            continue
        for _ in range(draw.below(4)):
            when = midnight - admin.offset + admin.begin + draw.below(9 * HOUR)
            if part_time and draw.chance(0.3):
                when += 11 * HOUR  # in the evening, from home
            if when - midnight >= DAY + 10 * HOUR:
                continue
            where = place(admin, draw, when, False)
            about = [draw.pick(month.members)]
            pair = draw.pick((
                "groups.group_users_added", "groups.group_users_added", "groups.group_users_removed", "groups.group_updated",
                "user_settings.user_settings_updated", "invites.user_invite_resent", "sharing_hub.viewed",
                "breach.breach_report_viewed", "sharing_hub.item_viewed",
            ))
            facts = {"target": about} if "users" in pair or "invite" in pair else {}
            if pair.startswith("groups"):
                team = draw.below(12)
                facts["group"] = (f"Team {team}", item_uuid(7, team))
            msp = month.staff if month.staff and draw.chance(0.3) else None
            if msp:
                where = addresses.address("office.DE", 900)
            out.append((when, None, month.event(pair, admin, when, where, msp=msp, **facts)))

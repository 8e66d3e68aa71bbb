"""The people of a tenant: where and when they work, with what, and how often they err."""

from .. import addresses
from ..clock import DAY, HOUR
from ..randomness import Draw, uuid

FIRST = ("anna", "boris", "clara", "dev", "elif", "felix", "grace", "hugo", "ines", "jonas", "kavya", "liam", "marta",
         "nils", "olga", "priya", "quinn", "rosa", "samuel", "tara", "uma", "viktor", "wanda", "xenia", "yusuf", "zoë")
LAST = ("abel", "bauer", "costa", "diaz", "ekström", "fox", "gupta", "haas", "ito", "jansen", "kaur", "lopez",
        "müller", "nair", "ortiz", "park", "quist", "rao", "silva", "tran", "urban", "vogel", "weiß", "yilmaz")

HOURS = {"office": (8, 9), "part-time": (9, 5), "early": (5, 8), "late": (13, 8), "night": (21, 8)}
"""Begin of the working day in local time, and its length in hours."""

OFFSET = {"DE": HOUR, "US": -5 * HOUR, "IN": 5 * HOUR + HOUR // 2}
FAR = 1 << 40


class Member:
    """A member, guest or service account."""

    __slots__ = (
        "email", "uuid", "key", "country", "offset", "shift", "begin", "length", "home", "lease", "v6", "vpn", "mobile",
        "device", "phone", "rate", "typos", "team", "items", "office_days", "joined", "left", "away", "kind", "away_at",
        "login_rate", "new_items", "email_change", "weekends", "start",
    )


def _weighted(draw, weights):
    point = draw.unit() * sum(weight for _, weight in weights)
    for value, weight in weights:
        point -= weight
        if point < 0:
            return value
    return weights[-1][0]


def member(month, number, kind="member", domain=None):
    """The member with this number. Its facts depend on the tenant, the seed and the number alone."""
    draw = Draw("member", month.size, month.seed, kind, number)
    facts = month.facts
    person = Member()
    name = f"{FIRST[number % len(FIRST)]}.{LAST[number // len(FIRST) % len(LAST)]}"
    serial = number // (len(FIRST) * len(LAST))
    person.email = f"{name}{serial or ''}@{domain or facts['domain']}"
    if kind == "service":
        person.email = f"svc-ci-{number}@{facts['domain']}"
    person.uuid = uuid(month.organization, kind, number)
    person.key = int(person.uuid[:8], 16)
    person.kind = kind
    person.country = _weighted(draw, facts["countries"])
    person.offset = OFFSET[person.country]
    person.shift = _weighted(draw, facts["shifts"])
    person.begin, person.length = HOURS[person.shift]
    person.begin = person.begin * HOUR + int(draw.bell() * HOUR)
    person.home = draw.below(1 << 16)
    person.lease = draw.pick((1, 1, 7, 30, 90, 90, 90, 400))  # days until the provider gives another address
    person.v6 = draw.chance(0.35)
    person.vpn = draw.chance(0.15)
    person.mobile = draw.chance(0.6)
    person.device = draw.pick(("Windows", "Windows", "Windows", "macOS", "Chrome extension", "Edge extension", "Linux"))
    person.phone = draw.pick(("Android", "iOS"))
    person.rate = 1 + int(9 * draw.unit() * draw.unit())
    person.typos = 0.01 + 0.08 * draw.unit() * draw.unit()
    person.login_rate = draw.pick((1.0, 1.0, 0.6, 0.3, 0.1))  # the rest keeps its session for days
    person.team = draw.below(max(1, facts["people"] // 9))
    person.items = 20 + int(160 * draw.unit() * draw.unit())
    person.new_items = 0.01 + 0.06 * draw.unit()
    person.office_days = draw.pick((0b11111, 0b11111, 0b00111, 0b10101, 0b01110, 0b00000))
    person.weekends = draw.chance(0.06)
    if not person.office_days:  # always at home, with an address that stays
        person.lease, person.v6 = 400, False
    person.joined, person.left = 0, FAR
    person.away = None  # (from, until)
    person.away_at = ""
    person.email_change = None  # (from, new, old)
    person.start = month.start
    return person


def place(person, draw, when, phone):
    """The address from which the person works at a time."""
    away = person.away
    if away and away[0] <= when < away[1]:
        return addresses.address(person.away_at, person.key + (when - away[0]) // (2 * DAY))
    if phone and person.mobile and draw.chance(0.7):
        return addresses.address(f"mobile.{person.country}", draw.below(1 << 14))
    if person.vpn and draw.chance(0.4):
        exit_ = "vpn.US" if draw.chance(0.3) else "vpn.NL"
        return addresses.address(exit_, draw.below(24))
    local_day = (when + person.offset - person.start) // DAY  # the month starts on a Monday
    if person.office_days >> local_day % 7 & 1:
        return addresses.address(f"office.{person.country}", person.team % 3)
    if person.v6:
        return addresses.home_v6(person.country, person.home, (local_day * 0x9E3779B9 + person.key) * 0x5851F42D)
    return addresses.address(f"home.{person.country}", person.home + local_day // person.lease * 7919)

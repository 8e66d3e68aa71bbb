"""A month of a tenant: made lazily, day by day, in the order of the events' times."""

from .. import addresses, clock, style
from ..clock import DAY, HOUR, MINUTE
from ..randomness import Draw, uuid
from . import daily, happenings, people
from .tenants import TENANTS

LEAD_IN_DAYS = 14
DAYS = LEAD_IN_DAYS + 31
_REACH = 12 * HOUR  # no event of a local day is told earlier than this before the day's UTC midnight


class Month:
    """`size` is a tenant's name, `anchor` Unix seconds. The first fourteen days are there to compare with."""

    def __init__(self, size, seed, anchor, style_name=None, days=DAYS):
        self.size = size
        self.seed = seed
        self.facts = TENANTS[size]
        self.days = days
        self.start = clock.next_weekday(anchor, clock.MONDAY)
        self.end = self.start + days * DAY
        self.organization = uuid("organization", size, seed)
        self.style = self._style(style_name or ("confirmed", "plain", "drawn")[seed % 3])
        self._writers = {}
        self.scheduled = {}
        self.truth = []
        self.lists = {
            "service_accounts": [], "partner_domains": ["partner.example"], "break_glass": [f"breakglass@{self.facts['domain']}"],
            "msp_domains": [self.facts["msp"]] if self.facts["msp"] else [], "maintenance": [], "geo": True,
            "known_networks": self._networks(),
        }
        self.outages = []  # the identity provider is down: (from, until)
        self.backlogs = []  # the API or the connector is behind: (from, until)
        self.holidays = set()
        self.clumsy = {}  # day: the share of people whose log-ins fail, after a holiday
        self.members = [people.member(self, number) for number in range(self.facts["people"])]
        self.admins = self.members[1:1 + self.facts["admins"]]
        self.owner = self.members[0]
        for person in [self.owner, *self.admins]:
            person.shift, person.begin, person.length = "office", 8 * HOUR + person.key % HOUR, 9
        self.guests = [people.member(self, n, "guest", "partner.example") for n in range(self.facts["guests"])]
        self.services = [people.member(self, n, "service") for n in range(self.facts["services"])]
        self.lists["service_accounts"] = [person.email for person in self.services]
        self.staff = people.member(self, 0, "msp", self.facts["msp"]) if self.facts["msp"] else None
        happenings.schedule(self)

    def _style(self, name):
        if name == "plain":
            return style.plain()
        if name == "confirmed":
            return style.confirmed()
        # In a month that is drawn, everything can be read: what can't be is the confirmed month's subject.
        return style.drawn(Draw("month style", self.size, self.seed), keep=tuple(style.shapes.SLOTS))

    def _networks(self):
        """The offices' and the VPN's networks, as an administrator would enter them."""
        names = [f"office.{country}" for country, _ in self.facts["countries"]] + ["vpn.NL", "vpn.US"]
        return [{"network": addresses.cidr(name), "note": name} for name in names]

    def describe(self):
        """What lies beside the events: the lists entered, what is remarkable yet benign, who is special all the time."""
        return {
            "tenant": self.size, "seed": self.seed, "style": self.style.name,
            "shapes": {} if self.style.confirmed else self.style.chosen, "organization": self.organization,
            "from": self.start, "month_from": self.day(LEAD_IN_DAYS), "until": self.end, "people": len(self.members),
            "lists": self.lists,
            "standing": {
                "owner": self.owner.email,
                "admins": [person.email for person in self.admins],
                "part_time_admins": [person.email for person in self.admins[2::3]],
                "vpn_users": sum(person.vpn for person in self.members),
                "mobile_users": sum(person.mobile for person in self.members),
                "ipv6_at_home": sum(person.v6 for person in self.members),
                "night_shift": sum(person.shift == "night" for person in self.members),
            },
            "remarkable": self.truth,
        }

    def day(self, number, hour=0, minute=0):
        """The UTC time on a day; day 0 is the first, a Monday, and day 14 the first of the month itself."""
        return self.start + number * DAY + hour * HOUR + minute * MINUTE

    def event(self, pair, person, when, address=None, platform=None, items=None, provider=None, initiator="", msp=None,
              target=None, recipient=None, extra=None, **facts):
        """An event; `person` may be None. Facts as for samples."""
        slots = dict(facts)
        for slot, value in (("platform", platform), ("address", address), ("items", items), ("provider", provider)):
            if value:
                slots[slot] = (value,)
        if target:
            slots["target"] = ([(who.email, who.uuid) for who in target],)
        if recipient:
            slots["recipient"] = ([(who.email, who.uuid) for who in recipient],)
        metadata = self.style.metadata(pair, slots)
        if msp:
            metadata["msp"] = {"user_email": msp.email, "user_role": "admin", "user_uuid": msp.uuid}
        if extra and not self.style.confirmed:
            metadata.update(extra)
        kind, _, action = pair.partition(".")
        return {
            "type": kind, "action": action, "timestamp": when, "organization_uuid": self.organization,
            "user": {"uuid": person.uuid, "email": person.email} if person else {"uuid": "", "email": ""},
            "metadata": metadata, "initiator": initiator,
        }

    def quick(self, pair, person, when, address, platform, items=None):
        """`event` for the everyday: an address, a platform and perhaps items, without the detours."""
        writer = self._writers.get(pair)
        if writer is None:
            shape, carries = self.style.shape, self.style.carries
            writer = self._writers[pair] = (
                *pair.split("."), shape["address"] if carries("address", pair) else None,
                shape["platform"] if carries("platform", pair) else None, shape["items"] if carries("items", pair) else None,
            )
        kind, action, write_address, write_platform, write_items = writer
        metadata = write_platform(platform) if write_platform else {}
        if write_address:
            part = write_address(address)
            if metadata.keys() & part.keys():
                style.shapes.merge(metadata, part)
            else:
                metadata.update(part)
        if items and write_items:
            metadata.update(write_items(items))
        return {
            "type": kind, "action": action, "timestamp": when, "organization_uuid": self.organization,
            "user": {"uuid": person.uuid, "email": person.email}, "metadata": metadata, "initiator": "",
        }

    def add(self, event, late=None):
        """Schedule an event of a happening."""
        when = event["timestamp"]
        if self.start <= when < self.end:
            self.scheduled.setdefault((when - self.start) // DAY, []).append((when, late, event))

    def remarkable(self, kind, first, last, who=(), listed=False, note="", **more):
        """Add to the list of what is remarkable yet benign; `listed`: an administrator has entered it beforehand."""
        emails = [person.email for person in who]
        self.truth.append({"kind": kind, "from": first, "until": last, "people": emails, "note": note, "listed": listed, **more})
        if listed:
            entry = {"kind": kind, "who": emails, "from": first // DAY * DAY, "until": -(-last // DAY) * DAY, "note": note}
            self.lists["maintenance"].append(entry)

    def stream(self):
        """Yield (delay in seconds, event) in the order of the events' times."""
        draw = Draw("delays", self.size, self.seed)
        carried = []
        renamed = {person.uuid: person.email_change for person in self.members if person.email_change}
        for number in range(self.days + 1):
            if number < self.days:
                carried.extend(self.scheduled.get(number, ()))
                for when, _, event in carried:
                    if event["user"]["uuid"] in renamed and when > renamed[event["user"]["uuid"]][0]:
                        event["user"]["email"] = renamed[event["user"]["uuid"]][1]
                daily.everyone(self, number, carried)
                limit = self.day(number + 1) - _REACH
            else:
                limit = self.end
            carried.sort(key=_when)
            for done, (when, late, event) in enumerate(carried):
                if when >= limit:
                    break
                if when >= self.start:
                    yield (self._delay(draw, when) if late is None else late), event
            else:
                done = len(carried)
            del carried[:done]

    def _delay(self, draw, when):
        point = draw.unit()
        delay = 15 + int(point * 61)
        if point > 0.978:
            delay = 120 + draw.below(480)
            if point > 0.9985:
                delay = 1200 + draw.below(4200)
        for first, last in self.backlogs:
            if first <= when < last:
                return last - when + draw.below(600)
        return delay


def _when(entry):
    return entry[0]

"""A sample: one organization of ten people with two weeks of everyday events, and one attack or its benign twin."""

from . import addresses, clock, event
from .randomness import Draw, item_uuid, uuid

NAMES = (
    "olivia.berg", "adam.novak", "sara.lind", "mia.keller", "tom.adler", "vera.hansen", "jürgen.groß", "rita.moreau",
    "ben.osei", "lena.fuchs",
)


class Person:
    """A member, guest, service account or stranger."""

    def __init__(self, organization, name, number, domain="northwind.example"):
        self.email = f"{name}@{domain}"
        self.uuid = uuid(organization, self.email)
        self.key = int(self.uuid[:8], 16)
        self.home = addresses.address("home.DE", self.key)
        self.office = addresses.address("office.DE", int(organization[:6], 16))
        self.platform = ("Windows", "macOS", "Chrome extension")[number % 3]
        self.phone = ("Android", "iOS")[number % 2]

    def items(self, first, count):
        """UUIDs of the person's items from number `first`; everyday use stays below number 40."""
        return [item_uuid(self.key, first + number) for number in range(count)]


LATENESS = ("prompt", "prompt", "prompt", "late", "shuffled", "batch")
"""How the attack's events arrive: within a minute or two, twenty to forty minutes late, out of order, all at once."""


class Sample:
    """Collects the events, their delays, what an alert must name, and the lists an administrator has entered."""

    def __init__(self, identifier, seed, anchor, style):
        self.id = identifier
        self.draw = Draw(seed, identifier)
        self.style = style
        self.organization = uuid("organization", seed, identifier)
        self.start = clock.next_weekday(anchor + 21 * clock.DAY, clock.TUESDAY)
        people = [Person(self.organization, name, number) for number, name in enumerate(NAMES)]
        self.people = people
        self.owner, self.admin, self.admin2, self.manager = people[:4]
        self.leaver, self.victim, self.rare, self.colleague, self.other = people[4:9]
        self.events = []
        self.lists = {}
        self.connectors = []
        self.expected = {}
        self.late = None  # seconds; None: by `lateness`
        self.lateness = "prompt" if style.name != "drawn" else self.draw.pick(LATENESS)
        self.scim = False
        self.first_day = -16
        self.last_day = 3
        self.absent = {}
        self.unreadable = frozenset()
        self.needs = set()  # slots that this behaviour needs beyond those of its attack
        self.lost = set()  # slots that this behaviour leaves out
        self.former = {}  # uuid: (until when, e-mail address)
        self.lag = None  # (from, until, seconds)
        self.cut = None  # nothing arrives from here on

    def at(self, day, hour=0, minute=0, second=0):
        """A time: day 0 is the Tuesday of the attack."""
        return self.start + day * clock.DAY + hour * clock.HOUR + minute * clock.MINUTE + second

    def stranger(self, name, domain):
        """A person of another domain."""
        return Person(self.organization, name, 0, domain)

    def hostile(self, number=9, country="RO"):
        """An attacker's address."""
        return addresses.hostile(country, number)

    def act(self, pair, who, when, address=None, platform=None, late=None, initiator="", email=None, msp=None, **facts):
        """Add an event. `who` is the event's user (None: empty). Facts name slots: target, items, role, and so on."""
        slots = {}
        if platform is not None:
            slots["platform"] = (platform,)
        if address is not None:
            slots["address"] = (address,)
        for slot in ("target", "recipient"):
            if slot in facts:
                slots[slot] = ([(person.email, person.uuid) for person in facts.pop(slot)],)
        for slot in ("items", "provider"):
            if slot in facts:
                slots[slot] = (facts.pop(slot),)
        for slot in ("role", "status", "policy", "group"):
            if slot in facts:
                slots[slot] = facts.pop(slot)
        metadata = self.style.metadata(pair, slots)
        if msp is not None:
            metadata["msp"] = {"user_email": msp.email, "user_role": "admin", "user_uuid": msp.uuid}
        if not self.style.confirmed:
            metadata.update(facts)
        user = ("", "") if who is None else (who.uuid, who.email if email is None else email)
        made = event.make(pair, when, self.organization, *user, metadata, initiator)
        self.events.append((when, self.late if late is None else late, made))

    def by_directory(self, pair, person, when, where="user", **facts):
        """Add an event of SCIM from Entra: about `person`, as the event's user or in the metadata."""
        if where == "user":
            self.act(pair, person, when, initiator="azure_ad", **facts)
        else:
            self.act(pair, None, when, initiator="azure_ad", target=[person], **facts)

    def login(self, who, when, address=None, platform=None, late=None):
        """A successful log-in, from home if no address is given."""
        self.act("login.user_login_successful", who, when, address or who.home, platform or who.platform, late,
                 provider="microsoft")

    def reads(self, who, when, items, address=None, platform=None, gap=40, action="item_access.item_secret_viewed"):
        """One event an item, `gap` seconds apart."""
        for number, item in enumerate(items):
            self.act(action, who, when + number * gap, address or who.home, platform or who.platform, items=[item])

    def expect(self, actor=None, target=(), addresses=(), **more):
        """What the alert must name. Addresses and people that no event tells are dropped by `close`."""
        self.expected = {
            "actors": [person for person in ([actor] if isinstance(actor, Person) else actor or [])],
            "targets": list(target),
            "addresses": list(addresses),
            **more,
        }

    def _arrive(self):
        last = max((when for when, _, _ in self.events), default=0)
        for index, (when, late, made) in enumerate(self.events):
            if late is None:
                late = {
                    "prompt": lambda: self.draw.between(15, 75),
                    "late": lambda: self.draw.between(1200, 2400),
                    "shuffled": lambda: self.draw.between(10, 600),
                    "batch": lambda when=when: last - when + 60 if last - when < 6 * clock.HOUR else 60,
                }[self.lateness]()
                self.events[index] = (when, late, made)

    def close(self):
        """Settle the expectation against what the events tell, then add the everyday events around the attack."""
        self.unreadable = frozenset(self.style.unreadable)
        self._arrive()
        told = " ".join(event.encode(made) for _, _, made in self.events)
        lowered = told.lower()

        def known(person):
            return person.uuid in told or person.email.lower() in lowered

        wanted = self.expected
        for key in ("actors", "targets"):
            wanted[key] = [{"email": p.email, "uuid": p.uuid} for p in wanted.get(key, []) if known(p)]
        lost = any(slot == "address" for slot, _ in self.unreadable)
        wanted["addresses"] = [a for a in wanted.get("addresses", []) if a in told or (":" in a and not lost)]
        wanted["organization"] = self.organization
        everyday(self)
        for index, (when, late, made) in enumerate(self.events):
            until, email = self.former.get(made["user"]["uuid"], (0, ""))
            if when < until:
                made["user"]["email"] = email
            if self.lag and self.lag[0] <= when < self.lag[1]:
                self.events[index] = (when, self.lag[2], made)
        if self.cut:
            self.events = [entry for entry in self.events if entry[0] < self.cut]
        self.events.sort(key=lambda entry: entry[0])


def everyday(sample):
    """Two weeks of normal life before the attack and three days after it."""
    draw = Draw("everyday", sample.id)
    for day in range(sample.first_day, sample.last_day + 1):
        if clock.weekday(sample.at(day)) >= clock.SATURDAY:
            continue
        for person in sample.people:
            if day >= sample.absent.get(person.email, 1 << 30):
                continue
            if person is sample.rare and day not in (-13, -8, -5):
                continue
            where = person.office if day % 3 else person.home
            when = sample.at(day, 7, draw.below(120), draw.below(60))
            sample.login(person, when, where, late=20 + draw.below(60))
            sample.act("lock.master_validated", person, when + 20, where, person.platform, late=20 + draw.below(60))
            for _ in range(draw.between(1, 3)):
                when += 600 + draw.below(7200)
                action = draw.pick(("item_autofilled", "item_autofilled", "item_copied", "item_viewed"))
                number = int(40 * draw.unit() * draw.unit())
                sample.act(f"item_access.{action}", person, when, where, person.platform, late=20 + draw.below(60),
                           items=person.items(number, 1))
        if day % 4 == 1 and sample.admin.email not in sample.absent:
            sample.act("groups.group_users_added", sample.admin, sample.at(day, 10, 15), sample.admin.office, late=30,
                       target=[draw.pick(sample.people[4:])], group=("Project", uuid(sample.organization, "group", 1)))
        if day % 6 == 2:
            sample.act("user_settings.user_settings_updated", sample.owner, sample.at(day, 15, 5), sample.owner.office,
                       late=30)
        if sample.scim and day in (-15, -14, -11, -7):
            sample.by_directory("user_settings.user_settings_updated", sample.colleague, sample.at(day, 4), late=40)
            sample.by_directory("access.user_status_updated", sample.people[9], sample.at(day, 4, 1),
                                where="user" if day % 2 else "metadata", late=40, status=("suspended", "active"))

"""Passwords guessed: one account, a vault, many accounts."""

from .. import addresses
from .registry import attack


def _fail(s, who, when, where, platform="Windows", pair="login.user_login_failed", **more):
    facts = {"provider": "microsoft"} if pair.startswith("login") else {}
    s.act(pair, who, when, where, platform, **facts, **more)


@attack("account-guessing", "Medium", fallback="full", variants=(
    {}, {"count": 36, "gap": 900}, {"sources": 6, "count": 18, "gap": 60}, {"count": 12, "gap": 3, "late": 5400}), twins=(
    {"count": 3, "gap": 20, "place": "home"}, {"count": 6, "gap": 40, "place": "home", "holiday": True}))
def account_guessing(s, count=20, gap=30, sources=1, late=30, place="hostile", holiday=False):
    """Many failed log-ins at one account, fast, or four an hour for nine hours, or from six addresses; no success."""
    used = [s.victim.home] if place == "home" else [s.hostile(40 + n) for n in range(sources)]
    for number in range(count):
        _fail(s, s.victim, s.at(0, 9) + number * gap, used[number % len(used)], late=late)
    if place == "home":
        s.login(s.victim, s.at(0, 9) + count * gap + 20, s.victim.home)
    s.expect(target=[s.victim], addresses=used, count=count)


@attack("success-after-failures", "High", essential=("address",), fallback="full", variants=(
    {}, {"count": 36, "gap": 900}, {"count": 8, "gap": 15, "other": True}, {"order": "success first"}), twins=(
    {"count": 2, "gap": 15, "place": "home"}, {"count": 4, "gap": 25, "place": "home"}))
def success_after_failures(s, count=15, gap=40, other=False, order="as it was", place="hostile"):
    """Failed log-ins, then a successful one from the same, or another, unknown address."""
    where = s.victim.home if place == "home" else s.hostile(50)
    last = s.hostile(51) if other else where
    for number in range(count):
        _fail(s, s.victim, s.at(0, 19) + number * gap, where, late=700 if order == "success first" else 30)
    s.login(s.victim, s.at(0, 19) + count * gap + 30, last, "Windows" if place == "hostile" else None, late=20)
    s.expect(actor=s.victim, target=[s.victim], addresses=sorted({where, last}), count=count)


@attack("vault-guessing", "Medium", fallback="full", variants=(
    {}, {"count": 37, "gap": 1200}, {"place": "usual"}, {"sources": 5}), twins=({"count": 4, "gap": 12, "place": "usual", "right": True},))
def vault_guessing(s, count=18, gap=20, sources=1, place="hostile", right=False):
    """The master password of one vault is guessed without success."""
    used = [s.victim.office] if place == "usual" else [s.hostile(60 + n) for n in range(sources)]
    for number in range(count):
        _fail(s, s.victim, s.at(0, 6) + number * gap, used[number % len(used)], s.victim.platform, "lock.master_failed")
    if right:
        s.act("lock.master_validated", s.victim, s.at(0, 6) + count * gap, used[0], s.victim.platform)
    s.expect(target=[s.victim], addresses=used, count=count)


@attack("vault-guessed", "High", essential=("address",), fallback="full", variants=(
    {}, {"count": 36, "gap": 1200}, {"order": "success first"}), twins=({"count": 3, "gap": 10, "place": "usual"},))
def vault_guessed(s, count=14, gap=25, order="as it was", place="hostile"):
    """Wrong master passwords, fast or three an hour for twelve hours, then the right one."""
    where = s.victim.home if place == "usual" else s.hostile(70)
    client = s.victim.platform if place == "usual" else "Linux"
    for number in range(count):
        _fail(s, s.victim, s.at(0, 6) + number * gap, where, client, "lock.master_failed", late=600 if order == "success first" else 30)
    s.act("lock.master_validated", s.victim, s.at(0, 6) + count * gap + 20, where, client, late=20)
    s.expect(actor=s.victim, target=[s.victim], addresses=[where], count=count)


@attack("password-spray", "High", essential=("address@login.user_login_failed",), fallback="look", variants=(
    {}, {"success": False}, {"gap": 960}, {"network": "ipv6"}, {"unknown": True}), twins=({"outage": True}, {"holiday": True}))
def password_spray(s, success=True, gap=45, network="ipv4", unknown=False, outage=False, holiday=False):
    """One try each at forty accounts from one address or one IPv6 /64; the one whose password was right must be named."""
    crowd = [s.stranger(f"p{number:02}.north", "northwind.example") for number in range(40)]
    for person in crowd if not unknown else ():
        s.login(person, s.at(-9, 8) + person.key % 5000, person.office)
    used = []
    for number, person in enumerate(crowd):
        where = s.hostile(80) if network == "ipv4" else addresses.hostile_v6(number)
        if outage or holiday:
            where = person.office if outage else person.home
        used.append(where)
        _fail(s, person, s.at(0, 11) + number * (gap if not outage else 20), where)
        if outage or holiday:
            s.login(person, s.at(0, 11) + number * gap + (3600 if outage else 60), where)
    hit = crowd[23]
    if success and not (outage or holiday):
        s.login(hit, s.at(0, 11) + 41 * gap, used[-1], "Windows")
    s.expect(actor=hit if success else None, target=crowd, addresses=sorted(set(used)), count=len(crowd), incidents=1,
             severity="High" if success else "Medium", **({"allowed": "one incident that tells an outage"} if outage else {}))


@attack("distributed-spray", "Medium", essential=("address@login.user_login_failed",), fallback="look", variants=(
    {}, {"gap": 1800, "count": 40}, {"success": True}), twins=({"everyday": True},))
def distributed_spray(s, gap=120, count=40, success=False, everyday=False):
    """One try each at forty accounts, every one from another residential address."""
    crowd = [s.stranger(f"q{number:02}.north", "northwind.example") for number in range(count)]
    used = []
    for number, person in enumerate(crowd):
        s.login(person, s.at(-9, 8) + person.key % 5000, person.office)
        where = addresses.address("proxy.BR" if number % 2 else "proxy.DE", 500 + number * 37)
        if everyday:  # typing errors at home, spread over two days: as many failures, each followed by a success
            where = person.home
        used.append(where)
        when = s.at(0, 7) + number * (gap if not everyday else 3500)
        _fail(s, person, when, where)
        if everyday:
            s.login(person, when + 40, where)
    if success:
        s.login(crowd[11], s.at(0, 7) + (count + 1) * gap, used[11], "Windows")
    s.expect(actor=crowd[11] if success else None, target=crowd, addresses=used, count=count, incidents=1,
             severity="High" if success else "Medium")

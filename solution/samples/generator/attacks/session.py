"""Activity from where the person never was: sessions stolen, log-ins from new places, listed addresses."""

from .. import addresses
from .registry import attack


@attack("new-context-login", "Medium", essential=("address",), fallback="client", variants=(
    {}, {"who": "rare"}, {"midnight": True}, {"place": "same country"}, {"place": "ipv6"}), twins=(
    {"place": "colleague's office"}, {"place": "carrier"}, {"place": "home ipv6"}))
def new_context(s, who="victim", midnight=False, place="hostile"):
    """A log-in from an address and a client that the person never used; some people log in three times a fortnight."""
    person = getattr(s, who)
    where, platform = {
        "hostile": (s.hostile(), "Opera extension"),
        "same country": (addresses.address("proxy.DE", 77), "Firefox extension"),
        "ipv6": (addresses.hostile_v6(40), "Linux"),
        "colleague's office": (person.office, person.platform),
        "carrier": (addresses.address("mobile.DE", 4000), person.phone),
        "home ipv6": (addresses.home_v6("DE", 7, 0x99), person.platform),
    }[place]
    if place == "carrier":
        for day in range(-15, 0):
            s.login(person, s.at(day, 18), addresses.address("mobile.DE", person.key + day * 211), person.phone)
    if place == "home ipv6":
        for day in range(-15, 0):
            s.login(person, s.at(day, 19), addresses.home_v6("DE", 7, person.key + day * 977), person.platform)
    when = s.at(0, 23, 58) if midnight else s.at(0, 13, 7)
    s.login(person, when, where, platform, late=1200 if midnight else 30)
    s.expect(actor=person, addresses=[where])


@attack("new-country-login", "Medium", essential=("address",), fallback="blind", variants=(
    {}, {"who": "rare"}, {"platform": "usual"}), twins=({"announced": True},))
def new_country(s, who="victim", platform="new", announced=False):
    """A log-in from a country in which neither the person nor the organization ever was; needs the geo table."""
    person = getattr(s, who)
    where = s.hostile(31, "VN") if not announced else addresses.address("hotel.FR", 31)
    s.lists["geo"] = True
    if announced:
        s.lists["maintenance"] = [{"kind": "travel", "who": [person.email], "from": s.at(-1), "until": s.at(6)}]
    s.login(person, s.at(0, 12), where, person.platform if platform == "usual" or announced else "Linux")
    s.expect(actor=person, addresses=[where])


@attack("impossible-travel", "Medium", essential=("address",), fallback="blind", variants=(
    {}, {"minutes": 170}, {"order": "later told first"}), twins=({"vpn": True}, {"minutes": 1500}))
def impossible_travel(s, minutes=35, order="as it was", vpn=False):
    """Two log-ins of one person from two countries, nearer in time than a flight."""
    s.lists["geo"] = True
    near, far = s.victim.home, s.hostile(12, "BR")
    if vpn:
        far = addresses.address("vpn.US", 5)
        for day in (-14, -13, -12, -8, -7, -6):
            s.login(s.victim, s.at(day, 14), far)
    if minutes > 1440:
        far = addresses.address("hotel.ES", 12)
    s.login(s.victim, s.at(0, 10), near, late=3000 if order == "later told first" else 30)
    s.login(s.victim, s.at(0, 10) + minutes * 60, far)
    s.absent[s.victim.email] = 0
    s.expect(actor=s.victim, addresses=[near, far])


@attack("stolen-session-vault", "High", essential=("address",), fallback="client", variants=(
    {}, {"login": True}, {"count": 4}, {"action": "item_access.item_copied", "platform": "Windows"},
    {"action": "item_share.items_shared", "count": 6}), twins=(
    {"place": "home", "count": 5}, {"place": "new phone", "count": 3}))
def stolen_vault(s, login=False, count=25, action="item_access.item_secret_viewed", platform="Firefox extension", place="hostile"):
    """Secrets are read or shared from an address and client that the person never used, mostly without any log-in."""
    where, client = {"hostile": (s.hostile(4), platform), "home": (s.victim.home, s.victim.platform),
                     "new phone": (s.victim.home, s.victim.phone)}[place]
    if login:
        s.login(s.victim, s.at(0, 1, 50), where, client)
    facts = {"recipient": [s.stranger("drop", "evil.example")]} if "share" in action else {}
    for number, item in enumerate(s.victim.items(0, count)):
        s.act(action, s.victim, s.at(0, 2, number), where, client, items=[item], **facts)
    s.expect(actor=s.victim, addresses=[where], count=count)


@attack("stolen-session-admin", "High", essential=("address",), fallback="look", variants=(
    {}, {"hour": 4}, {"pair": "invites.whitelisted_domains_updated"}, {"pair": "scim_credentials.scim_credentials_recreated"},
    {"pair": "oauth_credentials.oauth_credentials_updated", "login": True}), twins=(
    {"place": "office", "pair": "groups.group_updated"}, {"place": "home", "hour": 21, "pair": "groups.group_updated"}))
def stolen_admin(s, hour=14, pair="role_settings.role_settings_updated", login=False, place="hostile"):
    """Administration from an address that the administrator never used, with or without a log-in."""
    where = {"hostile": s.hostile(5), "office": s.admin.office, "home": s.admin.home}[place]
    if login:
        s.login(s.admin, s.at(0, hour) - 300, where, "Linux")
    s.act("groups.group_users_added", s.admin, s.at(0, hour), where, target=[s.other], group=("Finance", s.organization))
    s.act(pair, s.admin, s.at(0, hour, 10), where)
    s.act(pair, s.admin, s.at(0, hour, 20), where)
    s.expect(actor=s.admin, addresses=[where])


INDICATORS = {
    "ipv4": ("ipv4-addr:value", lambda a: a),
    "traffic source": ("network-traffic:src_ref.value", lambda a: a),
    "traffic target": ("network-traffic:dst_ref.value", lambda a: a),
    "cidr": ("ipv4-addr:value", lambda a: a.rpartition(".")[0] + ".0/25"),
    "ipv6 long": ("ipv6-addr:value", lambda a: "2001:0DB8:0BAD:0001:0000:0000:0000:0042"),
    "ipv6 cidr": ("ipv6-addr:value", lambda a: "2001:db8:bad:1::/64"),
}


@attack("threat-indicator", "Medium", essential=("address",), fallback="blind", variants=tuple(
    {"written": name} for name in INDICATORS), twins=({"written": "cidr", "near": True}, {"written": "ipv4", "expired": True}))
def threat_indicator(s, written, near=False, expired=False):
    """A log-in from an address in threat intelligence, written as a host, a network, a traffic object, or long IPv6."""
    key, spell = INDICATORS[written]
    listed = "2001:db8:bad:1::42" if "ipv6" in written else s.hostile(17)
    where = s.hostile(200) if near else listed
    s.lists["indicators"] = [{
        "key": key, "value": spell(listed), "confidence": 90,
        "valid_from": s.at(-10), "valid_until": s.at(-1) if expired else s.at(30), "revoked": False,
    }]
    if near or expired:  # what is left should be an everyday address, or another rule is right to fire
        for day in (-14, -13, -12, -8, -7):
            s.login(s.victim, s.at(day, 12), where)
    s.login(s.victim, s.at(0, 12), where)
    s.expect(actor=s.victim, addresses=[where])


@attack("activity-after-suspension", "High", essential=("target", "status"), fallback="blind", variants=(
    {}, {"where": "user"}, {"status": "deleted", "action": "item_access.item_autofilled"}, {"seconds": 400}), twins=(
    {"back": True}, {"seconds": -600}))
def after_suspension(s, where="metadata", status="suspended", action="item_access.item_copied", seconds=140000, back=False):
    """A suspended or deleted member's session lives on and reads secrets."""
    s.scim = True
    s.by_directory("access.user_status_updated", s.leaver, s.at(0, 9), where=where, status=("active", status))
    if back:
        s.by_directory("access.user_status_updated", s.leaver, s.at(0, 15), where=where, status=(status, "active"))
    s.absent[s.leaver.email] = 0
    s.reads(s.leaver, s.at(0, 9) + seconds, s.leaver.items(0, 6), platform=s.leaver.phone, action=action, gap=30)
    s.expect(actor=s.leaver, target=[s.leaver], addresses=[s.leaver.home])

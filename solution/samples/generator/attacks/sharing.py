"""Items shared outside the organization."""

from .registry import attack


def _share(s, to, when, items, **more):
    s.act("item_share.items_shared", s.victim, when, s.victim.home, s.victim.platform, items=items, recipient=[to], **more)


@attack("external-sharing", "High", essential=("recipient",), fallback="blind", variants=(
    {}, {"past": "failed log-in", "plain": True}, {"past": "colleague at the provider", "domain": "gmail.com", "plain": True}, {"gap": 450, "count": 48},
    {"bulk": True}, {"action": "item_share.item_owner_changed"}, {"action": "item_share.shared_folder_shared", "count": 6}), twins=(
    {"domain": "northwind.example"}, {"past": "partner", "domain": "partner.example", "count": 2}), sweep="recipient")
def external(s, domain="evil.example", count=15, gap=40, past=None, bulk=False, action="item_share.items_shared"):
    """Items go to somebody outside; a failed log-in from a domain, or one member at a mail provider, doesn't make it own."""
    outsider = s.stranger("drop", domain)
    if past == "failed log-in":
        s.act("login.user_login_failed", outsider, s.at(-2, 8), s.hostile(8), "Windows")
    elif past == "colleague at the provider":
        freelancer = s.stranger("frida.free", domain)
        for day in (-14, -9, -4):
            s.login(freelancer, s.at(day, 9))
    elif past == "partner":
        s.lists["partner_domains"] = [domain]
        for day in (-14, -9, -4):
            _share(s, outsider, s.at(day, 10), s.victim.items(day + 20, 1))
    items = s.victim.items(0, count)
    for number, batch in enumerate([items] if bulk else [[item] for item in items]):
        s.act(action, s.victim, s.at(0, 10) + number * gap, s.victim.home, s.victim.platform, items=batch, recipient=[outsider])
    s.expect(actor=s.victim, target=[outsider], addresses=[s.victim.home], count=count)

"""People from outside who come in."""

from ..randomness import uuid
from .registry import attack


@attack("foreign-domain-join", "High", essential=(), fallback="full", variants=(
    {}, {"order": "log-in first"}, {"second": True}, {"late": 171000}, {"past": "failed log-in"}, {"domain": "gmail.com", "past": "freelancer"}), twins=(
    {"domain": "northwind.example"}, {"domain": "partner.example", "listed": True}))
def foreign_join(s, domain="evil.example", order="acceptance first", second=False, late=30, past=None, listed=False):
    """An invite link is made, and somebody of a foreign domain joins with it; the second stranger must be told, too."""
    eve, mal = s.stranger("eve", domain), s.stranger("mal", domain)
    where = s.hostile(11) if not listed and domain != "northwind.example" else eve.home
    if listed:
        s.lists["partner_domains"] = [domain]
    if past == "failed log-in":
        s.act("login.user_login_failed", s.stranger("try", domain), s.at(-3, 8), where, "Windows")
    elif past == "freelancer":
        for day in (-14, -9, -4):
            s.login(s.stranger("frida.free", domain), s.at(day, 9))
    s.act("invites.invite_link_generated", s.admin, s.at(0, 9), s.admin.office, late=30)
    accepted = s.at(1, 9)
    login = accepted - 60 if order == "log-in first" else accepted + 120
    s.act("invites.user_invite_accepted", eve, accepted, where, late=late)
    s.login(eve, login, where, "Windows", late=late)
    if second:
        s.act("invites.user_invite_accepted", mal, accepted + 3900, where, late=late)
    s.expect(actor=s.admin, target=[eve, mal] if second else [eve], addresses=[where])


@attack("stranger-invited", "High", essential=("target",), fallback="look", variants=(
    {}, {"then": "approved"}, {"then": "domains"}), twins=({"domain": "northwind.example", "hour": 10},))
def stranger_invited(s, domain="gmail.com", then="group", hour=2):
    """A private address is invited at night and gets a group's vaults, or the allowed domains are widened."""
    friend = s.stranger("mallory", domain)
    where = s.hostile(13) if hour == 2 else s.admin.office
    if then == "domains":
        s.act("invites.whitelisted_domains_updated", s.admin, s.at(0, hour), where, domains=[domain])
        s.act("invites.user_invite_accepted", friend, s.at(0, hour, 20), where)
    else:
        s.act("invites.user_invited", s.admin, s.at(0, hour), where, target=[friend])
        pair = "groups.group_users_added" if then == "group" else "invites.user_approved"
        facts = {"group": ("All vaults", uuid(s.organization, "all"))} if then == "group" else {}
        s.act(pair, s.admin, s.at(0, hour, 12), where, target=[friend], **facts)
    s.expect(actor=s.admin, target=[friend], addresses=[where])


@attack("manual-member-change", "Medium", essential=(), fallback="full", variants=(
    {}, {"pair": "access.user_status_updated", "status": "deleted"}, {"pair": "access.user_status_updated", "status": "active"}), twins=({"by": "directory"},))
def manual_change(s, pair="invites.user_invited", status=None, by="admin"):
    """Members come and go by SCIM here, and then an administrator invites, deletes or revives one by hand."""
    s.scim = True
    person = s.other if status else s.stranger("quick.hire", "northwind.example")
    facts = {"status": ("active" if status != "active" else "suspended", status)} if status else {}
    if by == "admin":
        s.act(pair, s.admin, s.at(0, 13), s.admin.office, target=[person], **facts)
    else:
        s.by_directory(pair, person, s.at(0, 4), where="metadata", **facts)
    s.expect(actor=s.admin, target=[person], addresses=[s.admin.office])

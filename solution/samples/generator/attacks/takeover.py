"""A member's way in is changed, then used from elsewhere."""

from .registry import attack

PLACES = {"hostile": lambda s: s.hostile(), "usual": lambda s: s.victim.home, "office": lambda s: s.victim.office}


@attack("mfa-reset-takeover", "High", essential=("target", "address"), variants=(
    {}, {"pair": "totp.2fa_reset_in_ecp"}, {"then": "unlock"}, {"told_late": 4500}, {"hours": 20}, {"renamed": True, "plain": True}), twins=(
    {"place": "usual"}, {"place": "office", "hours": 3}), sweep="target")
def mfa_reset(s, pair="global_settings.mfa_reset", place="hostile", then="login", hours=1, told_late=0, renamed=False):
    """An administrator resets a member's second factor, then the member's account is used from an unknown address."""
    where = PLACES[place](s)
    named = s.victim
    if renamed:  # the directory still calls the member by the address that changed ten days ago
        named = s.stranger("vera.maiden", "northwind.example")
        named.uuid = s.victim.uuid
        s.former[named.uuid] = (s.at(-10), named.email)
        s.act("access.user_email_updated", s.victim, s.at(-10), s.victim.office, target=[s.victim],
              old_email=named.email, new_email=s.victim.email)
    s.act(pair, s.admin, s.at(0, 9), s.admin.office, late=told_late or 30, target=[named])
    if then == "login":
        s.login(s.victim, s.at(0, 9) + hours * 3600, where, "Linux" if place == "hostile" else None)
    else:
        s.act("lock.master_validated", s.victim, s.at(0, 9) + hours * 3600, where, "Linux")
    s.expect(actor=s.admin, target=[s.victim], addresses=[where])


@attack("recovery-takeover", "High", essential=("target", "address"), variants=(
    {}, {"told": "nowhere", "plain": True}, {"then": "unlock"}, {"approver": "self-made"}, {"reverse": True}), twins=(
    {"place": "usual"}, {"place": "usual", "then": "unlock"}))
def recovery(s, place="hostile", told="named", then="login", approver="admin", reverse=False):
    """A vault recovery is asked for and approved, then the vault gets a new master password from an unknown address."""
    where = PLACES[place](s)
    by = s.admin if approver == "admin" else s.admin2
    platform = "Linux" if place == "hostile" else s.victim.platform
    if approver == "self-made":
        s.act("roles.user_role_updated", s.admin, s.at(0, 8), s.admin.office, target=[by], role=("user", "admin"))
    s.act("access.recovery_request_created", s.victim, s.at(0, 9), where, late=900 if reverse else 30)
    facts = {} if told == "nowhere" else {"target": [s.victim]}
    s.act("access.recovery_request_approved", by, s.at(0, 9, 10), by.office, late=600 if reverse else 30, **facts)
    if then == "login":
        s.login(s.victim, s.at(0, 10), where, platform, late=10)
    s.act("lock.master_changed", s.victim, s.at(0, 10, 1), where, platform, late=10)
    if then == "unlock":
        s.act("lock.master_validated", s.victim, s.at(0, 10, 2), where, platform, late=10)
    s.expect(actor=by, target=[s.victim], addresses=[where])


@attack("recovery-code-takeover", "High", essential=("address",), variants=(
    {}, {"stolen": "recovery_code.recovery_copied"}, {"then": "reset"}), twins=({"place": "usual"},))
def recovery_code(s, place="hostile", stolen=None, then="master"):
    """A recovery code is used from an unknown address, and the master password or the code is replaced."""
    where = PLACES[place](s)
    if stolen:
        s.act(stolen, s.victim, s.at(-1, 13), where, "Linux")
    s.act("recovery_code.recovery_used", s.victim, s.at(0, 3), where, "Windows")
    pair = "lock.master_changed" if then == "master" else "recovery_code.recovery_reset"
    s.act(pair, s.victim, s.at(0, 3, 2), where, "Windows")
    s.login(s.victim, s.at(0, 3, 4), where, "Windows")
    s.expect(actor=s.victim, target=[s.victim], addresses=[where])


@attack("master-changed-takeover", "High", essential=("address",), fallback="blind", variants=(
    {}, {"pair": "password.password_reset_successful"}, {"pair": "password.business_account_password_reset_successful"},
    {"order": "change elsewhere"}), twins=({"place": "usual"}, {"place": "usual", "pair": "password.password_reset_successful"}))
def master_changed(s, place="hostile", pair="lock.master_changed", order="use elsewhere"):
    """The master or account password is changed, then the account is used from an address it never had."""
    where = PLACES[place](s)
    if "reset" in pair:
        s.act(pair.replace("successful", "requested"), s.victim, s.at(0, 20), where, "Linux")
    s.act(pair, s.victim, s.at(0, 20, 5), where if order == "change elsewhere" else s.victim.home, s.victim.platform)
    s.login(s.victim, s.at(0, 20, 40), where, "Linux" if place == "hostile" else None)
    s.reads(s.victim, s.at(0, 20, 45), s.victim.items(100, 3), where, "Linux" if place == "hostile" else None)
    s.expect(actor=s.victim, target=[s.victim], addresses=[where])


@attack("factor-changed-takeover", "High", essential=("address",), fallback="blind", variants=(
    {}, {"pair": "totp.2fa_device_deleted"}, {"pair": "biometric.biometric_enabled"}), twins=({"place": "usual"},))
def factor_changed(s, place="hostile", pair="totp.2fa_device_enrolled"):
    """A new second factor is enrolled or an old one removed, then the account is used from an unknown address."""
    where = PLACES[place](s)
    s.act(pair, s.victim, s.at(0, 22), where, "Android")
    s.login(s.victim, s.at(1, 1), where, "Android")
    s.expect(actor=s.victim, target=[s.victim], addresses=[where])


@attack("email-changed-takeover", "High", essential=("target", "address"), variants=(
    {}, {"told": "new"}, {"domain": "northwind.example"}), twins=({"place": "usual", "domain": "northwind.example"},))
def email_changed(s, place="hostile", told="both", domain="mailbox.example"):
    """A member's account e-mail is changed, then the account is used under it from an unknown address."""
    where = PLACES[place](s)
    new = s.stranger("vera.hansen-lund", domain)
    new.uuid = s.victim.uuid
    facts = {"new_email": new.email}
    if told == "both":
        facts["old_email"] = s.victim.email
    s.act("access.user_email_updated", s.admin, s.at(0, 9), s.admin.office, target=[s.victim], **facts)
    s.login(new, s.at(0, 11), where, "Linux" if place == "hostile" else s.victim.platform)
    s.reads(new, s.at(0, 11, 5), s.victim.items(100, 4), where, "Linux" if place == "hostile" else s.victim.platform)
    s.absent[s.victim.email] = 0
    s.expect(actor=s.admin, target=[s.victim, new], addresses=[where])


@attack("break-glass-use", "High", variants=(
    {}, {"pair": "lock.master_failed", "email": ""}, {"pair": "login.user_login_failed", "email": ""},
    {"pair": "item_access.item_secret_viewed"}), twins=({"who": "other"},))
def break_glass_use(s, pair="login.user_login_successful", email=None, who="glass"):
    """The break-glass account, which is on a watchlist by its e-mail, is used or tried, told by e-mail or uuid only."""
    glass = s.stranger("breakglass", "northwind.example")
    s.lists["break_glass"] = [glass.email]
    person = glass if who == "glass" else s.other
    s.login(glass, s.at(-12, 8), s.owner.office, "Windows")
    s.act(pair, person, s.at(0, 3), s.hostile() if who == "glass" else person.home, "Windows", email=email)
    s.expect(actor=person, addresses=[s.hostile()])


@attack("break-glass-target", "High", essential=("target",), variants=(
    {}, {"pair": "access.user_status_updated"}, {"pair": "roles.user_role_updated"},
    {"pair": "access.recovery_request_approved"}, {"pair": "groups.group_users_removed"}), twins=(
    {"who": "other", "pair": "groups.group_users_removed"},))
def break_glass_target(s, pair="global_settings.mfa_reset", who="glass"):
    """An administrator changes the break-glass account: factor, status, role, recovery or groups."""
    glass = s.stranger("breakglass", "northwind.example")
    s.lists["break_glass"] = [glass.email]
    s.login(glass, s.at(-12, 8), s.owner.office, "Windows")
    person = glass if who == "glass" else s.other
    facts = {"access.user_status_updated": {"status": ("active", "suspended")},
             "roles.user_role_updated": {"role": ("owner", "user")},
             "groups.group_users_removed": {"group": ("Emergency", s.organization)}}.get(pair, {})
    s.act(pair, s.admin, s.at(0, 14), s.admin.office, target=[person], **facts)
    s.expect(actor=s.admin, target=[person])

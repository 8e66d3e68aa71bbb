"""Upkeep: lost phones, new devices, own passwords, policies, deputies, exports, reviews, clean-ups, suppliers."""

from .. import addresses
from ..clock import DAY, HOUR
from ..randomness import item_uuid, uuid
from .comings import ordinary, usual, work_time, working_day


def _some(month, draw, per, least=1):
    """One in `per` people, with a working day from the lead-in to the end."""
    crowd = [person for person in ordinary(month, 40) if person.away is None]
    for person in draw.some(crowd, max(least, month.facts["people"] // per)):
        day = working_day(month, draw, 1, month.days - 3)
        if person.joined <= month.day(day) < person.left:
            yield person, day, work_time(month, draw, person, day)


def lost_phones(month, draw):
    """A phone is lost; an administrator resets the factor, and the member enrols a new phone at home or in the office."""
    for person, _, when in _some(month, draw, 100):
        admin = draw.pick(month.admins)
        where = usual(person)
        pair = draw.pick(("global_settings.mfa_reset", "totp.2fa_reset_in_ecp"))
        month.add(month.event(pair, admin, when, usual(admin), target=[person]))
        when += 600 + draw.below(3 * HOUR)
        month.add(month.event("login.user_login_successful", person, when, where, person.device, provider=month.facts["provider"]))
        month.add(month.quick("totp.2fa_device_enrolled", person, when + 90, where, person.phone))
        month.remarkable("lost phone", when - 4 * HOUR, when + DAY, [person])


def new_devices(month, draw):
    """A new laptop or phone, first used in a usual place."""
    for person, _, when in _some(month, draw, 40):
        new = draw.pick(("macOS", "Windows", "Firefox extension", "iOS", "Android"))
        where = usual(person)
        month.add(month.event("login.user_login_successful", person, when, where, new, provider=month.facts["provider"]))
        month.add(month.quick("lock.master_validated", person, when + 30, where, new))
        if new in ("iOS", "Android"):
            month.add(month.quick("biometric.biometric_enabled", person, when + 60, where, new))
            month.add(month.quick("totp.2fa_device_deleted", person, when + 200, where, new))
            month.add(month.quick("totp.2fa_device_enrolled", person, when + 260, where, new))


def own_passwords(month, draw):
    """Members change their master or account password, or copy their recovery code, where they always are."""
    for person, _, when in _some(month, draw, 30):
        pair = draw.pick((
            "lock.master_changed", "password.business_account_password_change_successful", "recovery_code.recovery_copied",
            "password.business_account_password_change_failed", "recovery_code.recovery_reset",
        ))
        month.add(month.quick(pair, person, when, usual(person), person.device))
        month.add(month.quick("lock.master_validated", person, when + 60, usual(person), person.device))


def single_breaches(month, draw):
    """Single findings; the member changes the password, then the finding is resolved."""
    for person, _, when in _some(month, draw, 150):
        admin = draw.pick(month.admins)
        month.add(month.event("breach.email_breached", person, when))
        changed = when + HOUR + draw.below(4 * HOUR)
        month.add(month.quick("lock.master_changed", person, changed, usual(person), person.device))
        month.add(month.quick("item_access.items_updated", person, changed + 300, usual(person), person.device, [item_uuid(person.key, 1)]))
        month.add(month.event("breach.breach_resolved", admin, changed + 2 * HOUR, usual(admin), target=[person]))
        month.remarkable("breach finding", when, changed + 3 * HOUR, [person], acceptable="one alert that tells the finding")


def policies(month, draw):
    """Policies are made stricter, and harmless settings changed."""
    changes = (("mfa_required", False, True), ("master_password_strength", 10, 14), ("organization_name", "Old", "New"),
               ("block_external_sharing", False, True), ("language", "en", "de"))
    count = 2 if month.size == "small" else 4
    for name, old, new in draw.some(changes, count):
        admin = draw.pick(month.admins)
        when = work_time(month, draw, admin, draw.pick((3, 9, 15, 17, 23, 30, 38)))
        month.add(month.event("global_settings.global_settings_updated", admin, when, usual(admin), policy=(name, old, new)))
        month.remarkable("policy made stricter", when, when + HOUR, [admin], note=f"{name}: {old} to {new}")


def deputies(month, draw):
    """A colleague is made Admin for a fortnight by the owner, then made a user again."""
    if month.size == "small":
        return
    person = month.members[len(month.admins) + 4]
    first = month.day(draw.pick((16, 18, 24)), 9, 20)
    for when, old, new in ((first, "user", "admin"), (first + 14 * DAY, "admin", "user")):
        month.add(month.event("roles.user_role_updated", month.owner, when, usual(month.owner), target=[person], role=(old, new)))
    month.remarkable("deputy", first, first + 14 * DAY, [person, month.owner], acceptable="one alert that tells the new Admin")


def monthly_export(month, draw):
    """The owner exports the vault for the safe; it is entered."""
    day = draw.pick((15, 30, 44))
    when = month.day(day, 10, 5)
    month.add(month.quick("item_access.vault_exported", month.owner, when, usual(month.owner), month.owner.device))
    month.remarkable("backup export", when, when + HOUR, [month.owner], listed=True)


def access_review(month, draw):
    """An administrator goes through the Sharing Hub item by item; it is entered."""
    admin = month.admins[1]
    day = draw.pick((23, 31, 38))
    when = month.day(day, 9)
    for number in range(60 if month.size == "small" else 240):
        when += 20 + draw.below(60)
        month.add(month.quick("sharing_hub.item_viewed", admin, when, usual(admin), "Web vault", [item_uuid(number % 9, number)]))
    month.remarkable("access review", month.day(day, 9), when, [admin], listed=True)


def clean_up(month, draw):
    """A team deletes its old items one afternoon; nobody has entered it, the numbers are small."""
    day = draw.pick((18, 25, 32))
    for person in ordinary(month)[4:7]:
        when = work_time(month, draw, person, day)
        for number in range(draw.between(3, 7)):
            month.add(month.quick("item_delete.items_deleted", person, when + number * 30, usual(person), person.device, [item_uuid(person.key, 12 + number)]))
        month.remarkable("clean-up", when, when + HOUR, [person])


def suppliers(month, draw):
    """A member gives one or two items to somebody outside, once."""
    for number, (person, _, when) in enumerate(_some(month, draw, 60)):
        outsider = type(person)()
        outsider.email, outsider.uuid = f"office@supplier{number}.example", uuid(month.organization, "supplier", number)
        for item in range(draw.between(1, 2)):
            month.add(month.event("item_share.items_shared", person, when + item * 40, usual(person), person.device, [item_uuid(person.key, item)], recipient=[outsider]))
        month.remarkable("share with a supplier", when, when + HOUR, [person], note=outsider.email)


def reorganization(month, draw):
    """Teams are put together anew: many group changes by the directory, or by hand in a small tenant."""
    day = draw.pick((16, 30, 37))
    if not month.facts["scim"]:
        return
    for number, person in enumerate(ordinary(month)[60:60 + month.facts["people"] // 8]):
        when = month.day(day, 4) + number * 6
        group = (f"Team {number % 12}", item_uuid(7, number % 12))
        month.add(month.event("groups.group_users_removed", None, when, initiator="azure_ad", target=[person], group=group))
        month.add(month.event("groups.group_users_added", None, when + 3, initiator="azure_ad", target=[person], group=group))
    month.remarkable("reorganization", month.day(day, 4), month.day(day, 9), note="by the directory, not by a person")


def provider_staff(month, draw):
    """The managing provider's staff does what it is paid for."""
    if not month.staff:
        return
    where = addresses.address("office.DE", 900)
    for day in range(2, month.days - 2, 7):
        when = month.day(day, 8, draw.below(500))
        month.add(month.event("invites.user_invite_resent", month.owner, when, where, msp=month.staff, target=[draw.pick(month.members)]))
        month.add(month.event("groups.group_users_added", month.owner, when + 300, where, msp=month.staff, target=[draw.pick(month.members)], group=("Everyone", item_uuid(7, 99))))


def billing(month, draw):
    """The subscription is renewed, a card replaced, seats are bought."""
    for number, pair in enumerate(("billing.payment_method_change_started", "checkout.change_credit_card_failure",
                                   "checkout.change_credit_card_success", "checkout.upsell", "checkout.renewal_success")):
        month.add(month.event(pair, month.owner, month.day(21, 14, number), usual(month.owner)))

"""What happens in a month beside the everyday. Each function schedules events and says what is remarkable."""

from ..randomness import Draw
from . import comings, operations, upkeep

ALL = (
    comings.onboarding_wave, comings.joiners, comings.leavers, comings.off_boarding_project, comings.guests, comings.agency,
    comings.travellers, comings.movers, comings.marriages,
    operations.holiday, operations.identity_outage, operations.backlog, operations.late_pages, operations.migration,
    operations.rotation, operations.token_rotation, operations.break_glass_test, operations.runner_moves,
    upkeep.lost_phones, upkeep.new_devices, upkeep.own_passwords, upkeep.single_breaches, upkeep.policies, upkeep.deputies,
    upkeep.monthly_export, upkeep.access_review, upkeep.clean_up, upkeep.suppliers, upkeep.reorganization, upkeep.provider_staff,
    upkeep.billing,
)


def schedule(month):
    """Schedule everything, always in the same order, each with its own draws."""
    for happening in ALL:
        happening(month, Draw(happening.__name__, month.size, month.seed))
    month.truth.sort(key=lambda entry: (entry["from"], entry["kind"]))
    month.lists["maintenance"].sort(key=lambda entry: (entry["from"], entry["kind"]))

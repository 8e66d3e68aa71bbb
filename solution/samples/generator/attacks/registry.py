"""The list of attacks, and how variants and twins are made from them.

Every attack is a function that plays it on a sample. `variants` holds its behaviours, `twins` those of a benign
look-alike. Each behaviour is played in a style: the first (and those marked `plain`) in the plain one, the others in drawn ones, and then the
first behaviour once more in a drawn style and once with confirmed metadata only. `sweep` names a slot whose every shape
gets a variant of its own.
"""

from .. import shapes, style
from ..randomness import Draw
from ..sample import Sample

ATTACKS = {}


class Attack:
    """An attack's facts: see `attack`."""

    def __init__(self, identifier, play, **facts):
        self.id = identifier
        self.play = play
        self.meaning = " ".join(play.__doc__.split())
        self.severity = facts["severity"]
        self.essential = frozenset(facts["essential"])
        self.fallback = facts["fallback"]
        self.variants = facts["variants"]
        self.twins = facts["twins"]
        self.sweep = facts["sweep"]
        self.styled = facts["styled"]


def attack(identifier, severity, essential=(), fallback="look", variants=({},), twins=(), sweep=None, styled=True):
    """Register an attack.

    `essential`: slots without which the attack can't be told from normal life; `slot@pair` looks at one pair alone.
    `fallback`: what remains when one can't be read: `look` (something changed, and a person should look), `blind`,
    `full`, or `client` (full by the platform, if that can be read, else blind). `styled`: whether metadata matters.
    """

    def register(play):
        ATTACKS[identifier] = Attack(identifier, play, severity=severity, essential=essential, fallback=fallback,
                                     variants=variants, twins=twins, sweep=sweep, styled=styled)
        return play

    return register


def plans(known, seed):
    """The samples of one attack: (identifier, kind, behaviour, style)."""
    for number, behaviour in enumerate(known.variants):
        behaviour = dict(behaviour)
        plain = behaviour.pop("plain", False)
        made = style.plain() if number == 0 or plain or not known.styled else _drawn(known, seed, number)
        yield f"{known.id}.{number + 1:02}", "attack", behaviour, made
    first = known.variants[0]
    number = len(known.variants)
    if known.essential:
        yield f"{known.id}.{number + 1:02}", "attack", first, _drawn(known, seed, "extra")
        number += 1
    if known.sweep:
        for shape in list(shapes.SLOTS[known.sweep])[1:]:
            number += 1
            yield f"{known.id}.{number:02}", "attack", first, style.plain(**{known.sweep: shape})
    if known.styled:
        yield f"{known.id}.confirmed", "attack", first, style.confirmed()
    for number, behaviour in enumerate(known.twins):
        yield f"{known.id}.twin{number + 1}", "twin", behaviour, style.plain()
        if known.styled:
            # What can't be read is a reason to look, so a twin can be read.
            yield f"{known.id}.twin{number + 1}.drawn", "twin", behaviour, style.drawn(Draw("style", seed, known.id, f"twin{number}"), tuple(shapes.SLOTS))


def _drawn(known, seed, number):
    # Half of the drawn styles may lose what the attack needs; in the other half it can be read.
    draw = Draw("style", seed, known.id, number)
    keep = {slot.partition("@")[0] for slot in known.essential} if draw.chance(0.5) else ()
    return style.drawn(draw, keep)


def samples(seed, anchor, only=None):
    """All samples, one after the other. `anchor` in Unix seconds."""
    for known in ATTACKS.values():
        if only and known.id not in only:
            continue
        for identifier, kind, behaviour, made in plans(known, seed):
            sample = Sample(identifier, seed, anchor, made)
            known.play(sample, **behaviour)
            sample.close()
            yield known, kind, behaviour, sample


def _lost(known, sample):
    slots = {slot for slot, _ in sample.unreadable} | {f"{slot}@{pair}" for slot, pair in sample.unreadable}
    if sample.style.chosen["items"] == "count":
        slots.discard("item count")
    elif "items" in slots:
        slots.add("item count")
    return sorted((known.essential | sample.needs) & slots | sample.lost)


def describe(known, kind, behaviour, sample):
    """The descriptor that lies beside a sample's events."""
    lost = _lost(known, sample)
    severity = sample.expected.pop("severity", known.severity)
    observable = known.fallback if lost else "full"
    if observable == "client":
        observable = "blind" if any(slot == "platform" for slot, _ in sample.unreadable) else "full"
    return {
        "id": sample.id,
        "attack": known.id,
        "kind": kind,
        "meaning": known.meaning,
        "behaviour": behaviour,
        "style": sample.style.name,
        "lateness": sample.lateness,
        "shapes": sample.style.chosen if not sample.style.confirmed else {},
        "organization": sample.organization,
        "lists": sample.lists,
        "connectors": sample.connectors,
        "expected": {
            "alert": kind == "attack",
            "observable": observable,
            "unreadable": lost,
            "severity": severity if kind == "attack" else "none",
            **sample.expected,
        },
        "from": sample.at(sample.first_day),
        "attack_day": sample.start,
        "until": sample.at(sample.last_day + 1),
        "events": len(sample.events),
    }

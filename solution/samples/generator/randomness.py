"""Deterministic draws.

Only `random.Random.random` is used, because its sequence for a given seed is guaranteed across Python versions, and
only sums and products of it, because `log` and `exp` may differ in the last bit between C libraries.
"""

import hashlib
import random


class Draw:
    """A seeded source of draws. The seed is any text."""

    def __init__(self, *seed):
        self.unit = random.Random("/".join(str(part) for part in seed)).random

    def below(self, limit):
        """An integer from 0 up to, not including, `limit`."""
        return int(self.unit() * limit)

    def between(self, low, high):
        """An integer from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, choices):
        """One of the choices."""
        return choices[int(self.unit() * len(choices))]

    def chance(self, probability):
        """True with the given probability."""
        return self.unit() < probability

    def bell(self):
        """A number between 0 and 1, near 0.5 most of the time."""
        unit = self.unit
        return (unit() + unit() + unit() + unit()) / 4

    def some(self, choices, count):
        """`count` different choices, in a random order."""
        rest = list(choices)
        chosen = []
        while rest and len(chosen) < count:
            chosen.append(rest.pop(int(self.unit() * len(rest))))
        return chosen


def uuid(*parts):
    """A UUID (version 5 in form) that depends on the parts alone."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


_MASK = (1 << 64) - 1


def item_uuid(key, number):
    """The UUID of an item: of the owner with this integer key, the item with this number. Cheap, without a table."""
    low = (key * 0x9E3779B97F4A7C15 + (number + 1) * 0xBF58476D1CE4E5B9) & _MASK
    low = ((low ^ (low >> 31)) * 0x94D049BB133111EB) & _MASK
    high = ((low ^ (low >> 29)) * 0xD6E8FEB86659FD93) & _MASK
    digits = f"{high:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-b{digits[17:20]}-{digits[20:]}"

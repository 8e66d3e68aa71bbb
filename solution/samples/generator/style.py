"""A style is one shape for each slot: how one release of NordPass would write its metadata.

- `plain`: the shapes a reader of the official rules would guess
- `drawn`: any shape for each slot, by seed
- `confirmed`: only the metadata that NordPass is known to send; everything else is left out
"""

from . import shapes

PLAIN = {
    "address": "ip_address", "platform": "platform", "provider": "provider", "items": "items", "target": "emails",
    "recipient": "emails", "role": "role_previous", "status": "status", "policy": "setting_enabled",
    "group": "group_name", "spelling": "same",
}

# slot: the pairs, or types, on which the fact has been seen in public sources
CONFIRMED = {
    "address": {"login.user_login_failed"},
    "provider": {"login.user_login_failed"},
    "platform": {"item_access", "item_share", "item_delete", "login", "lock"},
    "items": {"item_delete.items_deleted"},
    "status": {"access.user_status_updated"},
    "target": {"invites.user_invited"},
}


class Style:
    """Writes facts as metadata. `unreadable` collects (slot, pair): events that couldn't carry a fact readably."""

    def __init__(self, name, chosen):
        self.name = name
        self.chosen = chosen
        self.confirmed = name == "confirmed"
        self.shape = {slot: shapes.SLOTS[slot][shape] for slot, shape in chosen.items()}
        self.lost = {slot for slot, shape in chosen.items() if shape in shapes.UNREADABLE[slot]}
        self.unreadable = set()

    def carries(self, slot, pair):
        """Whether an event of this pair carries the fact."""
        if not self.confirmed:
            return True
        seen = CONFIRMED.get(slot, ())
        return pair in seen or pair.partition(".")[0] in seen

    def metadata(self, pair, facts):
        """The metadata of an event: `facts` maps a slot to the tuple of its shape's arguments."""
        written = {}
        spell = self.shape["spelling"]
        for slot, values in facts.items():
            if not self.carries(slot, pair):
                self.unreadable.add((slot, pair))
                continue
            if slot in self.lost:
                self.unreadable.add((slot, pair))
            if slot in ("target", "recipient"):
                values = ([(spell(email), uuid) for email, uuid in values[0]],)
            shapes.merge(written, self.shape[slot](*values))
        return written


def plain(**overrides):
    """The plain style, with some shapes replaced."""
    return Style("plain" if not overrides else "swept", {**PLAIN, **overrides})


def confirmed():
    """Only confirmed metadata."""
    return Style("confirmed", dict(PLAIN))


def drawn(draw, keep=()):
    """A style drawn by seed. The slots in `keep` get a shape from which the fact can be read."""
    chosen = {}
    for slot, table in shapes.SLOTS.items():
        names = [name for name in table if slot not in keep or name not in shapes.UNREADABLE[slot]]
        chosen[slot] = draw.pick(names)
    return Style("drawn", chosen)

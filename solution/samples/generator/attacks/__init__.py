"""The attacks, by subject. Importing a module registers its attacks."""

from . import connector, guessing, leaving, reading, removal, rights, session, settings, sharing, strangers, takeover  # noqa: F401
from .registry import ATTACKS, describe, samples  # noqa: F401

"""Times relative to an anchor, never to the clock of the machine. Unix seconds, UTC."""

from datetime import datetime, timezone

MINUTE = 60
HOUR = 3600
DAY = 86400

DEFAULT_ANCHOR = "2026-09-01"
"""The anchor of the frozen data."""

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)


def midnight(date):
    """The midnight, in UTC, that starts a date in the form `2026-09-01`."""
    return int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp())


def weekday(seconds):
    """The day of the week, Monday is 0."""
    return (seconds // DAY + 3) % 7


def next_weekday(seconds, day):
    """The first midnight at or after `seconds` that starts the given day of the week."""
    start = -(-seconds // DAY) * DAY
    return start + (day - weekday(start)) % 7 * DAY


def iso(seconds):
    """ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

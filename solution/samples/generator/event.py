"""One event as the Activity Logs API gives it, and the check that it is one."""

import json
import re

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON of one event: a line of NDJSON without its end."""

KEYS = ("type", "action", "timestamp", "organization_uuid", "user", "metadata", "initiator")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def make(pair, timestamp, organization, user_uuid, user_email, metadata, initiator=""):
    """An event of the pair `type.action`."""
    kind, _, action = pair.partition(".")
    return {
        "type": kind,
        "action": action,
        "timestamp": timestamp,
        "organization_uuid": organization,
        "user": {"uuid": user_uuid, "email": user_email},
        "metadata": metadata,
        "initiator": initiator,
    }


def problem(event, pairs):
    """What keeps `event` from being a valid API event, or None. `pairs` holds the known `type.action` texts."""
    if tuple(event) != KEYS:
        return f"keys are {list(event)}"
    if f"{event['type']}.{event['action']}" not in pairs:
        return f"{event['type']}.{event['action']} isn't in the catalogue"
    if type(event["timestamp"]) is not int or not 1_500_000_000 < event["timestamp"] < 4_000_000_000:
        return f"timestamp {event['timestamp']!r} isn't Unix seconds"
    if not UUID.fullmatch(event["organization_uuid"]):
        return "organization_uuid isn't a UUID"
    user = event["user"]
    if tuple(user) != ("uuid", "email") or not all(isinstance(value, str) for value in user.values()):
        return "user isn't {uuid, email}"
    if user["uuid"] and not UUID.fullmatch(user["uuid"]):
        return "user.uuid isn't a UUID"
    if user["email"] and "@" not in user["email"]:
        return "user.email isn't an address"
    if not isinstance(event["metadata"], dict) or not isinstance(event["initiator"], str):
        return "metadata isn't an object, or initiator not a text"
    return None

"""Every shape that metadata may have where NordPass has published none.

A slot is one fact (an address, a role, whom it is about); a shape is one way to write it. A shape is a function from
the fact to a part of the metadata. `UNREADABLE` holds the shapes from which the fact can't be read: a rule that meets
one should say "changed, look" and not be silent.
"""

import json
import unicodedata

from .event import encode


def _full(address):
    """The long spelling of an IPv6 address; an IPv4 address as one that is mapped into IPv6."""
    import ipaddress

    value = ipaddress.ip_address(address)
    return value.exploded.upper() if value.version == 6 else f"::ffff:{address}"


def _port(address):
    return f"[{address}]:443" if ":" in address else f"{address}:443"


ADDRESS = {
    "ip_address": lambda a: {"ip_address": a},
    "ip": lambda a: {"ip": a},
    "camel": lambda a: {"ipAddress": a},
    "client_ip": lambda a: {"client_ip": a},
    "source_ip": lambda a: {"source_ip": a},
    "remote_address": lambda a: {"remote_address": a},
    "object": lambda a: {"ip": {"address": a}},
    "in_client": lambda a: {"client": {"ip": a}},
    "in_location": lambda a: {"location": {"ip_address": a}},
    "list": lambda a: {"ip_addresses": [a]},
    "port": lambda a: {"ip_address": _port(a)},
    "other_spelling": lambda a: {"ip_address": _full(a)},
    "none": lambda a: {},
}

PLATFORM = {
    "platform": lambda p: {"platform": p},
    "lower": lambda p: {"platform": p.lower()},
    "object": lambda p: {"platform": {"name": p, "version": "5.21"}},
    "in_device": lambda p: {"device": {"platform": p}},
    "client": lambda p: {"client_platform": p},
    "none": lambda p: {},
}

PROVIDER = {
    "provider": lambda p: {"provider": p},
    "sso": lambda p: {"sso": {"provider": p}},
    "none": lambda p: {},
}

ITEMS = {
    "items": lambda i: {"items": i},
    "objects_uuid": lambda i: {"items": [{"uuid": x} for x in i]},
    "objects_item_uuid": lambda i: {"items": [{"item_uuid": x, "type": "password"} for x in i]},
    "objects_id": lambda i: {"items": [{"id": x, "folder": None} for x in i]},
    "item_uuids": lambda i: {"item_uuids": i},
    "one_or_list": lambda i: {"item_uuid": i[0]} if len(i) == 1 else {"item_uuids": i},
    "item_object": lambda i: {"item": {"uuid": i[0]}} if len(i) == 1 else {"items": [{"uuid": x} for x in i]},
    "item_id": lambda i: {"item_id": i[0]} if len(i) == 1 else {"item_ids": i},
    "text": lambda i: {"items": json.dumps(i)},
    "map": lambda i: {"items": {x: "password" for x in i}},
    "count": lambda i: {"items_count": len(i)},
    "none": lambda i: {},
}

# whom it is about: a list of (e-mail, uuid)
TARGET = {
    "emails": lambda t: {"emails": [e for e, _ in t]},
    "email": lambda t: {"email": t[0][0]} if len(t) == 1 else {"emails": [e for e, _ in t]},
    "user_email": lambda t: {"user_email": t[0][0]} if len(t) == 1 else {"user_emails": [e for e, _ in t]},
    "member_email": lambda t: {"member_email": t[0][0]} if len(t) == 1 else {"members": [e for e, _ in t]},
    "user_object": lambda t: {"user": {"uuid": t[0][1], "email": t[0][0]}} if len(t) == 1 else {"users": [{"uuid": u, "email": e} for e, u in t]},
    "users": lambda t: {"users": [{"uuid": u, "email": e} for e, u in t]},
    "users_email_list": lambda t: {"users": [e for e, _ in t]},
    "target": lambda t: {"target": t[0][0]} if len(t) == 1 else {"targets": [e for e, _ in t]},
    "target_user": lambda t: {"target_user": {"email": t[0][0]}} if len(t) == 1 else {"target_users": [{"email": e} for e, _ in t]},
    "affected": lambda t: {"affected_users": [{"user_email": e, "user_uuid": u} for e, u in t]},
    "camel": lambda t: {"userEmail": t[0][0]} if len(t) == 1 else {"userEmails": [e for e, _ in t]},
    "user_uuid": lambda t: {"user_uuid": t[0][1]} if len(t) == 1 else {"user_uuids": [u for _, u in t]},
    "user_uuids": lambda t: {"user_uuids": [u for _, u in t]},
    "users_uuid_list": lambda t: {"users": [u for _, u in t]},
    "member_uuid": lambda t: {"member": {"uuid": t[0][1]}} if len(t) == 1 else {"members": [{"uuid": u} for _, u in t]},
    "map": lambda t: {"members": {u: e for e, u in t}},
    "text": lambda t: {"emails": ", ".join(e for e, _ in t)},
    "nowhere": lambda t: {},
}

RECIPIENT = {
    "emails": TARGET["emails"],
    "recipient": lambda t: {"recipient": t[0][0]} if len(t) == 1 else {"recipients": [e for e, _ in t]},
    "recipients": lambda t: {"recipients": [{"email": e, "permission": "full"} for e, _ in t]},
    "shared_with": lambda t: {"shared_with": [e for e, _ in t]},
    "shared_to_object": lambda t: {"shared_to": {"users": [{"email": e} for e, _ in t], "groups": []}},
    "users": lambda t: {"users": [{"email": e, "access": "view"} for e, _ in t]},
    "receiver_email": lambda t: {"receiver_email": t[0][0]},
    "nowhere": lambda t: {},
}

# a role: (old, new)
ROLE = {
    "role_previous": lambda o, n: {"role": n, "previous_role": o},
    "role": lambda o, n: {"role": n},
    "capitals": lambda o, n: {"role": n.upper()},
    "new_old": lambda o, n: {"new_role": n, "old_role": o},
    "object_from_to": lambda o, n: {"role": {"from": o, "to": n}},
    "object_old_new": lambda o, n: {"role": {"old": o, "new": n}},
    "object_name": lambda o, n: {"role": {"id": 3, "name": n.capitalize()}},
    "list": lambda o, n: {"roles": [n]},
    "pair": lambda o, n: {"role": [o, n]},
    "role_name": lambda o, n: {"role_name": n.capitalize()},
    "user_role": lambda o, n: {"user_role": n},
    "changes": lambda o, n: {"changes": [{"field": "role", "old": o, "new": n}]},
    "per_user": lambda o, n: {"updated": [{"role": {"type": n}}]},
    "enum": lambda o, n: {"role": f"ROLE_{n.upper()}"},
    "number": lambda o, n: {"role": {"user": 1, "admin": 2, "owner": 3}.get(n, 9)},
    "custom": lambda o, n: {"role": "super_admin"},
    "uuid": lambda o, n: {"role_uuid": "0b7c1e0a-6c1f-4f0e-9d55-0a8f5c9b7e21"},
    "none": lambda o, n: {},
}

# a status: (old, new)
STATUS = {
    "status": lambda o, n: {"status": n},
    "capitals": lambda o, n: {"status": n.upper()},
    "object": lambda o, n: {"status": {"old": o, "new": n}},
    "new_old": lambda o, n: {"new_status": n, "old_status": o},
    "user_status": lambda o, n: {"user_status": n},
    "list": lambda o, n: {"status": [n]},
    "changes": lambda o, n: {"changes": [{"field": "status", "old": o, "new": n}]},
    "number": lambda o, n: {"status": {"active": 1, "suspended": 2, "deleted": 3}.get(n, 0)},
    "none": lambda o, n: {},
}

# a policy: (name, old, new)
POLICY = {
    "setting_enabled": lambda p, o, n: {"setting": p, "enabled": n},
    "setting_value": lambda p, o, n: {"setting": p, "value": n},
    "name_old_new": lambda p, o, n: {"name": p, "old_value": o, "new_value": n},
    "key": lambda p, o, n: {p: n},
    "settings_object": lambda p, o, n: {"settings": {p: n}},
    "settings_old_new": lambda p, o, n: {"settings": {p: {"old": o, "new": n}}},
    "changes": lambda p, o, n: {"changes": [{"setting": p, "from": o, "to": n}]},
    "policy_status": lambda p, o, n: {"policy": p, "status": "enabled" if n else "disabled"},
    "text_bool": lambda p, o, n: {"setting": p, "enabled": str(bool(n)).lower()},
    "number": lambda p, o, n: {"setting": p, "enabled": 1 if n else 0},
    "off": lambda p, o, n: {"setting": p, "state": "on" if n else "off"},
    "before_after": lambda p, o, n: {"before": {p: o}, "after": {p: n}},
    "name_only": lambda p, o, n: {"setting": p},
    "value_only": lambda p, o, n: {"enabled": n},
    "uuid": lambda p, o, n: {"setting_uuid": "5b7d9f0e-3f0c-4c52-8f07-1a1f5c9b7e21", "value": "g6Fk"},
    "none": lambda p, o, n: {},
}

# a group: (name, uuid)
GROUP = {
    "group_name": lambda n, u: {"group_name": n},
    "object": lambda n, u: {"group": {"uuid": u, "name": n}},
    "groups": lambda n, u: {"groups": [{"uuid": u, "name": n}]},
    "group_uuid": lambda n, u: {"group_uuid": u},
    "uuid_list": lambda n, u: {"groups": [u]},
    "none": lambda n, u: {},
}

SPELLING = {
    "same": lambda e: e,
    "upper": lambda e: "".join(c.upper() if len(c.upper()) == 1 else c for c in e),
    "title": lambda e: ".".join(part.capitalize() for part in e.split(".")),
    "decomposed": lambda e: unicodedata.normalize("NFD", e),
    "padded": lambda e: f" {e}",
}

SLOTS = {
    "address": ADDRESS, "platform": PLATFORM, "provider": PROVIDER, "items": ITEMS, "target": TARGET,
    "recipient": RECIPIENT, "role": ROLE, "status": STATUS, "policy": POLICY, "group": GROUP, "spelling": SPELLING,
}

UNREADABLE = {
    "address": {"none"}, "items": {"none", "count"}, "target": {"nowhere"}, "recipient": {"nowhere"},
    "role": {"number", "custom", "uuid", "none"}, "status": {"number", "none"},
    "policy": {"name_only", "value_only", "uuid", "none"}, "group": {"none"}, "platform": {"none"},
    "provider": {"none"}, "spelling": set(),
}


def merge(metadata, part):
    """Add a part; objects under the same key become one."""
    for key, value in part.items():
        if key in metadata and isinstance(metadata[key], dict) and isinstance(value, dict):
            metadata[key] = {**metadata[key], **value}
        elif key in metadata and encode(metadata[key]) != encode(value):
            metadata[f"{key}_2"] = value
        else:
            metadata[key] = value

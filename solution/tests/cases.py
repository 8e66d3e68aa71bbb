"""Attacks that somebody else wrote down (`samples/cases`), as their author met them: a few events in full, of the longer series the first ones.

`expand` plays a series to its end, at the pace of its beginning. Around each case lie two weeks of everyday life, which its author had but
didn't write down. A case is seen if a rule that is about it fires for its organization; the same life without the attack, in an organization of its
own, must stay silent.
"""

import ipaddress
import json
import re
import time
import uuid
from datetime import datetime, timezone

import attacks
import content
import recording

FOLDER = content.SOLUTION / "samples/cases"
DAY = 86_400
# What raises a number in a name or address: `p03.a12b@…`, `m3@…`.
NUMBERED = re.compile(r"^([pm])(\d+)([.@].*)$")


def read():
    return [json.loads(line) for line in (FOLDER / "cases.ndjson").read_text(encoding="utf-8").splitlines()]


def coverage():
    """Which rules are about each case."""
    return json.loads((FOLDER / "coverage.json").read_text())


def name_uuid(*parts):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts)))


def moving(first, second):
    """What differs from one event of a series to the next."""
    pairs = {"user": (first["user"], second["user"])} | {key: (first["metadata"].get(key), second["metadata"].get(key)) for key in ("emails", "ip_address")}
    return {key for key, (one, other) in pairs.items() if one != other}


def following(event, steps, at, moves):
    """The event of a series that comes `steps` after the one given."""
    event = json.loads(json.dumps(event))
    event["timestamp"] = at
    metadata = event["metadata"]
    if len(metadata.get("items", [])) == 1:
        metadata["items"] = [name_uuid("item", event["organization_uuid"], str(at))]
    if "user" in moves:
        email = raised(event["user"]["email"], steps)
        event["user"] = {"uuid": name_uuid("person", event["organization_uuid"], email), "email": email}
    if "emails" in moves:
        metadata["emails"] = [raised(email, steps) for email in metadata["emails"]]
    if "ip_address" in moves:
        metadata["ip_address"] = str(ipaddress.ip_address(metadata["ip_address"]) + steps)
    return event


def raised(email, number):
    found = NUMBERED.match(email)
    return f"{found[1]}{int(found[2]) + number:0{len(found[2])}}{found[3]}" if found else email


def expand(case):
    """All events of a case."""
    events = case["events"]
    missing = case["count"] - len(events)
    if not missing:
        return events
    first, second = events[2], events[3]
    step, moves = second["timestamp"] - first["timestamp"], moving(first, second)
    # Where the series begins: behind what stands at another pace or is of another kind.
    begin = next(index for index, event in enumerate(events) if event["action"] == second["action"] and event["timestamp"] + step == events[index + 1]["timestamp"])
    every, apart = (case.get("a_day"), DAY) if "a_day" in case else (case.get("an_hour", case["count"]), 3_600)
    at, made = events[begin]["timestamp"], list(events[:4])
    for number in range(4 - begin, 4 - begin + missing):
        part, index = divmod(number, every)
        when = at + (working(at, part) if "a_day" in case else part) * apart + index * step
        made.append(following(second, number - (3 - begin), when, moves))
    return fill(made + [events[-1]])


def working(at, part):
    """How many days after the first lies the working day number `part`."""
    days = 0
    while part:
        days += 1
        part -= datetime.fromtimestamp(at + days * DAY, timezone.utc).weekday() < 5
    return days


def fill(events):
    """A list that is cut off ("... 20 in all") gets what the events after it touch."""
    items = [item for event in events for item in event["metadata"].get("items", []) if not item.startswith("...")]
    for event in events:
        listed = event["metadata"].get("items", [])
        if any(item.startswith("...") for item in listed):
            event["metadata"]["items"] = list(dict.fromkeys(items))
    return events


def everyday(case, events):
    """Two weeks of life before the attack: log-ins, unlocks and a few items of thirteen people, some administration."""
    organization, begin = events[0]["organization_uuid"], min(event["timestamp"] for event in events)
    told = json.dumps(events)
    known = {event["user"]["email"]: event["user"]["uuid"] for event in events if event["user"]["email"].endswith("northwind.example")}
    names = [email for email in known if NUMBERED.match(email)]
    tail = NUMBERED.match(names[0])[3] if names else f".{case['id'].lower()}@northwind.example"
    part = re.search(r"203\.(\d+)\.\d\.77|198\.51\.(\d+)\.10", told)
    part = next(filter(None, part.groups()), "7") if part else "7"
    people = {f"p{number:02}{tail}" for number in range(13)} | set(names)
    for index, email in enumerate(sorted(people)):
        number = int(NUMBERED.match(email)[2])
        who = known.get(email) or name_uuid("person", organization, email)
        home = case.get("network") or f"203.{part}.{number}.77"
        for day in range(-15, 0):
            morning = begin // DAY * DAY + day * DAY + 8 * 3600 + number * 97 + day * 31
            if datetime.fromtimestamp(morning, timezone.utc).weekday() >= 5:
                continue
            office = day % 3 == 0 or number == 0
            where = f"198.51.{part}.10" if office else home
            client = ("Chrome extension", "Windows", "macOS")[(day + number) % 3] if index else "Web vault"

            def event(pair, seconds, **metadata):
                kind, action = pair.split(".")
                return {"type": kind, "action": action, "timestamp": morning + seconds, "organization_uuid": organization,
                        "user": {"uuid": who, "email": email}, "metadata": {"platform": client, "ip_address": where} | metadata, "initiator": ""}

            yield event("login.user_login_successful", 0, provider="microsoft")
            yield event("lock.master_validated", 20)
            for number_of, pair in enumerate(("item_access.item_secret_viewed", "item_access.item_copied")):
                yield event(pair, 900 * (number_of + 1), items=[name_uuid("item", email, str((day * 7 + number_of) % 9))])
            if not index and day % 4 == 1:
                yield event("groups.group_users_added", 3000, emails=[f"p03{tail}"], group_name="Project")


def samples():
    """(case, organization without the attack, [(delay, event)])."""
    for case in read():
        events = expand(case)
        quiet = name_uuid("quiet", case["id"])
        life = list(everyday(case, events))
        mine = [(case.get("delay", 30), event) for event in events]
        yield case, quiet, mine + [(30, event) for event in life] + [(30, event | {"organization_uuid": quiet}) for event in life]


class Cases:
    """The cases, loaded, and what the rules said on them."""

    def __init__(self, scheduler, descriptors):
        self.scheduler, self.cases = scheduler, descriptors
        self.alerts = {}

    def run(self, rules, step):
        events = [event for case in self.cases for event in expand(case)]
        begin = recording.at(min(event["timestamp"] for event in events)) - 2 * recording.DAY
        end = recording.at(max(event["timestamp"] for event in events)) + 3 * recording.DAY
        listed = [(case["events"][0]["organization_uuid"], case.get("lists", {})) for case in self.cases]
        self.scheduler.workspace.watchlists(attacks.watchlists(listed))
        entries = [entry for case in self.cases for entry in case.get("lists", {}).get("indicators", [])]
        attacks.indicators(self.scheduler.con, entries, begin)
        for rule in rules:
            if "Health" in rule.query or rule.name == "NordPassNoData":
                continue
            print(f"  {time.process_time():6.1f} s  {rule.name}", flush=True)
            for _, row in self.scheduler.over(rule, begin, end, step):
                for organization in {row.get("Organization")} | set(str(row.get("Organizations", "")).split(", ")):
                    self.alerts.setdefault(organization, []).append((rule.name, row))

    def judge(self, case):
        """Rules about the case that fired, all others that did, and those that fired in the same life without the attack."""
        about = coverage().get(case["id"], [])
        fired = {name for name, _ in self.alerts.get(case["events"][0]["organization_uuid"], [])}
        quiet = {name for name, _ in self.alerts.get(name_uuid("quiet", case["id"]), [])}
        return sorted(fired & set(about)), sorted(fired - set(about)), sorted(quiet)

    def report(self):
        lines, seen = [], 0
        for case in self.cases:
            mine, other, quiet = self.judge(case)
            seen += bool(mine)
            lines.append(f"{'seen  ' if mine else 'MISSED'} {case['id']:5} {case['title'][:70]:70} {', '.join(mine)} | {', '.join(other)}" + (f" | false: {quiet}" if quiet else ""))
        return "\n".join([f"{seen} of {len(self.cases)} cases seen", *lines])

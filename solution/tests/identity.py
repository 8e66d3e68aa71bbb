"""An entry of a watchlist means one person, however it is written: `python identity.py --work FOLDER` runs it alone.

Ann Müller had another address until yesterday, and her events tell both, sometimes without the UUID. Whoever entered her
earlier address, her UUID, or another spelling meant her, and nobody else: not her colleague whose name folds to the same.
"""

import argparse
import json
import shutil
import sys
import tempfile
import unicodedata
from datetime import datetime, timedelta, timezone
from pathlib import Path

import content
import scheduler
import schema
import tables

NOW = datetime(2026, 10, 20, 12, tzinfo=timezone.utc)
HOME, OTHER = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"
ANN, BEN, EVE, CARL = (f"22222222-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 4))
BEFORE, NOWADAYS = "ann.müller@example.com", "ann.huber@example.com"
# Two whose addresses fold to the same: an entry means the one that it spells.
TWIN, SAME = "jö@example.com", "jä@example.com"
ITEM = "33333333-0000-4000-8000-000000000001"

# What an administrator might have entered, by its kind.
ENTRIES = {
    "the current address": NOWADAYS,
    "a former address": BEFORE,
    "the UUID": ANN,
    "the UUID in capitals": ANN.upper(),
    "another case": "Ann.Huber@Example.COM",
    "another case outside ASCII": "ANN.MÜLLER@example.com",
    "white space around it": "\t ann.huber@example.com \n",
    "a space that a table's cell adds": "\u00a0ann.huber@example.com\u200b",
    "another composition": unicodedata.normalize("NFD", BEFORE),
}
NOBODY = {
    "somebody else": "ben@example.com",
    "the same name at another domain": "ann.huber@example.org",
    "another organization": NOWADAYS,
    "nothing": " ",
}


def event(hours, kind, mail, uuid, organization=HOME, **metadata):
    """A row of the official table, so many hours before now."""
    time = NOW - timedelta(hours=hours)
    name, action = kind.split(".")
    return {"TimeGenerated": time.isoformat(), "timestamp": int(time.timestamp()), "event_type": name, "action": action, "event_id": f"{mail}{hours}{kind}",
            "event_time": time.isoformat(), "organization_uuid": organization, "user_uuid": uuid, "user_email": mail, "initiator": "", "metadata": metadata}


def rows():
    """What happened."""
    yield event(60, "login.user_login_successful", BEFORE, ANN, ip_address="203.0.113.1")
    yield event(20, "login.user_login_successful", NOWADAYS, ANN, ip_address="203.0.113.1")
    # Told late by a part of the API that knows the old address alone.
    yield event(19, "item_access.item_viewed", BEFORE, "", items=[ITEM])
    yield event(18, "lock.master_validated", NOWADAYS, ANN, OTHER)
    for hours, mail, uuid in ((30, TWIN, BEN), (29, SAME, EVE), (28, "ben@example.com", "22222222-0000-4000-8000-000000000009")):
        yield event(hours, "login.user_login_successful", mail, uuid)
    yield event(6, "login.user_login_successful", "carl@example.com", CARL, ip_address="2001:db8::1")
    yield event(5, "login.user_login_successful", "carl@example.com", CARL, ip_address="203.0.113.77")
    yield event(0.5, "item_access.item_secret_viewed", BEFORE, "", items=[ITEM])
    yield event(0.4, "global_settings.mfa_reset", "ben@example.com", "22222222-0000-4000-8000-000000000009", emails=[BEFORE])


class Entries:
    """A workspace of these rows, in which an administrator enters one person at a time."""

    def __init__(self, work):
        folder = Path(work) / "rows"
        folder.mkdir()
        (folder / f"{schema.EVENT_LOG}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows()))
        self.workspace = tables.Workspace(work)
        self.workspace.live()
        self.scheduler = scheduler.Scheduler(self.workspace)
        self.scheduler.keep()
        self.rules = {rule.name: rule for rule in content.rules()}
        self.planning = next(parser for parser in content.parsers() if parser.name == "NordPassPlanned")

    def people(self, alias, who, asked, organization="", **more):
        """Whom a rule or a function is about when this entry stands in a watchlist."""
        named = content.watchlists()[alias][0]["itemsSearchKey"]
        listed = {alias: [{named: who, "Organization": organization} | more]}
        if alias == "NordPassPrivilegedUsers":
            listed = {alias: [{named: who, "Until": NOW.isoformat()} | more], "NordPassSensitiveItems": [{"ItemId": ITEM, "Label": "the safe"}]}
        self.workspace.watchlists(listed)
        rows = self.scheduler.run(asked, NOW.replace(tzinfo=None), period=timedelta(days=14))
        return {(row["Organization"], row["Target" if "Target" in row else "Actor"]) for row in rows}

    def planned(self, who, organization=HOME):
        return self.people("NordPassMaintenance", who, self.planning, organization, Kind="rotation",
                           From=(NOW - timedelta(days=2)).isoformat(), Until=NOW.isoformat())

    def elsewhere(self):
        """From where somebody logged in who signed in to Entra ID from one address, which it spells in full."""
        self.workspace.con.execute("INSERT INTO SigninLogs (TimeGenerated, UserPrincipalName, IPAddress, ResultType) VALUES (?, 'Carl@example.com', '2001:DB8:0:0::0001', '0')",
                                   [NOW.replace(tzinfo=None)])
        query = next(query for query in content.hunting_queries() if query.name == "NordPassNotInEntra")
        return {row["SrcIpAddr"] for row in self.scheduler.run(query, NOW.replace(tzinfo=None), period=timedelta(days=14))}

    def rule(self, name, alias, who, organization=HOME, **more):
        return self.people(alias, who, self.rules[name], organization, **more)


def check(work):
    """The problems, in words."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(Path(work) / "columns.json", folder)
        return entered(Entries(folder))


def entered(entries):
    problems = []

    def expect(what, found, wanted):
        if found != wanted:
            problems.append(f"an entry by {what}: {sorted(found)} instead of {sorted(wanted)}")

    ann = {(HOME, NOWADAYS)}
    lists = {
        "planned": lambda who, organization=HOME: entries.planned(who, organization),
        "break-glass, used": lambda who, organization=HOME: entries.rule("NordPassBreakGlassUsed", "NordPassBreakGlassAccounts", who, organization),
        "break-glass, changed": lambda who, organization=HOME: entries.rule("NordPassBreakGlassTargeted", "NordPassBreakGlassAccounts", who, organization),
    }
    for name, listed in lists.items():
        for kind, who in ENTRIES.items():
            expect(f"{kind} ({name})", listed(who), ann)
        for kind, who in NOBODY.items():
            found = listed(who, "11111111-0000-4000-8000-00000000000f" if kind == "another organization" else HOME)
            expect(f"{kind} ({name})", found & {(HOME, NOWADAYS), (OTHER, NOWADAYS)}, set())
    for kind, who in ENTRIES.items():
        expect(f"{kind} (privileged)", entries.rule("NordPassSensitiveItemRevealed", "NordPassPrivilegedUsers", who), set())
    expect("somebody else (privileged)", entries.rule("NordPassSensitiveItemRevealed", "NordPassPrivilegedUsers", "ben@example.com"), ann)
    expect("somebody whose entry has ended (privileged)", entries.rule("NordPassSensitiveItemRevealed", "NordPassPrivilegedUsers", NOWADAYS, Until="2020-01-01T00:00:00Z"), ann)
    expect("somebody without an end (privileged)", entries.rule("NordPassSensitiveItemRevealed", "NordPassPrivilegedUsers", NOWADAYS, Until=""), ann)
    expect("an address without an organization", entries.planned(NOWADAYS, ""), ann | {(OTHER, NOWADAYS)})
    if entries.elsewhere() != {"203.0.113.77"}:
        problems.append(f"NordPassNotInEntra: another spelling of IPv6 is another address: {entries.elsewhere()}")
    for who in (TWIN, SAME):
        expect("one of two names that fold to the same", entries.planned(who), {(HOME, who)})
    expect("a composition that two names have", entries.planned(unicodedata.normalize("NFD", TWIN)), set())
    return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    found = check(parser.parse_args().work)
    print("\n".join(found) or "each entry means its person")
    sys.exit(bool(found))

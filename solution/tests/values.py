"""The workbook reads addresses and people by value, as the rules do: `python values.py --work FOLDER` runs it alone.

NordPass doesn't say under which key an address or a person stands, nor how it writes IPv6. And a person is one, by UUID, by a former
address, in any case and composition.
"""

import argparse
import json
import shutil
import sys
import tempfile
import unicodedata
from datetime import timedelta
from pathlib import Path

import identity
import schema
import tables
import workbook

SIX, FOUR = "2001:db8:0:0:0:0:0:1", "203.0.113.9"
# Shapes of an address: each address has to be one row, whatever its spelling.
SHAPES = {
    SIX: [{"ip_address": "2001:db8::1"}, {"client_ip": "2001:DB8:0:0::1"}, {"location": {"ip": "[2001:db8::0001]:443"}}, {"ip": "2001:0db8:0:0:0:0:0:1"}],
    FOUR: [{"ip_address": FOUR}, {"ip_address": f"{FOUR}, 10.0.0.1"}, {"remote_address": f"{FOUR}:5521"}, {"ip_addresses": [f"::ffff:{FOUR}"]}],
    "unknown": [{"ip_address": "unknown"}],
}
# Ways to name Ann, and nobody else: they are one row.
ANN = [(identity.NOWADAYS, identity.ANN), (identity.BEFORE, identity.ANN), ("", identity.ANN), (identity.BEFORE, ""), ("ANN.MÜLLER@example.com", ""),
       (unicodedata.normalize("NFD", identity.BEFORE), ""), ("Ann.Huber@Example.COM", ""), ("", identity.ANN.upper())]
NAMED = [{"emails": ["eve@example.org"]}, {"user_email": "eve@example.org"}, {"member": {"email": "Eve@example.org"}}, {"target": "eve@example.org"}]


def rows():
    shapes = [shape for shapes in SHAPES.values() for shape in shapes]
    for number, shape in enumerate(shapes):
        # A time of the day isn't an address.
        yield identity.event(1 + number / 100, "login.user_login_failed", "ben@example.com", identity.BEN, clock="12:30:45", **shape)
    for number, shape in enumerate(NAMED):
        yield identity.event(2 + number / 100, "global_settings.mfa_reset", "ben@example.com", identity.BEN, **shape)
        yield identity.event(3 + number / 100, "item_share.items_shared", "ben@example.com", identity.BEN, **shape)
    yield identity.event(22, "login.user_login_successful", identity.BEFORE, identity.ANN)
    yield identity.event(21, "login.user_login_successful", identity.NOWADAYS, identity.ANN)
    for number, (mail, uuid) in enumerate(ANN):
        yield identity.event(4 + number / 100, "lock.master_failed", mail, uuid)
    for number, told in enumerate([identity.BEFORE, identity.ANN, identity.ANN.upper()]):
        yield identity.event(5 + number / 100, "access.user_status_updated", "ben@example.com", identity.BEN, about=told, status="suspended")
    # An item's UUID is nobody.
    yield identity.event(5.5, "access.user_email_updated", "ben@example.com", identity.BEN, about=identity.ITEM)


def check(work):
    """The problems, in words."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(Path(work) / "columns.json", folder)
        (Path(folder) / "rows").mkdir()
        (Path(folder) / "rows" / f"{schema.EVENT_LOG}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows()))
        workspace, book = tables.Workspace(folder), workbook.load()
        now = identity.NOW.replace(tzinfo=None)
        picks = {"TimeRange": (now - timedelta(days=1), now, "1h"), "Tables": "official", "Organization": None, "User": None, "Platform": None}
        found = {}
        for tile in book.tiles:
            if tile.title in ("Failures by address", "Failures by person", "People whose access was changed", "Domains outside"):
                columns, answers = workbook.run(workspace, workbook.fill(book, tile.query, picks), now)
                found[tile.title] = [dict(zip(columns, answer)) for answer in answers]
    problems = []

    def expect(what, told, wanted):
        if told != wanted:
            problems.append(f"the workbook, {what}: {told} instead of {wanted}")

    expect("failures by address", {row["Address"]: row["Failed"] for row in found["Failures by address"]}, {address: len(shapes) for address, shapes in SHAPES.items()})
    expect("failures by person", {row["User"]: row["Failed"] for row in found["Failures by person"]},
           {"ben@example.com": sum(map(len, SHAPES.values())), identity.NOWADAYS: len(ANN)})
    expect("whose access was changed", [row["Whom"] or "" for row in found["People whose access was changed"]], ["eve@example.org"] * len(NAMED) + [identity.NOWADAYS] * 3 + [""])
    expect("domains outside", [(row["Domain"], row["Shares"]) for row in found["Domains outside"]], [("example.org", len(NAMED))])
    return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    found = check(parser.parse_args().work)
    print("\n".join(found) or "each shape is read")
    sys.exit(bool(found))

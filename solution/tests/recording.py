"""The frozen samples as rows: generated, sent through the real program, and loaded with the times at which they arrive.

The program's `event_log` transform writes the rows; the parity test holds that the ASIM tables show the same events. When
a row arrives is in the sample, not in the row: each row is matched with its event by all that both have.
"""

import hashlib
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import content
import schema

sys.path.insert(0, str(content.SOLUTION / "samples"))

from generator import addresses, attacks, clock, freeze, months  # noqa: E402
from generator.event import encode  # noqa: E402

ANCHOR = int(datetime(2026, 9, 1, tzinfo=timezone.utc).timestamp())
# Azure keeps the time of an event that is told within two days, and replaces it by the time of arrival from then on.
KEPT = 2 * 86_400

PIPELINE = """data_dir = {state}
[sources.recordings]
type = "file"
paths = [{events}]
[transforms.event_log]
type = "event_log"
inputs = ["recordings"]
[sinks.rows]
type = "file"
inputs = ["event_log"]
path = {rows}
"""


def attack_samples(seed, only=None):
    """Yields descriptor and [(delay, event)] of each attack and twin."""
    for known, kind, behaviour, sample in attacks.samples(seed, ANCHOR, only):
        yield attacks.describe(known, kind, behaviour, sample), [(delay, event) for _, delay, event in sample.events]


def month(tenant, seed):
    """The descriptor and [(delay, event)] of a benign month."""
    made = months.Month(tenant, seed, ANCHOR)
    events = list(made.stream())
    return made.describe(), events


def key(kind, action, timestamp, organization, uuid, email, initiator, metadata):
    """What an event and its row have in common."""
    return "|".join([kind, action, str(timestamp), organization, uuid, email, initiator or "", json.dumps(metadata, sort_keys=True)])


class Recording:
    """Writes events, has the program make rows of them, and gives each row its arrival."""

    def __init__(self, work, program):
        self.work, self.program = Path(work), program
        (self.work / "rows").mkdir(parents=True, exist_ok=True)
        (self.work / "seen.stamp").unlink(missing_ok=True)
        self.path = self.work / "samples.ndjson"
        self.arrivals = {}
        self.file = self.path.open("w", encoding="utf-8")
        self.count = 0

    def add(self, events):
        """Adds events with their delays."""
        for delay, event in events:
            self.count += 1
            self.file.write(encode(event) + "\n")
            # An MSP's staff replaces the user in the row.
            msp = event["metadata"].get("msp") or {}
            user = (msp.get("user_uuid", ""), msp.get("user_email", "")) if msp else (event["user"]["uuid"], event["user"]["email"])
            name = key(event["type"], event["action"], event["timestamp"], event["organization_uuid"], *user, event["initiator"], event["metadata"])
            self.arrivals.setdefault(name, []).append(event["timestamp"] + delay)

    def rows(self):
        """Runs the program, and sets the rows' times of arrival."""
        self.file.close()
        table = self.work / "rows" / f"{schema.EVENT_LOG}.ndjson"
        raw = self.work / "raw.ndjson"
        raw.unlink(missing_ok=True)
        pipeline = self.work / "pipeline.toml"
        pipeline.write_text(PIPELINE.format(state=json.dumps(str(self.work / "state")), events=json.dumps(str(self.path)), rows=json.dumps(str(raw))))
        subprocess.run([self.program, "run", "--once", "--timeout", "600s", str(pipeline)], check=True, stderr=subprocess.DEVNULL)
        written = 0
        with raw.open(encoding="utf-8") as source, table.open("w", encoding="utf-8") as target:
            for line in source:
                row = json.loads(line)
                metadata = {name: value for name, value in row["metadata"].items() if name != "connector"}
                name = key(row["event_type"], row["action"], row["timestamp"], row["organization_uuid"], row.get("user_uuid", ""),
                           row.get("user_email", ""), row.get("initiator", ""), metadata)
                arrival = self.arrivals[name].pop()
                row["_Arrival"] = datetime.fromtimestamp(arrival, timezone.utc).isoformat().replace("+00:00", "Z")
                if arrival - row["timestamp"] > KEPT:
                    row["TimeGenerated"] = row["_Arrival"]
                target.write(json.dumps(row) + "\n")
                written += 1
        if written != self.count:
            raise RuntimeError(f"{self.count} events became {written} rows")


def frozen():
    """What of the frozen inputs isn't what was frozen: the generator's sources, and another author's cases."""
    known, sources = json.loads(freeze.MANIFEST.read_text())["sources"], freeze.source_hashes()
    problems = [f"solution/samples/generator/{name} isn't what was frozen" for name in sorted(known.keys() | sources.keys()) if known.get(name) != sources.get(name)]
    for line in (content.SOLUTION / "samples/cases/SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        if hashlib.sha256((content.SOLUTION / "samples/cases" / name).read_bytes()).hexdigest() != digest:
            problems.append(f"solution/samples/cases/{name} isn't what was frozen")
    return problems


def at(seconds):
    """A time as the executor takes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def geo():
    """The table of countries, as rows of the watchlist."""
    lines = addresses.geo_table().splitlines()
    return [dict(zip(("Network", "Country", "City", "Latitude", "Longitude"), line.split(","))) for line in lines[1:]]


DAY = timedelta(seconds=clock.DAY)

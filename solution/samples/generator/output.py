"""Writing and hashing of what the generators give."""

import hashlib
import json
from pathlib import Path

from . import addresses
from .attacks import describe, samples
from .event import encode
from .months import Month


def attack_files(seed, anchor, only=None):
    """Yield (name, bytes) for each file of the attacks: events, arrivals and descriptor of each sample, geo table."""
    yield "geo.csv", addresses.geo_table().encode()
    for known, kind, behaviour, sample in samples(seed, anchor, only):
        folder = f"{known.id}/{sample.id}"
        descriptor = describe(known, kind, behaviour, sample)
        yield f"{folder}/events.ndjson", "".join(encode(made) + "\n" for _, _, made in sample.events).encode()
        yield f"{folder}/arrivals.txt", "".join(f"{delay}\n" for _, delay, _ in sample.events).encode()
        yield f"{folder}/sample.json", (json.dumps(descriptor, indent=1, ensure_ascii=False) + "\n").encode()


def attack_hashes(seed, anchor, only=None):
    """One hash for each attack, over its files with their names; and the number of samples and events."""
    digests = {}
    counts = {"attack": 0, "twin": 0, "events": 0}
    for name, content in attack_files(seed, anchor, only):
        digest = digests.setdefault(name.split("/")[0], hashlib.sha256())
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
        if name.endswith("sample.json"):
            counts[json.loads(content)["kind"]] += 1
        elif name.endswith("events.ndjson"):
            counts["events"] += content.count(b"\n")
    return {name: digest.hexdigest() for name, digest in sorted(digests.items())}, counts


def write_attacks(folder, seed, anchor, only=None):
    """Write the attacks' files below `folder`."""
    for name, content in attack_files(seed, anchor, only):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def descriptor(month):
    """The bytes of month.json."""
    return (json.dumps(month.describe(), indent=1, ensure_ascii=False) + "\n").encode()


def write_month(folder, month):
    """Write a month's three files and the geo table below `folder`, without holding its events in memory."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "geo.csv").write_text(addresses.geo_table())
    (folder / "month.json").write_bytes(descriptor(month))
    with open(folder / "events.ndjson", "w", encoding="utf-8", newline="\n") as events, open(folder / "arrivals.txt", "w", newline="\n") as arrivals:
        for delay, event in month.stream():
            events.write(encode(event))
            events.write("\n")
            arrivals.write(f"{delay}\n")


def month_hash(size, seed, anchor):
    """The hashes of a month's files, and how many events it has."""
    month = Month(size, seed, anchor)
    events, arrivals, count = hashlib.sha256(), hashlib.sha256(), 0
    for delay, event in month.stream():
        events.update(encode(event).encode() + b"\n")
        arrivals.update(b"%d\n" % delay)
        count += 1
    return {
        "style": month.style.name, "events": count, "events.ndjson": events.hexdigest(),
        "arrivals.txt": arrivals.hexdigest(), "month.json": hashlib.sha256(descriptor(month)).hexdigest(),
    }

"""Writing and hashing of what the generators give."""

import hashlib
import json
from pathlib import Path

from . import addresses, clock
from .attacks import describe, samples
from .event import encode


def attack_files(seed, anchor, only=None):
    """Yield (name, bytes) for each file of the attacks: events, arrivals and descriptor of each sample, geo table."""
    yield "geo.csv", addresses.geo_table().encode()
    for known, kind, behaviour, sample in samples(seed, anchor, only):
        folder = f"{known.id}/{sample.id}"
        descriptor = describe(known, kind, behaviour, sample)
        yield f"{folder}/events.ndjson", "".join(encode(made) + "\n" for _, _, made in sample.events).encode()
        yield f"{folder}/arrivals.txt", "".join(f"{delay}\n" for _, delay, _ in sample.events).encode()
        yield f"{folder}/sample.json", (json.dumps(descriptor, indent=1, ensure_ascii=False) + "\n").encode()


def attack_hashes(seed, anchor):
    """One hash for each attack, over its files with their names; and the number of samples and events."""
    digests = {}
    counts = {"attack": 0, "twin": 0, "events": 0}
    for name, content in attack_files(seed, anchor):
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


def anchor_seconds(date):
    """The anchor's midnight."""
    return clock.midnight(date)

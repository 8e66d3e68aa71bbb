"""The frozen manifest: hashes of the generator's sources and of what it gives for the default seeds."""

import hashlib
import json
from pathlib import Path

from . import clock, output
from .months import TENANTS

HERE = Path(__file__).resolve().parent
MANIFEST = HERE.parent / "manifest.json"
SEEDS = (1, 2, 3)


def source_hashes():
    """The hash of each source file, by its path below `generator`."""
    return {
        path.relative_to(HERE).as_posix(): hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for path in sorted(HERE.rglob("*.py"))
    }


def attacks(seed):
    """The manifest's entry for the attacks of a seed."""
    hashes, counts = output.attack_hashes(seed, clock.midnight(clock.DEFAULT_ANCHOR))
    total = hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in hashes.items()).encode()).hexdigest()
    # By attack for the first seed alone, to see which one differs without a manifest too long to read.
    return {**counts, "sha256": total, **({"by_attack": hashes} if seed == SEEDS[0] else {})}


def month(size, seed):
    """The manifest's entry for a month."""
    return output.month_hash(size, seed, clock.midnight(clock.DEFAULT_ANCHOR))


def make(say):
    """The whole manifest, anew."""
    made = {"anchor": clock.DEFAULT_ANCHOR, "seeds": list(SEEDS), "sources": source_hashes(), "attacks": {}, "months": {}}
    for name, part, build in _parts(quick=False):
        say(name)
        made[part][name.partition(" ")[2]] = build()
    return made


def differences(say, quick=False):
    """What differs from the manifest, as texts. `quick` leaves the large tenant out."""
    frozen = json.loads(MANIFEST.read_text())
    found = []
    sources = source_hashes()
    for path in sorted(sources.keys() | frozen["sources"].keys()):
        if sources.get(path) != frozen["sources"].get(path):
            found.append(f"source {path}")
    for name, part, build in _parts(quick):
        say(name)
        if frozen[part].get(name.partition(" ")[2]) != json.loads(json.dumps(build())):
            found.append(name)
    return found


def _parts(quick):
    for seed in SEEDS:
        yield f"attacks seed-{seed}", "attacks", lambda seed=seed: attacks(seed)
    for size in TENANTS:
        for seed in SEEDS:
            if not (quick and size == "large"):
                yield f"month {size}.seed-{seed}", "months", lambda size=size, seed=seed: month(size, seed)


def write(say):
    """Make the manifest and write it. Only for a new freeze, which has to be told in the README."""
    MANIFEST.write_text(json.dumps(make(say), indent=1) + "\n")

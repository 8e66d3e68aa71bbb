"""What the rules said on the frozen samples, as `samples.py --record` measured it; `report.py` makes the tables of it.

`results.json` has numbers and names alone. Beside each measurement stand the digests of the queries that were run, so that a table
can say which of its numbers are older than the rule.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import content

PATH = Path(__file__).with_name("results.json")


def read():
    return json.loads(PATH.read_text(encoding="utf-8"))


def write(found):
    PATH.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digests(rules):
    """Of each rule's query and severity, and of the functions that all use."""
    functions = "".join(parser.query for parser in content.parsers() if "FunctionParams" not in parser.data)
    return {rule.name: hashlib.sha256((rule.query + rule.data["severity"] + functions).encode()).hexdigest()[:8] for rule in rules}


def merged(part, name, rules, entry):
    """Records an entry that is about these rules, and keeps what was measured of the others."""
    found = read()
    old = found[part].get(name, {})
    for key, value in entry.items():
        if isinstance(value, dict):
            entry[key] = {rule: kept for rule, kept in old.get(key, {}).items() if rule not in digests(rules)} | value
    found[part][name] = old | entry
    write(found)


def record_month(month, rules):
    """The alerts of a month, by rule and severity."""
    alerts = {}
    for rule, _, row, verdict in month.judged():
        severity = row.get("Severity") or rule.data["severity"]
        alerts.setdefault(rule.name, Counter())[f"{verdict} {severity}"] += 1
    entry = {"rules": digests(rules), "alerts": {rule: dict(sorted(count.items())) for rule, count in alerts.items()}, "style": month.month["style"]}
    merged("months", f"{month.month['tenant']} {month.month['seed']}", rules, entry)


def record_attacks(found, seed, rules, style=None):
    """Of each attack: variants seen, variants named whole, and all, by what their events tell; the missed ones; by rule."""
    entry = {"attacks": {}, "by rule": {}, "confirmed": {}}
    for sample in found.samples:
        verdict, _ = found.judge(sample)
        group = "twin" if sample["kind"] == "twin" else sample["expected"]["observable"]
        mine = entry["attacks"].setdefault(sample["attack"], {"missed": []})
        counts = mine.setdefault(group, [0, 0, 0])
        counts[0] += verdict in ("seen", "part", "false")
        counts[1] += verdict == "seen"
        counts[2] += 1
        if verdict == "missed" and group == "full":
            mine["missed"].append(sample["id"])
        fired = [(name, row) for name, row in found.told(sample)]
        if group in ("full", "look"):
            for name in {name for name, _ in fired}:
                entry["by rule"][name] = entry["by rule"].get(name, 0) + 1
        if sample["style"] == "confirmed" and sample["kind"] != "twin":
            entry["confirmed"][sample["attack"]] = confirmed(sample, fired)
    kept = read()
    if style == "confirmed":
        kept["attacks"][str(seed)]["confirmed"] = entry["confirmed"]
    elif style is None:
        kept["attacks"][str(seed)] = {"rules": digests(rules)} | entry
    write(kept)


def confirmed(sample, fired):
    """What comes of an attack of which only confirmed metadata is told."""
    if any(not looks(name, row) for name, row in fired):
        return "fires"
    return "looks" if fired else "silent" if sample["expected"]["observable"] != "blind" else "blind"


def looks(name, row):
    return name == "NordPassUnreadableChange" or str(row.get("Verdict", "")).startswith("changed")

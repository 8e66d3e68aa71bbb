"""What the rules said on the frozen samples, as `samples.py --record` measured it; `report.py` makes the tables of it.

`results.json` has numbers and names alone. Beside each measurement stand the digests of the queries that were run, so that a table
can say which of its numbers are older than the rule.
"""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import attacks
import cases
import content

PATH = Path(__file__).with_name("results.json")


def read():
    return json.loads(PATH.read_text(encoding="utf-8"))


def write(found):
    PATH.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digests(rules):
    """Of each rule's query and severity, and of the functions that it reaches."""
    parsers = {parser.name: parser.query for parser in content.parsers()}

    def reached(text, names):
        for name in sorted(parsers.keys() - names):
            if re.search(rf"\b{name}\b", text):
                names |= {name} | reached(parsers[name], names | {name})
        return names

    return {rule.name: digest(rule.query, rule.data["severity"], *(parsers[name] for name in sorted(reached(rule.query, set())))) for rule in rules}


def digest(*texts):
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:8]


def merged(part, name, rules, entry):
    """Records an entry that is about these rules, and keeps what was measured of the others."""
    found = read()
    old = found.setdefault(part, {}).get(name, {})
    for key, value in entry.items():
        if isinstance(value, dict):
            entry[key] = {rule: kept for rule, kept in old.get(key, {}).items() if rule not in digests(rules)} | value
    found[part][name] = old | entry
    write(found)


def record_month(month, rules, hours=None):
    """The alerts of a month, by rule and severity: of one run over all the time, or, apart from it, of a run each so many hours."""
    alerts = {}
    for rule, _, row, verdict in month.judged():
        severity = row.get("Severity") or rule.data["severity"]
        alerts.setdefault(rule.name, Counter())[f"{verdict} {severity}"] += 1
    entry = {"rules": digests(rules), "alerts": {rule: dict(sorted(count.items())) for rule, count in alerts.items()}, "style": month.month["style"]}
    if hours:
        entry["hours"] = hours
    merged("runs" if hours else "months", f"{month.month['tenant']} {month.month['seed']}", rules, entry)


def record_attacks(found, seed, rules, style=None):
    """Of each attack: variants seen, variants named whole, and all, by what their events tell; the missed ones; by rule."""
    entry = {"attacks": {}, "by rule": {}, "confirmed": {}}
    severities = {rule.name: rule.data["severity"] for rule in rules}
    for sample in found.samples:
        verdict, _ = found.judge(sample)
        group = "twin" if sample["kind"] == "twin" else sample["expected"]["observable"]
        mine = entry["attacks"].setdefault(sample["attack"], {"missed": []})
        counts = mine.setdefault(group, [0, 0, 0])
        counts[0] += verdict in ("seen", "part", "false")
        counts[1] += verdict == "seen"
        counts[2] += 1
        if group == "full" and (above := found.severity(sample, severities)) is not None:
            graded = mine.setdefault("severity", {"as wanted": 0, "higher": 0, "lower": 0})
            graded["as wanted" if above == 0 else "higher" if above > 0 else "lower"] += 1
        if verdict == "missed" and group == "full":
            mine["missed"].append(sample["id"])
        fired = [(name, row) for name, row in found.told(sample)]
        if group in ("full", "look"):
            for name in {name for name, _ in fired}:
                entry["by rule"][name] = entry["by rule"].get(name, 0) + 1
        if sample["style"] == "confirmed" and sample["kind"] != "twin":
            entry["confirmed"][sample["attack"]] = confirmed(sample, fired)
    kept, seed = read(), str(seed)
    if style == "confirmed":
        kept["attacks"][seed]["confirmed"] = entry["confirmed"]
    elif style is None:
        kept["attacks"][seed] = {"rules": digests(rules)} | entry if len(rules) == len(content.rules()) else part(kept["attacks"][seed], entry, rules)
    write(kept)


def part(old, entry, rules):
    """What was measured, with the attacks anew that these rules alone are about."""
    names = {rule.name for rule in rules}
    anew = {attack for attack, about in attacks.COVERAGE.items() if set(about) <= names}
    for key in ("attacks", "confirmed"):
        old[key] |= {attack: value for attack, value in entry[key].items() if attack in anew}
    old["by rule"] = {rule: count for rule, count in old["by rule"].items() if rule not in names} | entry["by rule"]
    whole = [rule for rule in rules if all(attack in anew for attack, about in attacks.COVERAGE.items() if rule.name in about)]
    old["rules"] |= digests(whole)
    return old


def confirmed(sample, fired):
    """What comes of an attack of which only confirmed metadata is told."""
    if any(not looks(name, row) for name, row in fired):
        return "fires"
    return "looks" if fired else "silent" if sample["expected"]["observable"] != "blind" else "blind"


def looks(name, row):
    return name == "NordPassUnreadableChange" or str(row.get("Verdict", "")).startswith("changed")


def record_cases(found, rules):
    """Of each case: the rules about it that fired, and what was false in the same life without the attack."""
    entry = {"rules": digests(rules), "seen": {}, "false": {}}
    for case in found.cases:
        mine, _, quiet = found.judge(case)
        entry["seen"][case["id"]] = mine
        if quiet:
            entry["false"][case["id"]] = quiet
    kept = read()
    if len(rules) < len(content.rules()):
        # Those that these rules alone are about, and what else was measured.
        names, old = {rule.name for rule in rules}, kept["cases"]
        anew = {name: mine for name, mine in entry["seen"].items() if set(cases.coverage()[name]) <= names}
        entry = {"rules": old["rules"] | entry["rules"], "seen": old["seen"] | anew, "false": old["false"] | entry["false"]}
    write(kept | {"cases": entry})


def record_mutants(rule, killed, equivalent, living):
    """How many mutants of a rule the samples notice."""
    kept = read()
    kept.setdefault("mutants", {})[rule.name] = {"rule": digests([rule])[rule.name], "killed": killed, "equivalent": equivalent, "living": living}
    write(kept)


def record_scale(rows, costs):
    """Seconds of processor time that a run of each rule takes over so many rows."""
    by_name = {rule.name: digests([rule])[rule.name] for rule in content.rules() if rule.name in costs}
    write(read() | {"scale": {"rows": rows, "seconds": costs, "rules": by_name}})

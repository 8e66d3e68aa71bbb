"""The tables of `solution/README.md`: what each rule said on its scenario, on the frozen attacks and in the months.

Only the scenario and our own month run with each check. The rest is in `results.json`, measured by `samples.py --record`; a † is at
numbers that are older than the rule's query.
"""

import json

import attacks
import cases
import content
import results
import scenarios
import tables

TENANTS = ("small", "medium", "large")
GROUPS = ("full", "look", "blind", "twin")


def markdown(head, rows):
    """A table whose columns from `---` on are numbers."""
    lines = ["| " + " | ".join(name.rstrip(":") for name in head) + " |", "|" + "|".join("--:" if name.endswith(":") else "---" for name in head) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def share(counts, group):
    """`seen/all`, and in brackets those named whole if they are fewer."""
    if not counts:
        return ""
    seen, whole, every = counts
    return f"{seen}/{every}" + (f" ({whole})" if group != "twin" and whole != seen else "")


def attack_table(found):
    seeds = [found["attacks"][seed] for seed in ("1", "2", "3") if seed in found["attacks"]]
    rows, totals = [], {}
    for attack in attacks.COVERAGE:
        told = []
        for number, seed in enumerate(seeds):
            counts = seed["attacks"].get(attack, {})
            for group in GROUPS:
                totals[number, group] = [a + b for a, b in zip(totals.get((number, group), [0, 0, 0]), counts.get(group, [0, 0, 0]))]
            told.append([share(counts.get(group), group) for group in GROUPS])
        stale = any(old(seeds[0]["rules"], name) for name in attacks.COVERAGE[attack])
        rows.append([f"`{attack}`" + ("†" if stale else ""), *columns(told), graded([seed["attacks"].get(attack, {}) for seed in seeds]), found["before"].get(attack, "")])
    told = [[share(totals[number, group], group) for group in GROUPS] for number in range(len(seeds))]
    rows.append(["**all**", *columns(told), graded([counts for seed in seeds for counts in seed["attacks"].values()]), found["before"].get("all", "")])
    head = ["attack", *(f"told, seed {number + 1}:" for number in range(len(seeds))), "to look at:", "can't be told:", "twins taken for it:", "severity as wanted:", "told before:"]
    return markdown(head, rows)


def columns(told):
    """Of the groups by seed: what the events tell by seed, and the rest of the first seed."""
    return [groups[0] for groups in told] + told[0][1:]


def graded(counts):
    """In how many alerts of variants the severity is the wanted one; and in how many it is higher or lower."""
    grades = [count["severity"] for count in counts if "severity" in count]
    total = {kind: sum(grade[kind] for grade in grades) for kind in ("as wanted", "higher", "lower")}
    if not sum(total.values()):
        return ""
    apart = ", ".join(f"{total[kind]} {kind}" for kind in ("higher", "lower") if total[kind])
    return f"{total['as wanted']}/{sum(total.values())}" + (f" ({apart})" if apart else "")


def case_table(found):
    """The attacks of another author."""
    measured = found.get("cases")
    if not measured:
        return "Not measured yet.\n"
    about, titles = cases.coverage(), {rule.name: rule.data["name"] for rule in content.rules()}
    rows = []
    for case in cases.read():
        fired = measured["seen"][case["id"]]
        stale = any(old(measured["rules"], name) for name in about[case["id"]])
        rows.append([case["id"] + ("†" if stale else ""), case["title"].replace("|", ","), ", ".join(titles[name].removeprefix("NordPass ") for name in fired) or "**missed**"])
    seen, false = sum(bool(fired) for fired in measured["seen"].values()), sum(map(len, measured["false"].values()))
    rows.append(["**all**", f"{seen} of {len(rows)} seen; {false} false alerts in the same lives without the attacks", ""])
    return markdown(["case", "what happens", "told by"], rows)


def technique_table():
    """What the rules are about, in ATT&CK's words of two versions."""
    known, rows = json.loads((content.SOLUTION / "tests/attack.json").read_text())["techniques"], []
    for technique, entry in known.items():
        names = [rule.data["name"].removeprefix("NordPass ") for rule in content.rules() if technique in rule.data["relevantTechniques"]]
        later = entry.get("v19", {"id": technique, "tactics": entry["tactics"]})
        if names:
            rows.append([technique, entry["name"], ", ".join(entry["tactics"]), ("" if later["id"] == technique else f"{later['id']}: ") + ", ".join(later["tactics"]), len(names), "; ".join(names)])
    return markdown(["technique", "name", "tactics in 18.1, as Sentinel has them", "in 19", "rules:", "which"], rows)


def mutant_cell(found, name):
    """`killed/all`, and in brackets those that mean the same."""
    counts = found.get("mutants", {}).get(name)
    if not counts:
        return ""
    every = counts["killed"] + counts["equivalent"] + counts["living"]
    return f"{counts['killed']}/{every}" + (f" ({counts['equivalent']})" if counts["equivalent"] else "") + ("†" if counts["rule"] != DIGESTS[name] else "")


def old(measured, name):
    """Whether a rule has changed since it was measured, or never was."""
    return measured.get(name) != DIGESTS[name]


def false_alerts(month, name=None):
    """False and High ones, of a rule or of all."""
    alerts = [count for rule, count in month["alerts"].items() if name in (None, rule)]
    total = sum(number for count in alerts for key, number in count.items() if key.startswith("false"))
    high = sum(count.get("false High", 0) for count in alerts)
    return total, high


def false_cell(month):
    """All false alerts of a month and, in brackets, the High ones."""
    total, high = false_alerts(month)
    return f"{total} ({high})" + ("†" if any(old(month["rules"], rule.name) for rule in content.rules()) else "")


def each_run(found, key):
    """The same of a run each day; of another time between two runs it says which."""
    month = found.get("runs", {}).get(key)
    return false_cell(month) + ("" if month["hours"] == 24 else f" each {month['hours']} h") if month else ""


def month_table(found):
    rows = []
    for tenant in TENANTS:
        for seed in ("1", "2", "3"):
            key = f"{tenant} {seed}"
            earlier, month = found["earlier"].get(key, {}), found["months"].get(key)
            now = look = most = ""
            if month:
                now = false_cell(month)
                look = sum(number for count in month["alerts"].values() for kind, number in count.items() if kind.startswith("look"))
                most = max((false_alerts(month, name)[0] for name in month["alerts"]), default=0)
            rows.append([tenant, seed, {"1": "plain", "2": "drawn", "3": "confirmed"}[seed], earlier.get("before", ""), earlier.get("now", ""), now, each_run(found, key), most, look,
                         earlier.get("which", "")])
    return markdown(["tenant", "seed:", "metadata", "before:", "first measured:", "now:", "run each day:", "most by a rule:", "\"changed, look\":", "which at first"], rows)


def confirmed_table(found):
    verdicts = found["attacks"]["1"]["confirmed"]
    words = {"fires": "fires", "looks": 'falls back to "changed, look"', "silent": "silent, though something is told", "blind": "blind: the events don't tell it"}
    if not verdicts:
        return "Not measured yet.\n"
    rows = [[words[kind], sum(verdict == kind for verdict in verdicts.values()),
             ", ".join(f"`{attack}`" for attack in attacks.COVERAGE if verdicts.get(attack) == kind)] for kind in words]
    return markdown(["with only confirmed metadata", "attacks:", "which"], rows)


def scan(rule):
    """How many days of rows a rule reads a day."""
    runs = tables.period("1d") / tables.period(rule.data["queryFrequency"])
    return round(runs * (tables.period(rule.data["queryPeriod"]) / tables.period("1d")))


def rule_table(runner, found):
    seed = found["attacks"]["1"]
    rows = []
    for rule in content.rules():
        names = [attack for attack, about in attacks.COVERAGE.items() if rule.name in about]
        about = ", ".join(f"`{attack}`" for attack in names)
        seen, every = seed["by rule"].get(rule.name, 0), sum(seed["attacks"][attack].get(group, [0, 0, 0])[2] for attack in names for group in ("full", "look"))
        variants = f"{seen} of {every}" + ("†" if old(seed["rules"], rule.name) else "") if names and seed["by rule"] else ""
        measured = [found["months"], found.get("runs", {})]
        months = [[false_alerts(part[f"{tenant} {number}"], rule.name)[0] for part in measured for number in "123" if f"{tenant} {number}" in part] for tenant in TENANTS]
        false = [max(numbers) if numbers else "" for numbers in months]
        rows.append([rule.data["name"], rule.data["severity"], runner.fired.get(rule.name, ""), about, variants, *false, runner.month[rule.name], scan(rule), mutant_cell(found, rule.name)])
    return markdown(["rule", "severity", "alerts on its scenario:", "frozen attacks", "variants seen:", "false, small:", "medium:", "large:", "our month:", "days read a day:", "mutants killed:"], rows)


def story_table():
    rows = [[rule.data["name"], scenarios.read(rule.name).story] for rule in content.rules() if scenarios.has(rule.name)]
    return markdown(["rule", "scenario"], rows)


DIGESTS = results.digests(content.rules())


def check(runner, write):
    """Whether the file has these tables; or puts them there."""
    path, found = content.SOLUTION / "README.md", results.read()
    text = fresh = path.read_text(encoding="utf-8")
    parts = {"attacks": attack_table(found), "months": month_table(found), "confirmed": confirmed_table(found), "cases": case_table(found), "techniques": technique_table(), "rules": rule_table(runner, found), "scenarios": story_table()}
    for name, table in parts.items():
        before, rest = fresh.split(f"<!-- {name}: generated by cargo xtask solution -->\n")
        fresh = before + f"<!-- {name}: generated by cargo xtask solution -->\n" + table + f"<!-- end of {name} -->\n" + rest.split(f"<!-- end of {name} -->\n")[1]
    if write:
        path.write_text(fresh, encoding="utf-8")
    elif fresh != text:
        return ["solution/README.md: a table is stale; run `cargo xtask solution`"]
    return []

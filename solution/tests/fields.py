"""The published field rules of Azure-Sentinel's content: lengths, identities, tactics, kinds, versions."""

import json
import re
from pathlib import Path

import content
import tables

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VERSION = re.compile(r"\d+\.\d+\.\d+")
BEGINNINGS = ("Identifies", "This query searches for")
IDENTIFIERS = {"Account": {"FullName", "Name", "UPNSuffix", "AadUserId", "DisplayName"}, "IP": {"Address"}, "DNS": {"DomainName"},
               "CloudApplication": {"AppId", "Name", "InstanceName"}}
TECHNIQUES = json.loads(Path(__file__).with_name("attack.json").read_text())["techniques"]


class Checks:
    """Collects what is wrong with one file."""

    def __init__(self, item):
        self.item = item
        self.data = item.data
        self.problems = []

    def expect(self, holds, what):
        if not holds:
            self.problems.append(f"{self.item.path.name}: {what}")

    def query_and_text(self):
        self.expect(self.item.text.isascii(), "isn't ASCII")
        self.expect(bool(GUID.fullmatch(self.data["id"])), "the id isn't a GUID")
        self.expect(len(self.item.query) <= 10_000 or "FunctionQuery" in self.data, f"the query has {len(self.item.query)} characters")
        self.expect(not re.search(r"\S\s*//", self.item.query), "a comment at the end of a line")

    def about(self):
        """What rules and hunting queries share."""
        data = self.data
        self.expect(len(data["name"]) <= 50, f"the name has {len(data['name'])} characters")
        self.expect(not data["name"].endswith("."), "the name ends with a full stop")
        description = data["description"].strip().strip("'")
        self.expect(description.startswith(BEGINNINGS), f"the description begins with none of {BEGINNINGS}")
        self.expect(len(description) <= 255, f"the description has {len(description)} characters")
        self.expect(len(re.findall(r"\.(?:\s|$)", description)) <= 5, "the description has more than 5 sentences")
        self.expect(bool(VERSION.fullmatch(str(data["version"]))), "the version isn't n.n.n")
        self.expect(1 <= len(data["tactics"]) <= 5, "1 to 5 tactics")
        self.expect(1 <= len(data["relevantTechniques"]) <= 10, "1 to 10 techniques")
        for technique in data["relevantTechniques"]:
            self.expect(set(TECHNIQUES.get(technique, [])) & set(data["tactics"]), f"{technique} is unknown or of none of the tactics")
        for tactic in data["tactics"]:
            fits = any(tactic in TECHNIQUES.get(technique, []) for technique in data["relevantTechniques"])
            self.expect(fits, f"no technique is of the tactic {tactic}")
        mappings = data.get("entityMappings", [])
        self.expect(1 <= len(mappings) <= 5, "1 to 5 entities")
        for mapping in mappings:
            self.expect(1 <= len(mapping["fieldMappings"]) <= 3, "1 to 3 fields of an entity")
            for field in mapping["fieldMappings"]:
                known = IDENTIFIERS.get(mapping["entityType"], set())
                self.expect(field["identifier"] in known, f"{mapping['entityType']} has no {field['identifier']}")
        details = data.get("customDetails") or {}
        self.expect(len(details) <= 20, "more than 20 custom details")
        for key in details:
            self.expect(len(key) <= 20 and re.fullmatch(r"[a-zA-Z]+\w*", key), f"custom detail `{key}`")

    def rule(self):
        data = self.data
        frequency, period = tables.period(data["queryFrequency"]), tables.period(data["queryPeriod"])
        self.expect(data["kind"] == "Scheduled" and data["status"] == "Available", "kind or status")
        self.expect(data["severity"] in ("Informational", "Low", "Medium", "High"), "severity")
        self.expect(300 <= frequency.total_seconds() <= 14 * 86_400, "the frequency is 5m to 14d")
        self.expect(frequency <= period <= tables.period("14d"), "the period is the frequency to 14d")
        self.expect(period < tables.period("2d") or frequency >= tables.period("1h"), "a period of 2d and more wants a frequency of 1h and more")
        self.expect(f"ago({data['queryFrequency']})" in self.item.query, "the query doesn't look at what arrived since the last run")
        self.expect(data["triggerOperator"] == "gt" and data["triggerThreshold"] == 0, "one threshold: the query's")
        self.expect(data["incidentConfiguration"]["createIncident"] is True, "no incident")
        self.expect(data["incidentConfiguration"]["groupingConfiguration"]["enabled"] is True, "no grouping")
        self.expect(all(c["dataTypes"] for c in data["requiredDataConnectors"]), "no data types")
        title = (data.get("alertDetailsOverride") or {}).get("alertDisplayNameFormat", "")
        self.expect(len(title) <= 256 and title.count("{{") <= 3, "the alert's name")

    def parser(self):
        data = self.data
        self.expect(data["Category"] == "Microsoft Sentinel Parser", "the category")
        self.expect(data["FunctionName"] == data["FunctionAlias"] == self.item.name, "name, alias and file differ")
        self.expect(isinstance(data["Function"]["Version"], str) and VERSION.fullmatch(data["Function"]["Version"]), "the version isn't a quoted n.n.n")
        self.expect(isinstance(data["Function"]["LastUpdated"], str), "LastUpdated isn't quoted")
        if self.item.name != "NordPassEvents":
            for word in ("join", "mv-expand", "mv-apply", "summarize", "distinct", "externaldata", "_GetWatchlist", "union"):
                self.expect(not re.search(rf"\|\s*{word}\b", self.item.query), f"an ASIM parser must not use {word}")


def check():
    """All problems."""
    problems, ids = [], {}
    for items, check_kind in ((content.rules(), "rule"), (content.hunting_queries(), None), (content.parsers(), "parser")):
        for item in items:
            checks = Checks(item)
            checks.query_and_text()
            if check_kind != "parser":
                checks.about()
            if check_kind:
                getattr(checks, check_kind)()
            checks.expect(item.data["id"] not in ids, f"the id is that of {ids.get(item.data['id'])} too")
            ids[item.data["id"]] = item.path.name
            problems += checks.problems
    for alias, (metadata, rows) in content.watchlists().items():
        if metadata["itemsSearchKey"] not in (rows[0] if rows else {}) or len(metadata["description"]) > 255:
            problems.append(f"watchlist {alias}: no search key, or a long description")
    return problems

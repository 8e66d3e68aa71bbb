"""The published field rules of Azure-Sentinel's content: lengths, identities, tactics, kinds, versions.

They are those of its detection, hunting, parser and ASIM validators (`.script/tests` there), with the lists in `published.json`
and `attack.json`, and what reviewers ask for. What compares a pull request with the main branch (changed ids, raised versions)
can't be told from the files.
"""

import json
import re
from pathlib import Path

import asim_parsers
import content
import tables

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VERSION = re.compile(r"\d+\.\d+\.\d+")
BEGINNINGS = ("Identifies", "This query searches for")
# The names of columns that Log Analytics takes, and of custom details.
COLUMN = re.compile(r"[a-zA-Z_]\w{0,499}")
DETAIL = re.compile(r"[a-zA-Z]\w{0,19}")
# The keys in their order of a rule and of a hunting query; `version` and `kind` end the file.
RULE = ["id", "name", "description", "severity", "status", "requiredDataConnectors", "queryFrequency", "queryPeriod", "triggerOperator",
        "triggerThreshold", "tactics", "relevantTechniques", "query", "entityMappings", "customDetails", "alertDetailsOverride",
        "eventGroupingSettings", "incidentConfiguration", "version", "kind"]
HUNTING = ["id", "name", "description", "requiredDataConnectors", "tactics", "relevantTechniques", "query", "entityMappings", "version"]
OPTIONAL = {"customDetails", "alertDetailsOverride"}
# What each schema's filtering parser has to take by name: the list of Azure-Sentinel's ASimFilteringTest.py.
ASIM = {
    "AuditEvent": {"actorusername_has_any", "disabled", "endtime", "eventresult", "eventtype_in", "newvalue_has_any", "object_has_any",
                   "operation_has_any", "srcipaddr_has_any_prefix", "starttime"},
    "Authentication": {"disabled", "endtime", "eventresult", "eventresultdetails_in", "eventtype_in", "srchostname_has_any",
                       "srcipaddr_has_any_prefix", "starttime", "targetappname_has_any", "username_has_any"},
    "UserManagement": {"actorusername_has_any", "disabled", "endtime", "eventtype_in", "srcipaddr_has_any_prefix", "starttime",
                       "targetusername_has_any"},
}
# The schemas' versions, as VerifyASimParserTemplate.py there wants them.
SCHEMAS = {"AuditEvent": "0.1.2", "Authentication": "0.1.4", "UserManagement": "0.1.2"}
TECHNIQUES = {name: entry["tactics"] for name, entry in json.loads(Path(__file__).with_name("attack.json").read_text())["techniques"].items()}
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())


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
        # `has` looks for whole terms, and a term has letters or digits: whether a sign alone is found is nowhere said.
        self.expect(not re.search(r"""\bhas\w*\s+["'][^A-Za-z0-9"']*["']""", self.item.query), "`has` of a sign: `contains`")
        for word in ("StartTimeUtc", "EndTimeUtc", "AccountCustomEntity", "IPCustomEntity"):
            self.expect(word not in self.item.query, f"{word} is an old name")

    def about(self):
        """What rules and hunting queries share."""
        data = self.data
        self.expect(len(data["name"]) <= 50, f"the name has {len(data['name'])} characters")
        self.expect(not data["name"].endswith("."), "the name ends with a full stop")
        description = data["description"].strip().strip("'")
        self.expect(description.startswith(BEGINNINGS), f"the description begins with none of {BEGINNINGS}")
        self.expect(len(description) <= 255, f"the description has {len(description)} characters")
        self.expect(len(re.findall(r"\.(?:\s|$)", description)) <= 5, "the description has more than 5 sentences")
        version = data["version"]
        self.expect(isinstance(version, str) and len(version) <= 20 and bool(VERSION.fullmatch(version)), "the version isn't n.n.n")
        self.expect(list(data) == [key for key in (RULE if "kind" in data else HUNTING) if key in data], f"the keys are {list(data)}")
        missing = set(RULE if "kind" in data else HUNTING) - set(data) - OPTIONAL
        self.expect(not missing, f"without {sorted(missing)}")
        self.connectors()
        self.expect(1 <= len(data["tactics"]) <= 5, "1 to 5 tactics")
        self.expect(1 <= len(data["relevantTechniques"]) <= 10, "1 to 10 techniques")
        for technique in data["relevantTechniques"]:
            self.expect(set(TECHNIQUES.get(technique, [])) & set(data["tactics"]), f"{technique} is unknown or of none of the tactics")
        for tactic in data["tactics"]:
            self.expect(tactic in PUBLISHED["tactics"], f"there is no tactic {tactic}")
            fits = any(tactic in TECHNIQUES.get(technique, []) for technique in data["relevantTechniques"])
            self.expect(fits, f"no technique is of the tactic {tactic}")
        mappings = data.get("entityMappings", [])
        self.expect(1 <= len(mappings) <= 5, "1 to 5 entities")
        for mapping in mappings:
            self.entity(mapping["entityType"], mapping["fieldMappings"])
        details = data.get("customDetails") or {}
        self.expect(len(details) <= 20, "more than 20 custom details")
        for key, column in details.items():
            self.expect(bool(DETAIL.fullmatch(key)) and bool(COLUMN.fullmatch(column)), f"custom detail `{key}`")

    def connectors(self):
        """The data that a query needs, by connectors that the portal knows."""
        for entry in self.data["requiredDataConnectors"]:
            known = PUBLISHED["connectors"].get(entry["connectorId"])
            self.expect(known is not None, f"there is no connector {entry['connectorId']}")
            self.expect(bool(entry["dataTypes"]), "no data types")
            for kind in entry["dataTypes"]:
                self.expect(kind in (known or []), f"{entry['connectorId']} has no data type {kind}")
        named = {kind for entry in self.data["requiredDataConnectors"] for kind in entry["dataTypes"]}
        used = {kind for kinds in PUBLISHED["connectors"].values() for kind in kinds if re.search(rf"\b{kind}\b", self.item.query)}
        self.expect(named == used, f"the query reads {sorted(used)}, and {sorted(named)} are required")

    def entity(self, kind, fields):
        """Identifiers that the type has, each once, among them one that tells an entity."""
        known = PUBLISHED["entities"].get(kind, {"identifiers": [], "one_of": []})
        names = [field["identifier"] for field in fields]
        self.expect(1 <= len(fields) <= 3, "1 to 3 fields of an entity")
        self.expect(len(set(names)) == len(names), f"{kind}: an identifier twice")
        self.expect(bool(set(names) & set(known["one_of"])), f"{kind} wants one of {known['one_of']}")
        for field in fields:
            self.expect(field["identifier"] in known["identifiers"], f"{kind} has no {field['identifier']}")
            self.expect(bool(COLUMN.fullmatch(field["columnName"])), f"{kind}: the column {field['columnName']}")

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
        self.expect(data["eventGroupingSettings"]["aggregationKind"] in ("SingleAlert", "AlertPerResult"), "the grouping of events")
        grouping = data["incidentConfiguration"]["groupingConfiguration"]
        self.expect(grouping["matchingMethod"] in ("AllEntities", "AnyAlert", "Selected"), "the grouping of alerts")
        self.expect(bool(re.fullmatch(r"P(\d+D)?(T(\d+H)?(\d+M)?)?", grouping["lookbackDuration"])), "the grouping's time")
        self.expect(set(grouping) == {"enabled", "reopenClosedIncident", "lookbackDuration", "matchingMethod"}, "the grouping's keys")
        override = data.get("alertDetailsOverride", {})
        self.expect(set(override) <= {"alertDisplayNameFormat", "alertDescriptionFormat", "alertTacticsColumnName", "alertSeverityColumnName"},
                    "the alert's keys")
        for key, most in (("alertDisplayNameFormat", 256), ("alertDescriptionFormat", 5000)):
            if key in override:
                text = override[key]
                self.expect(1 <= len(text.strip()) and len(text) <= most and len(re.findall(r"{{[^{}]*}}", text)) <= 3, f"the alert's {key}")

    def parser(self):
        data = self.data
        self.expect(data["Category"] == "Microsoft Sentinel Parser", "the category")
        self.expect(data["FunctionName"] == data["FunctionAlias"] == self.item.name, "name, alias and file differ")
        self.expect(isinstance(data["Function"]["Version"], str) and VERSION.fullmatch(data["Function"]["Version"]), "the version isn't a quoted n.n.n")
        self.expect(isinstance(data["Function"]["LastUpdated"], str), "LastUpdated isn't quoted")
        if re.match("ASim|vim", self.item.name):
            self.asim()
            for word in ("join", "mv-expand", "mv-apply", "summarize", "distinct", "externaldata", "_GetWatchlist", "union"):
                self.expect(not re.search(rf"\|\s*{word}\b", self.item.query), f"an ASIM parser must not use {word}")


    def events(self, known):
        """Events and categories by names that the catalogue has: a slip would keep a query silent for good."""
        types = {name.split(".")[0] for name in known}
        for name in re.findall(r'"([a-z0-9_]+\.[a-z0-9_]+)"', self.item.query):
            beginning = name.endswith("_") and any(event.startswith(name) for event in known)
            self.expect(name in known or beginning, f"there is no event {name}")
        for listed, one in re.findall(r'EventCategory (?:in \(([^)]*)\)|== ("\w+"))', self.item.query):
            for name in re.findall(r'"(\w+)"', listed + one):
                self.expect(name in types, f"there is no category {name}")
        for lists in re.findall(r"let known = dynamic\(\[([^\]]*)\]\)", self.item.query):
            listed = set(re.findall(r'"(\w+)"', lists))
            self.expect(listed == types, f"the categories differ from the catalogue's: {sorted(listed ^ types)}")

    def asim(self):
        """Names, versions and parameters of ASIM's parsers."""
        kind, schema = re.fullmatch(r"(ASim|vim)(\w+)NordPass", self.item.name).groups()
        named = re.findall(r"(\w+):(\w+)=", self.data["FunctionParams"])
        self.expect(len({name for name, _ in named}) == len(named), "a parameter twice")
        wanted = ASIM[schema] if kind == "vim" else {"disabled"}
        self.expect(wanted <= {name for name, _ in named}, f"without the parameters {sorted(wanted - {name for name, _ in named})}")
        self.expect(kind == "vim" or len(named) == 1, "a parser without filters takes only `disabled`")
        self.expect(self.data["FunctionParams"].endswith("disabled:bool=false"), "`disabled` isn't last, or not off")
        for name, of in named:
            right = {"disabled": "bool", "starttime": "datetime", "endtime": "datetime", "eventresult": "string"}.get(name, "dynamic")
            self.expect(of == right, f"{name} is of type {of}")
            self.expect(re.search(rf"\b{name}\b", self.item.query) is not None, f"{name} does nothing")
        for field, value in (("EventVendor", "Nord Security"), ("EventProduct", "NordPass"), ("EventSchema", schema),
                             ("EventSchemaVersion", SCHEMAS[schema])):
            self.expect(f'{field} = "{value}"' in self.item.query, f"{field} isn't {value}")
        self.expect("| where not(disabled)" in self.item.query.split("NordPassEventLogs_CL\n")[1].split("\n")[0], "`disabled` comes late")


def check():
    """All problems."""
    problems, ids = [], {}
    known = {f"{entry['type']}.{entry['action']}" for entry in asim_parsers.catalogue()}
    for items, check_kind in ((content.rules(), "rule"), (content.hunting_queries(), None), (content.parsers(), "parser")):
        for item in items:
            checks = Checks(item)
            checks.query_and_text()
            try:
                if check_kind != "parser":
                    checks.about()
                    checks.events(known)
                if check_kind:
                    getattr(checks, check_kind)()
            except KeyError as key:
                checks.expect(False, f"without {key}")
            checks.expect(item.data["id"] not in ids, f"the id is that of {ids.get(item.data['id'])} too")
            ids[item.data["id"]] = item.path.name
            problems += checks.problems
    for alias, (metadata, rows) in content.watchlists().items():
        if metadata["itemsSearchKey"] not in (rows[0] if rows else {}) or len(metadata["description"]) > 255:
            problems.append(f"watchlist {alias}: no search key, or a long description")
    return problems + guide()


def guide():
    """Rules that the guide to alerts doesn't name."""
    text = " ".join((content.ROOT / "docs/guide/respond.md").read_text(encoding="utf-8").lower().split())
    names = [rule.data["name"].removeprefix("NordPass ") for rule in content.rules()]
    return [f"docs/guide/respond.md: without `{name}`" for name in names if name.lower() not in text]

"""Which attacks the rules see, in which of their variants, and which benign twins they take for one.

`coverage.json` says which rules are about which attack. A variant is seen if one of them fires for its organization after
the attack began, and named whole if the alerts name everybody and everything that the sample expects. A rule about
another attack doesn't count.
"""

import ipaddress
import json
import time
import unicodedata
from datetime import timedelta
from pathlib import Path

import connectors_health
import content
import recording

# From the lowest.
SEVERITIES = ("Informational", "Low", "Medium", "High")
COVERAGE = json.loads(Path(__file__).with_name("coverage.json").read_text())


def folded(text):
    """A text as it is compared: case and accents don't count."""
    return "".join(c for c in unicodedata.normalize("NFD", str(text).lower()) if not unicodedata.combining(c))


def address(text):
    try:
        value = ipaddress.ip_address(text)
        return str(getattr(value, "ipv4_mapped", None) or value)
    except ValueError:
        return text


def missing(expected, rows):
    """What of the expectation no row names."""
    told = folded(json.dumps(rows, default=str, ensure_ascii=False))
    lost = [person["email"] for key in ("actors", "targets") for person in expected.get(key, [])
            if folded(person["email"]) not in told and person["uuid"] not in told]
    known = {address(word) for word in told.replace('"', " ").replace(",", " ").replace("\\", " ").split()}
    lost += [entry["instance"] for entry in expected.get("instances", []) if entry["instance"] not in told]
    lost += [where for where in expected.get("addresses", []) if address(where) not in known]
    count = expected.get("count")
    if count and str(count) not in told:
        lost.append(f"the count {count}")
    return lost


class Attacks:
    """The samples of a seed, loaded, and what the rules said on them."""

    def __init__(self, scheduler, descriptors):
        self.scheduler, self.samples = scheduler, descriptors
        self.by_organization = {sample["organization"]: sample for sample in descriptors}
        self.alerts = {}
        # Whether the rules' names are shown as they run.
        self.quiet = False

    def lists(self, samples):
        """The watchlists of these samples together: an entry is for its sample's organization."""
        return watchlists((sample["organization"], sample["lists"]) for sample in samples)

    def run(self, rules, step):
        """Runs the rules over the days of the attacks."""
        first = min(sample["attack_day"] for sample in self.samples)
        last = max(sample["until"] for sample in self.samples)
        begin, end = recording.at(first) - 2 * recording.DAY, recording.at(last)
        self.scheduler.workspace.watchlists(self.lists(self.samples))
        for rule in rules:
            if not self.quiet:
                print(f"  {time.process_time():6.1f} s  {rule.name}", flush=True)
            if "Health" in rule.query or rule.name == "NordPassNoData":
                for sample in self.samples:
                    if rule.name in COVERAGE[sample["attack"]]:
                        for now, row in connectors_health.run(self.scheduler, rule, sample):
                            self.alerts.setdefault(sample["id"], []).append((rule.name, now, row))
                continue
            if "ThreatIntelIndicators" in rule.query:
                self.isolated(rule, begin, end, step)
                continue
            self.scheduler.only([])
            for now, row in self.scheduler.over(rule, begin, end, step):
                self.note(rule, now, row)

    def isolated(self, rule, begin, end, step):
        """A rule whose other table can't tell organizations apart: one sample at a time."""
        for sample in self.samples:
            if not sample["lists"].get("indicators"):
                continue
            indicators(self.scheduler.con, sample["lists"]["indicators"], begin)
            self.scheduler.only([sample["organization"]])
            for now, row in self.scheduler.over(rule, begin, end, step):
                self.note(rule, now, row)
        self.scheduler.con.execute("DELETE FROM ThreatIntelIndicators")

    def note(self, rule, now, row):
        for organization in {row.get("Organization")} | set(str(row.get("Organizations", "")).split(", ")):
            sample = self.by_organization.get(organization)
            if sample and row["EndTime"] >= recording.at(sample["attack_day"]) - 20 * recording.DAY:
                self.alerts.setdefault(sample["id"], []).append((rule.name, now, row))

    def told(self, sample):
        """Rule and row of each alert about a sample by a rule that is about its attack."""
        begin = recording.at(sample["attack_day"]) - timedelta(days=1)
        return [(name, row) for name, _, row in self.alerts.get(sample["id"], []) if name in COVERAGE[sample["attack"]] and row["EndTime"] >= begin]

    def severity(self, sample, severities):
        """How far the highest severity that was told is above what the sample wants; none if nothing was told."""
        told = [SEVERITIES.index(row.get("Severity") or severities[name]) for name, row in self.told(sample)]
        return max(told) - SEVERITIES.index(sample["expected"]["severity"]) if told else None

    def judge(self, sample):
        """`seen`, `part` (seen, not all named), `missed`; for a twin `quiet` or `false`; and why."""
        rows = [row for _, row in self.told(sample)]
        names = sorted({name for name, _ in self.told(sample)})
        if sample["kind"] == "twin":
            return ("false" if rows else "quiet"), names
        if not rows:
            return "missed", []
        lost = missing(sample["expected"], rows)
        return ("part" if lost else "seen"), lost


def watchlists(entries):
    """Rows of the watchlists, of (organization, lists)."""
    have = content.watchlists()
    found = {}

    def add(alias, organization, **row):
        if alias in have:
            names = list(have[alias][1][0])
            row = {"Organization": organization} | row
            found.setdefault(alias, []).append({name: str(row.get(name, "")) for name in names})

    for organization, lists in entries:
        for who in lists.get("break_glass", []):
            add("NordPassBreakGlassAccounts", organization, UserPrincipalName=who)
        for entry in lists.get("sensitive_items", []):
            add("NordPassSensitiveItems", organization, ItemId=entry["item"], Label="listed")
            for who in entry["allowed"]:
                add("NordPassPrivilegedUsers", organization, UserPrincipalName=who, Until="2027-01-01T00:00:00Z")
        for entry in lists.get("maintenance", []):
            for who in entry["who"]:
                add("NordPassMaintenance", organization, Who=who, Kind=entry["kind"],
                    From=recording.at(entry["from"]).isoformat() + "Z", Until=recording.at(entry["until"]).isoformat() + "Z")
        for who in lists.get("service_accounts", []):
            add("NordPassMaintenance", organization, Who=who, Kind="service account", From="2026-01-01T00:00:00Z", Until="2027-01-01T00:00:00Z")
        for domain in lists.get("partner_domains", []) + lists.get("msp_domains", []):
            add("NordPassPartnerDomains", organization, Domain=domain, Until="2027-01-01T00:00:00Z")
        for entry in lists.get("known_networks", []):
            add("NordPassNetworks", organization, Network=entry["network"], Kind="own")
        if lists.get("geo"):
            for row in recording.geo():
                add("NordPassNetworks", organization, Kind="geo", **row)
    return found


def indicators(con, entries, begin):
    """Fills the table of threat intelligence."""
    con.execute("DELETE FROM ThreatIntelIndicators")
    for number, entry in enumerate(entries):
        con.execute("INSERT INTO ThreatIntelIndicators (TimeGenerated, Id, Confidence, IsActive, IsDeleted, Revoked, ObservableKey, ObservableValue, ValidFrom, ValidUntil) "
                    "VALUES (?, ?, ?, ?, false, ?, ?, ?, ?, ?)",
                    [begin + timedelta(days=1), str(number), entry["confidence"], not entry["revoked"], entry["revoked"], entry["key"], entry["value"],
                     recording.at(entry["valid_from"]), recording.at(entry["valid_until"])])


def table(attacks):
    """Markdown: per attack, what of it is seen, by what its events can tell."""
    lines = ["| attack | told whole | to look at | can't be told | twins taken for it |", "|---|--:|--:|--:|--:|"]
    totals = {}
    for attack in COVERAGE:
        cells = [attack]
        mine = [sample for sample in attacks.samples if sample["attack"] == attack]
        for kind, observable in (("attack", "full"), ("attack", "look"), ("attack", "blind"), ("twin", "full")):
            group = [attacks.judge(sample)[0] for sample in mine if sample["kind"] == kind and sample["expected"]["observable"] == observable]
            hits = sum(verdict in ("seen", "part", "false") for verdict in group)
            whole = sum(verdict == "seen" for verdict in group)
            seen = totals.setdefault((kind, observable), [0, 0, 0])
            for index, number in enumerate((hits, len(group), whole)):
                seen[index] += number
            cells.append(f"{hits}/{len(group)}" + (f" ({whole})" if kind == "attack" and whole != hits else "") if group else "")
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("| all | " + " | ".join(f"{hits}/{count}" + (f" ({whole})" if kind == "attack" else "") for (kind, _), (hits, count, whole) in totals.items()) + " |")
    return "\n".join(lines) + "\n"

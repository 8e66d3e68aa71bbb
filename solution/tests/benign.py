"""What the rules say in a benign month: each alert is false, but for those that the month itself calls right."""

import attacks
import recording


class Month:
    """A month, loaded, and what the rules said."""

    def __init__(self, scheduler, descriptor):
        self.scheduler, self.month = scheduler, descriptor
        self.alerts = []

    def run(self, rules, step):
        month = self.month
        self.scheduler.workspace.watchlists(attacks.watchlists([(month["organization"], month["lists"])]))
        begin, end = recording.at(month["month_from"]), recording.at(month["until"])
        for rule in rules:
            if "Health" in rule.query:
                continue
            for now, row in self.scheduler.over(rule, begin, end, step):
                self.alerts.append((rule, now, row))

    def right(self, rule, row, told):
        """Whether the month calls this alert right: told once for what happened."""
        begin, end = row.get("StartTime"), row["EndTime"]
        named = attacks.folded(str(row))
        for number, entry in enumerate(self.month["remarkable"]):
            if not entry.get("acceptable") or entry["kind"] not in RIGHT or rule.name not in RIGHT[entry["kind"]]:
                continue
            if end < recording.at(entry["from"]) or begin > recording.at(entry["until"]):
                continue
            if entry["people"] and not any(attacks.folded(who) in named for who in entry["people"]):
                continue
            if (number, rule.name) in told:
                continue
            told.add((number, rule.name))
            return True
        return False

    def judged(self):
        """(rule, time, row, verdict): `right`, `look` or `false`."""
        told = set()
        for rule, now, row in sorted(self.alerts, key=lambda alert: (alert[1], alert[0].name)):
            if self.right(rule, row, told):
                yield rule, now, row, "right"
            elif self.month["style"] == "confirmed" and str(row.get("Verdict", "")).startswith("changed"):
                yield rule, now, row, "look"
            else:
                yield rule, now, row, "false"

    def report(self, details=False):
        counts, lines = {}, []
        for rule, now, row, verdict in self.judged():
            severity = row.get("Severity") or rule.data["severity"]
            counts.setdefault((rule.name, severity), {}).setdefault(verdict, 0)
            counts[rule.name, severity][verdict] += 1
            if details and verdict == "false":
                lines.append(f"    {now} {rule.name} {({k: str(v)[:90] for k, v in row.items() if 'Name' not in k and 'Suffix' not in k})}")
        total = sum(found.get("false", 0) for found in counts.values())
        high = sum(found.get("false", 0) for (_, severity), found in counts.items() if severity == "High")
        lines.insert(0, f"{self.month['tenant']} seed {self.month['seed']} ({self.month['style']}): {total} false, {high} of them High")
        lines[1:1] = [f"  {name} ({severity}): {found}" for (name, severity), found in sorted(counts.items())]
        return "\n".join(lines)


# Which rules tell what the month calls right.
RIGHT = {
    "breach finding": ["NordPassMemberInBreach", "NordPassDomainInBreach"],
    "deputy": ["NordPassRoleRaised"],
    "rotation": ["NordPassMemberInBreach", "NordPassDomainInBreach"],
    "identity provider outage": ["NordPassLoginOutage", "NordPassPasswordSpray"],
}

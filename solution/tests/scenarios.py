"""A recorded attack for each rule, and what the rule has to say about it.

`tests/fixtures/scenarios/RULE.ndjson` holds raw NordPass events of one organization or two, which no other scenario has;
`RULE.json` says what happens, what it means, and the entities of each expected alert. Health rules have no events: their
rows come from the program's `health` source, and `instance` names the life they are about.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import content


@dataclass
class Scenario:
    """What a rule is tried on."""

    rule: str
    story: str
    meaning: str
    alerts: list
    organizations: list = field(default_factory=list)
    now: datetime = None
    instance: str = ""
    after: int = 0
    watchlists: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)


def read(name):
    """The scenario of a rule."""
    path = content.SCENARIOS / f"{name}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    scenario = Scenario(rule=name, story=data["scenario"], meaning=data["meaning"], alerts=data["alerts"],
                        instance=data.get("instance", ""), after=data.get("after", 0),
                        watchlists=data.get("watchlists", {}), tables=data.get("tables", {}))
    if scenario.instance:
        return scenario
    events = [json.loads(line) for line in path.with_suffix(".ndjson").read_text(encoding="utf-8").splitlines()]
    scenario.organizations = sorted({event["organization_uuid"] for event in events})
    last = max(event["timestamp"] for event in events)
    # The rule's next run: the last event arrived a minute after it happened.
    scenario.now = datetime.fromtimestamp(last, timezone.utc).replace(tzinfo=None) + timedelta(minutes=3)
    return scenario


def has(name):
    """Whether a rule has a scenario of its own; the others are tried on the frozen samples alone."""
    return (content.SCENARIOS / f"{name}.json").exists()


def read_all():
    """All scenarios; each organization is in one only."""
    found = [read(rule.name) for rule in content.rules() if has(rule.name)]
    organizations = [organization for scenario in found for organization in scenario.organizations]
    if len(set(organizations)) != len(organizations):
        raise ValueError("two scenarios are about the same organization")
    return found

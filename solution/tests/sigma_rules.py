"""The Sigma rules: each is what its rule in `Analytic Rules` says of single events, and finds the people of that rule's scenario.

pySigma's Kusto back-end converts them, with the official table's columns for the fields of an event. Microsoft's parser binds what
comes out, and the executor runs it. The back-end knows no correlations: of those, the events that they count are converted.
"""

import json

import bind
import content
import executor
import scenarios
import schema

from sigma.backends.kusto import KustoBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation
from sigma.rule import SigmaRule

FOLDER = content.SOLUTION / "Sigma"
# A field of an event as NordPass sends it, and the column or the expression that has it.
COLUMNS = {"type": "event_type", "action": "action", "user.email": "user_email", "organization_uuid": "organization_uuid"}
METADATA = ["role", "new_role", "setting", "enabled", "ip_address", "msp.user_email", "msp.user_uuid"]


def column(name):
    return "metadata_" + name.replace(".", "_")


def backend():
    mapping = COLUMNS | {f"metadata.{name}": column(name) for name in METADATA}
    return KustoBackend(processing_pipeline=ProcessingPipeline(items=[ProcessingItem(transformation=FieldMappingTransformation(mapping))]))


def query(converted):
    """A whole query of the condition that the back-end gives."""
    extended = ", ".join(f"{column(name)} = tostring(metadata.{name})" for name in METADATA)
    return f"{schema.EVENT_LOG}\n| extend {extended}\n| where {converted}\n"


def files():
    """The file, its rule, and its documents."""
    by_id = {rule.data["id"]: rule for rule in content.rules()}
    for path in sorted(FOLDER.glob("*.yml")):
        collection = SigmaCollection.from_yaml(path.read_text(encoding="utf-8"))
        last = collection.rules[-1]
        related = [str(entry.id) for entry in (last.related.related if last.related else [])]
        yield path, next((by_id[name] for name in related if name in by_id), None), collection


def about(path, rule, collection):
    """What is wrong with a file's facts."""
    if rule is None:
        return [f"{path.name}: derived from no rule"]
    last = collection.rules[-1]
    techniques = {tag.name.upper() for tag in last.tags if tag.name[1:2].isdigit()}
    problems = []
    if last.title != rule.data["name"]:
        problems.append(f"{path.name}: the title isn't the rule's")
    if techniques != set(rule.data["relevantTechniques"]):
        problems.append(f"{path.name}: the techniques are {sorted(techniques)}")
    if not last.falsepositives:
        problems.append(f"{path.name}: it doesn't say when it is false")
    return problems


def people(rule):
    """Whom the rule's scenario names, and its organizations."""
    scenario = scenarios.read(rule.name)
    return {name.lower() for alert in scenario.alerts for name in alert.get("Account", []) if "@" in name}, scenario.organizations


def check(workspace, work, node):
    """The problems, in words."""
    problems, queries, ids = [], [], set()
    for path, rule, collection in files():
        problems += about(path, rule, collection)
        for single in collection.rules:
            if str(single.id) in ids:
                problems.append(f"{path.name}: {single.id} is another's id")
            ids.add(str(single.id))
            if not isinstance(single, SigmaCorrelationRule):
                # By itself: what a correlation counts isn't given on its own.
                alone = SigmaRule.from_dict(single.to_dict())
                queries.append((path, rule, query(backend().convert_rule(alone)[0])))
    for (path, rule, text), bound in zip(queries, bind.bind([text for _, _, text in queries], work, node)):
        problems += [f"{path.name}: {error}" for error in bound["errors"]]
        if rule is None or not scenarios.has(rule.name):
            continue
        names, organizations = people(rule)
        columns, rows = executor.answer(workspace.con, text)
        rows = [dict(zip(columns, row)) for row in rows]
        rows = [row for row in rows if row["organization_uuid"] in organizations]
        told = json.dumps(rows, default=str, ensure_ascii=False).lower()
        lost = sorted(name for name in names if name not in told)
        if not rows or lost:
            problems.append(f"{path.name}: {len(rows)} events of {rule.name}'s scenario, none of them of {lost}")
    return problems

"""Every query binds, and what a rule shows of its result is in it."""

import json
import os
import re
import subprocess
from pathlib import Path

import content
import schema

# What each column in a mapping has to be: Sentinel takes strings for entities.
ENTITY_TYPES = {"string", "datetime", "int", "long"}


def bind(queries, work, node, without=(), empty=False):
    """Errors and result columns of each query, in a workspace without some tables, or with empty watchlists."""
    tables = {name: columns for name, columns in schema.tables(work).items() if name not in without}
    request = {"tables": tables, "functions": schema.functions(empty), "queries": queries}
    command = ["node", str(Path(__file__).with_name("bind.cjs"))]
    environment = os.environ | {"NODE_PATH": str(node)}
    ended = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, env=environment)
    if ended.returncode != 0:
        raise RuntimeError(f"the binder failed:\n{ended.stderr}")
    return json.loads(ended.stdout)


def shown(rule):
    """The columns that a rule or hunting query shows: (place, column)."""
    for mapping in rule.get("entityMappings", []):
        for field in mapping["fieldMappings"]:
            yield f"{mapping['entityType']}.{field['identifier']}", field["columnName"]
    for key, column in (rule.get("customDetails") or {}).items():
        yield f"customDetails.{key}", column
    for key, text in (rule.get("alertDetailsOverride") or {}).items():
        for column in re.findall(r"\{\{\s*([^}\s]+)\s*\}\}", str(text)):
            yield key, column


def text_of(item):
    """A parser as a call of itself, so that its parameters are bound too."""
    if "FunctionQuery" not in item.data:
        return item.query
    return f"let Parsed = ({item.data.get('FunctionParams', '')}) {{\n{item.query}}};\nParsed()"


def check(work, node):
    """The problems, in words."""
    items = content.rules() + content.hunting_queries() + content.parsers()
    problems = []
    for item, bound in zip(items, bind([text_of(item) for item in items], work, node)):
        problems += [f"{item.path.name}: {error}" for error in bound["errors"]]
        columns = bound["columns"]
        for place, column in shown(item.data):
            kind = columns.get(column)
            if kind is None:
                problems.append(f"{item.path.name}: {place} shows `{column}`, which the result doesn't have")
            elif "." in place and not place.startswith("customDetails") and kind not in ENTITY_TYPES:
                problems.append(f"{item.path.name}: {place} is of type {kind}: entities want text")
    print(f"bound {len(items)} queries")
    return problems + without_official_table(work, node) + with_empty_watchlists(work, node)


def without_official_table(work, node):
    """A workspace that never had the official table: the view has to work there."""
    view = next(parser for parser in content.parsers() if parser.name == "NordPassEvents")
    return [f"NordPassEvents without the official table: {error}"
            for error in bind([view.query], work, node, without=[schema.EVENT_LOG])[0]["errors"]]


def with_empty_watchlists(work, node):
    """A watchlist without rows, or that isn't there, has no columns but those that every one has."""
    items = [item for item in content.rules() + content.hunting_queries() if "_GetWatchlist" in item.query]
    bound = bind([item.query for item in items], work, node, empty=True)
    return [f"{item.path.name} with an empty watchlist: {error}" for item, found in zip(items, bound) for error in found["errors"]]

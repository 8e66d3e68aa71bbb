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


def bind(queries, work, node, without=(), empty=False, views=None):
    """Errors and result columns of each query, in a workspace without some tables, or with empty watchlists.

    `views` are functions without parameters as tables of their result: so each is analysed once, not at every use."""
    tables = {name: columns for name, columns in schema.tables(work).items() if name not in without} | (views or {})
    functions = [entry for entry in schema.functions(empty) if entry[0] not in tables]
    request = {"tables": tables, "functions": functions, "queries": queries}
    command = ["node", str(Path(__file__).with_name("bind.cjs"))]
    environment = os.environ | {"NODE_PATH": str(node)}
    ended = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, env=environment)
    if ended.returncode != 0:
        raise RuntimeError(f"the binder failed:\n{ended.stderr}")
    return json.loads(ended.stdout)


def bind_views(work, node, empty=False, events=None):
    """The functions without parameters as tables of their results, and what is wrong with them. The others read
    `NordPassEvents` alone; `events` are its columns, where they are known."""
    view, *others = sorted((parser for parser in content.parsers() if "FunctionParams" not in parser.data), key=lambda parser: parser.name != "NordPassEvents")
    problems = []
    if events is None:
        bound = bind([view.query], work, node)[0]
        problems += [f"{view.path.name}: {error}" for error in bound["errors"]]
        events = bound["columns"]
    found = {view.name: events}
    for parser, bound in zip(others, bind([parser.query for parser in others], work, node, empty=empty, views=found)):
        problems += [f"{parser.path.name}: {error}" for error in bound["errors"]]
        found = found | {parser.name: bound["columns"]}
    return found, problems


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
    views, problems = bind_views(work, node)
    items = content.rules() + content.hunting_queries() + [parser for parser in content.parsers() if parser.name not in views]
    for item, bound in zip(items, bind([text_of(item) for item in items], work, node, views=views)):
        problems += [f"{item.path.name}: {error}" for error in bound["errors"]]
        columns = bound["columns"]
        for place, column in shown(item.data):
            kind = columns.get(column)
            if kind is None:
                problems.append(f"{item.path.name}: {place} shows `{column}`, which the result doesn't have")
            elif "." in place and not place.startswith("customDetails") and kind not in ENTITY_TYPES:
                problems.append(f"{item.path.name}: {place} is of type {kind}: entities want text")
    print(f"bound {len(items) + len(views)} queries")
    return problems + without_official_table(work, node) + with_empty_watchlists(work, node, views["NordPassEvents"])


def without_official_table(work, node):
    """A workspace that never had the official table: the view has to work there."""
    view = next(parser for parser in content.parsers() if parser.name == "NordPassEvents")
    return [f"NordPassEvents without the official table: {error}"
            for error in bind([view.query], work, node, without=[schema.EVENT_LOG])[0]["errors"]]


def with_empty_watchlists(work, node, events):
    """A watchlist without rows, or that isn't there, has no columns but those that every one has."""
    views, problems = bind_views(work, node, empty=True, events=events)
    items = [item for item in content.rules() + content.hunting_queries() if "_GetWatchlist" in item.query]
    bound = bind([item.query for item in items], work, node, empty=True, views=views)
    return problems + [f"{item.path.name} with an empty watchlist: {error}" for item, found in zip(items, bound) for error in found["errors"]]

"""The connector pages: every query binds and runs, and "Connected" is right in each situation."""

import json
from datetime import timedelta

import bind
import content
import executor
import tables

FOLDER = content.SOLUTION / "Data Connectors"


def pages():
    """Name and configuration of both."""
    yield "NordPass.json", json.loads((FOLDER / "NordPass.json").read_text(encoding="utf-8"))
    push = json.loads((FOLDER / "NordPassPush_ccf" / "ConnectorDefinition.json").read_text(encoding="utf-8"))
    yield "ConnectorDefinition.json", push["properties"]["connectorUiConfig"]


def queries(page):
    """Place and text."""
    for kind in page["dataTypes"]:
        yield f"last data of {kind['name']}", kind["lastDataReceivedQuery"]
    for graph in page["graphQueries"]:
        yield f"graph of {graph['legend']}", graph["baseQuery"]
    for sample in page["sampleQueries"]:
        yield sample["description"], sample["query"]
    for criteria in page.get("connectivityCriterias") or page["connectivityCriteria"]:
        for query in criteria["value"]:
            yield "connected", query


def check(workspace, work, node):
    """The problems, in words."""
    problems = []
    for name, page in pages():
        texts = list(queries(page))
        for (place, query), bound in zip(texts, bind.bind([query for _, query in texts], work, node)):
            problems += [f"{name}, {place}: {error}" for error in bound["errors"]]
            if place == "connected" and bound["columns"] != {"IsConnected": "bool"}:
                problems.append(f"{name}, {place}: gives {bound['columns']}")
            try:
                rows = executor.answer(workspace.con, tables.substitute(query), functions=workspace.functions(query))[1]
            except Exception as error:  # the executor has many kinds
                problems.append(f"{name}, {place}: {error!r}"[:300])
                continue
            if not rows:
                problems.append(f"{name}, {place}: shows nothing on the demo's rows")
        problems += situations(workspace, name, dict(texts)["connected"])
    return problems


def situations(workspace, name, query):
    """What the page says when something is wrong. The tables are as before afterwards."""
    con, problems = workspace.con, []
    now = con.execute("SELECT max(TimeGenerated) FROM NordPassConnectorHealth_CL").fetchone()[0]
    asim = ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"]
    no_health = ["DELETE FROM NordPassConnectorHealth_CL"]
    no_official = ["DELETE FROM NordPassEventLogs_CL"]
    no_asim = [f"DELETE FROM {table}" for table in asim]
    refused = "UPDATE NordPassConnectorHealth_CL SET State = 'waiting', TokenState = 'refused' WHERE ComponentType = 'nordpass'"
    for what, changes, later, wanted in [
        ("all works", [], timedelta(), True),
        ("all tokens are refused, and events are new", [refused], timedelta(), False),
        ("no health row for two hours, and events are new", [], timedelta(hours=2), False),
        ("no health source, and only ASIM events", no_health + no_official, timedelta(), True),
        ("no health source, and only official events", no_health + no_asim, timedelta(), True),
        ("no health source, and the last event was eight days ago", no_health, timedelta(days=8), False),
        ("only other vendors' events", no_health + no_official + [f"UPDATE {table} SET EventVendor = 'Contoso'" for table in asim],
         timedelta(), False),
        ("nothing at all", no_health + no_official + no_asim, timedelta(), False),
    ]:
        con.execute("BEGIN")
        for change in changes:
            con.execute(change)
        rows = executor.answer(con, query, query_now=now + later)[1]
        con.execute("ROLLBACK")
        if rows != [(wanted,)]:
            problems.append(f"{name}: where {what}, the page says {rows} instead of {wanted}")
    return problems

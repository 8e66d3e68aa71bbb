"""The parsers against the transforms: the same events came through both, and have to look the same.

- Each ASIM parser over the official table gives the rows that the `asim` transform stored, column by column.
- `NordPassEvents` says the same of an event whichever of the two tables it comes from, and says it once.
"""

import json

import asim_parsers
import month
import schema
import tables

TABLES = dict(zip(asim_parsers.SCHEMAS, schema.ASIM))
# How many differences are said of each parser.
SHOWN = 5

# The parsers can't tell: a metadata key that is a name of ours, which the transform puts into MetadataCollisions.
COLLISION = '"MetadataCollisions"'


def rows_of(workspace, query):
    rows = workspace.query(query, workspace.arrival)
    return {row["EventOriginalUid"]: row for row in rows}


def plain(value):
    """Comparable: absent is empty, and JSON is what it says."""
    if value is None or value == "":
        return ""
    if isinstance(value, str) and value[:1] in "{[":
        return json.dumps(json.loads(value), sort_keys=True)
    return str(value)


def differences(stored, parsed, names):
    """Event and column where two sets of rows differ."""
    found = []
    for event in stored.keys() | parsed.keys():
        if event not in stored or event not in parsed:
            found.append(f"event {event} is only in {'the table' if event in stored else 'the parser'}")
            continue
        for name in names:
            left, right = plain(stored[event].get(name)), plain(parsed[event].get(name))
            if left != right and COLLISION not in left:
                found.append(f"{stored[event].get('EventOriginalType')} {event[:8]}: {name} is {left} in the table and {right} from the parser")
    return found


def asim(workspace):
    """Each row of each table, and each parser with and without parameters."""
    problems = []
    for name, table in TABLES.items():
        stored = rows_of(workspace, table)
        columns = asim_parsers.COMMON + asim_parsers.OWN[name]
        columns = [column for column in columns if column != "EventSchema" or name == "UserManagement"]
        for parser in (f"ASim{name}NordPass", f"vim{name}NordPass"):
            found = differences(stored, rows_of(workspace, f"{parser}()"), columns)
            problems += [f"{parser}: {text}" for text in found[:SHOWN]]
            print(f"  {parser}: {len(stored)} rows compared, {len(found)} differences")
    return problems


# A parameter by its position in the call, and what it has to mean for the rows of the unfiltered parser.
FILTERS = [
    ("AuditEvent", {2: 'dynamic(["198.51.100.20"])'}, lambda row: row["SrcIpAddr"] == "198.51.100.20"),
    ("AuditEvent", {3: 'dynamic(["Delete"])'}, lambda row: row["EventType"] == "Delete"),
    ("AuditEvent", {4: '"Failure"'}, lambda row: row["EventResult"] == "Failure"),
    ("AuditEvent", {5: 'dynamic(["anna.maier"])'}, lambda row: "anna.maier@" in row["ActorUsername"]),
    ("AuditEvent", {6: 'dynamic(["vault_exported"])'}, lambda row: row["Operation"] == "vault_exported"),
    ("AuditEvent", {7: 'dynamic(["token"])'}, lambda row: "token" in row["Object"].lower().split()),
    ("AuditEvent", {8: 'dynamic(["x"])'}, lambda row: False),
    ("Authentication", {2: 'dynamic(["ben.okafor"])'}, lambda row: "ben.okafor@" in row["TargetUsername"]),
    ("Authentication", {10: 'dynamic(["Incorrect password"])'}, lambda row: row["EventResultDetails"] == "Incorrect password"),
    ("Authentication", {11: '"Failure"'}, lambda row: row["EventResult"] == "Failure"),
    ("Authentication", {6: 'dynamic(["192.0.2."])'}, lambda row: False),
    ("UserManagement", {3: 'dynamic(["dan.silva"])'}, lambda row: "dan.silva@" in row["TargetUsername"].lower()),
    ("UserManagement", {5: 'dynamic(["UserDisabled", "UserDeleted"])'}, lambda row: row["EventType"] in ("UserDisabled", "UserDeleted")),
]


def filtering(workspace):
    """Each parameter keeps what it has to keep, and no more."""
    problems = []
    everything = {name: rows_of(workspace, f"ASim{name}NordPass()") for name in TABLES}
    for name, given, keeps in FILTERS:
        defaults = ["datetime(null)", "datetime(null)"] + [parameter.split("=", 1)[1] for parameter in asim_parsers.PARAMETERS[name]]
        values = [given.get(position, value) for position, value in enumerate(defaults)]
        kept = rows_of(workspace, f"vim{name}NordPass({', '.join(values)})").keys()
        wanted = {event for event, row in everything[name].items() if keeps(row)}
        if kept != wanted:
            problems.append(f"vim{name}NordPass with {given} keeps {len(kept)} rows, not {len(wanted)}")
    return problems


def view(workspace, recorded):
    """`NordPassEvents` from one table only, and from both."""
    both = _events(workspace, "Backfilled")
    alone = {}
    for name, emptied in (("asim", [schema.EVENT_LOG]), ("official", schema.ASIM)):
        for table in emptied:
            workspace.con.execute(f'ALTER TABLE "{table}" RENAME TO "Away_{table}"')
            workspace.con.execute(f'CREATE TABLE "{table}" AS SELECT * FROM "Away_{table}" LIMIT 0')
        workspace.kept.discard("NordPassEvents")
        workspace.keep("NordPassEvents", f"Only_{name}")
        workspace.kept.add("NordPassEvents")
        for table in emptied:
            workspace.con.execute(f'DROP TABLE "{table}"')
            workspace.con.execute(f'ALTER TABLE "Away_{table}" RENAME TO "{table}"')
        alone[name] = _events(workspace, f"Only_{name}")
    columns = ["EventTime", "EventName", "Organization", "Actor", "ActorId", "ActorUPNSuffix", "Target", "TargetUPNSuffix", "MspUser", "Member",
               "Initiator", "SrcIpAddr", "Platform", "Provider", "Status", "Items", "ItemCount", "Emails"]
    found = differences(alone["asim"], alone["official"], columns)
    print(f"  NordPassEvents: {len(both)} events of {recorded} recorded, {len(found)} differences between the tables")
    problems = [f"NordPassEvents: {text}" for text in found[:SHOWN]]
    if both.keys() != alone["asim"].keys() or len(both) != recorded:
        problems.append(f"NordPassEvents: {len(both)} events from both tables, {len(alone['asim'])} from ASIM, {recorded} recorded")
    return problems


def _events(workspace, table):
    relation = workspace.con.execute(f'SELECT *, EventId AS EventOriginalUid, EventName AS EventOriginalType FROM "{table}"')
    names = [column[0] for column in relation.description]
    return {row[names.index("EventId")]: dict(zip(names, row)) for row in relation.fetchall()}


def check(work):
    """All problems."""
    workspace = tables.Workspace(work)
    workspace.without(month.ORGANIZATION)
    workspace.backfilled()
    workspace.keep("NordPassEvents", "Backfilled")
    recorded = workspace.con.execute(f"SELECT count(*) FROM {schema.EVENT_LOG}").fetchone()[0]
    return asim(workspace) + filtering(workspace) + view(workspace, recorded)

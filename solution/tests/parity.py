"""The parsers against the transforms: the same events came through both, and have to look the same.

- Each ASIM parser over the official table gives the rows that the `asim` transform stored, column by column.
- `NordPassEvents` says the same of an event whichever of the two tables it comes from, and says it once; also where the
  official connector has written it too, without an id.
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


def position(schema_name, parameter):
    """Where a parameter stands in the call."""
    names = [text.split(":")[0] for text in asim_parsers.parameters(schema_name)]
    return names.index(parameter)


# A parameter, a value, and what it has to mean for the rows of the unfiltered parser.
FILTERS = [
    ("AuditEvent", "srcipaddr_has_any_prefix", 'dynamic(["198.51.100.20"])', lambda row: row["SrcIpAddr"] == "198.51.100.20"),
    ("AuditEvent", "eventtype_in", 'dynamic(["Delete"])', lambda row: row["EventType"] == "Delete"),
    ("AuditEvent", "eventresult", '"Failure"', lambda row: row["EventResult"] == "Failure"),
    ("AuditEvent", "actorusername_has_any", 'dynamic(["anna.maier"])', lambda row: "anna.maier@" in row["ActorUsername"]),
    ("AuditEvent", "operation_has_any", 'dynamic(["vault_exported"])', lambda row: row["Operation"] == "vault_exported"),
    ("AuditEvent", "object_has_any", 'dynamic(["token"])', lambda row: "token" in row["Object"].lower().split()),
    ("AuditEvent", "newvalue_has_any", 'dynamic(["x"])', lambda row: False),
    ("AuditEvent", "disabled", "true", lambda row: False),
    ("Authentication", "username_has_any", 'dynamic(["ben.okafor"])', lambda row: "ben.okafor@" in row["TargetUsername"] + row["ActorUsername"]),
    ("Authentication", "targetusername_has_any", 'dynamic(["ben.okafor"])', lambda row: "ben.okafor@" in row["TargetUsername"]),
    ("Authentication", "actorusername_has_any", 'dynamic(["ben.okafor"])', lambda row: "ben.okafor@" in row["ActorUsername"]),
    ("Authentication", "targetappname_has_any", 'dynamic(["vault"])', lambda row: "vault" in row["TargetAppName"].split()),
    ("Authentication", "eventresultdetails_in", 'dynamic(["Incorrect password"])', lambda row: row["EventResultDetails"] == "Incorrect password"),
    ("Authentication", "eventresult", '"Failure"', lambda row: row["EventResult"] == "Failure"),
    ("Authentication", "targetipaddr_has_any_prefix", 'dynamic(["192.0.2."])', lambda row: False),
    ("UserManagement", "targetusername_has_any", 'dynamic(["dan.silva"])', lambda row: "dan.silva@" in row["TargetUsername"].lower()),
    ("UserManagement", "eventtype_in", 'dynamic(["UserDisabled", "UserDeleted"])', lambda row: row["EventType"] in ("UserDisabled", "UserDeleted")),
]


def filtering(workspace):
    """Each parameter keeps what it has to keep, and no more."""
    problems = []
    everything = {name: rows_of(workspace, f"ASim{name}NordPass()") for name in TABLES}
    for name, parameter, given, keeps in FILTERS:
        values = [text.split("=", 1)[1] for text in asim_parsers.parameters(name)]
        values[position(name, parameter)] = given
        kept = rows_of(workspace, f"vim{name}NordPass({', '.join(values)})").keys()
        wanted = {event for event, row in everything[name].items() if keeps(row)}
        if kept != wanted:
            problems.append(f"vim{name}NordPass with {parameter} = {given} keeps {len(kept)} rows, not {len(wanted)}")
        if wanted and wanted == everything[name].keys():
            problems.append(f"vim{name}NordPass: {parameter} = {given} keeps everything, which shows nothing")
    if rows_of(workspace, "ASimUserManagementNordPass(true)"):
        problems.append("ASimUserManagementNordPass: rows although it is disabled")
    return problems


def view(workspace, recorded):
    """`NordPassEvents` from one table only, and from both."""
    both = _events(workspace, "Backfilled")
    alone = {}
    for name, emptied in (("asim", [schema.EVENT_LOG]), ("official", schema.ASIM)):
        for table in emptied:
            workspace.con.execute(f'ALTER TABLE "{table}" RENAME TO "Away_{table}"')
            workspace.con.execute(f'CREATE TABLE "{table}" AS SELECT * FROM "Away_{table}" LIMIT 0')
        alone[name] = _kept(workspace, f"Only_{name}")
        for table in emptied:
            workspace.con.execute(f'DROP TABLE "{table}"')
            workspace.con.execute(f'ALTER TABLE "Away_{table}" RENAME TO "{table}"')
    columns = ["EventTime", "EventName", "Organization", "Actor", "ActorId", "ActorUPNSuffix", "Target", "TargetUPNSuffix", "MspUser", "Member",
               "Initiator", "SrcIpAddr", "Platform", "Provider", "Status", "Items", "ItemCount", "Emails", "People"]
    found = differences(alone["asim"], alone["official"], columns)
    print(f"  NordPassEvents: {len(both)} events of {recorded} recorded, {len(found)} differences between the tables")
    problems = [f"NordPassEvents: {text}" for text in found[:SHOWN]]
    if both.keys() != alone["asim"].keys() or len(both) != recorded:
        problems.append(f"NordPassEvents: {len(both)} events from both tables, {len(alone['asim'])} from ASIM, {recorded} recorded")
    return problems + copies(workspace, both)


def copies(workspace, both):
    """The official connector ran beside ours: its rows have no id, and came an hour before."""
    con, hour = workspace.con, "INTERVAL 1 HOUR"
    columns = [row[1] for row in con.execute(f"PRAGMA table_info('{schema.EVENT_LOG}')").fetchall()]
    plain = "CASE WHEN json_type(metadata) = 'OBJECT' THEN json_merge_patch(metadata, '{\"connector\": null}') ELSE metadata END"
    changed = {"event_id": "''", "metadata": plain, "_IngestionTime": f'"_IngestionTime" - {hour}'}
    values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
    con.execute(f"CREATE TABLE Unnumbered AS SELECT {values} FROM {schema.EVENT_LOG}")
    con.execute(f"INSERT INTO {schema.EVENT_LOG} SELECT * FROM Unnumbered")
    problems = []
    beside = _kept(workspace, "Beside")
    if beside.keys() != both.keys():
        problems.append(f"NordPassEvents: {len(beside)} events where the official connector ran beside ours, not {len(both)}")
    late = [event for event, row in beside.items() if event in both and row["IngestedAt"] == both[event]["IngestedAt"]]
    if late:
        problems.append(f"NordPassEvents: {len(late)} events count as new although the official connector brought them an hour before")
    for table in schema.ASIM + [schema.EVENT_LOG]:
        con.execute(f'DELETE FROM "{table}"')
    con.execute(f"INSERT INTO {schema.EVENT_LOG} SELECT * FROM Unnumbered")
    alone = {_sort(row) for row in _kept(workspace, "Alone").values()}
    if alone != {_sort(row) for row in both.values()}:
        problems.append(f"NordPassEvents: the official connector alone gives {len(alone)} different events")
    print(f"  NordPassEvents: {len(beside)} events beside the official connector, {len(alone)} different ones from it alone")
    return problems


def _sort(row):
    """What the official connector's row says too; the member beside a technician of an MSP isn't in it."""
    return row["EventName"], row["EventTime"], row["Organization"], row["Actor"], row["SrcIpAddr"], str(row["Items"]), str(row["Emails"])


def _kept(workspace, table):
    workspace.kept.discard("NordPassEvents")
    workspace.keep("NordPassEvents", table)
    workspace.kept.add("NordPassEvents")
    return _events(workspace, table)


def _events(workspace, table):
    relation = workspace.con.execute(f'SELECT *, EventId AS EventOriginalUid, EventName AS EventOriginalType FROM "{table}"')
    names = [column[0] for column in relation.description]
    return {row[names.index("EventId")]: dict(zip(names, row)) for row in relation.fetchall()}


def workspace_of(work):
    """The recordings without the month, as they arrived."""
    workspace = tables.Workspace(work)
    workspace.without(month.ORGANIZATION)
    workspace.backfilled()
    workspace.keep("NordPassEvents", "Backfilled")
    return workspace


def parsers(work):
    """The problems of the ASIM parsers."""
    workspace = workspace_of(work)
    return asim(workspace) + filtering(workspace)


def events(work):
    """The problems of `NordPassEvents`."""
    workspace = workspace_of(work)
    return view(workspace, workspace.con.execute(f"SELECT count(*) FROM {schema.EVENT_LOG}").fetchone()[0])

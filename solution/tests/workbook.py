"""The workbook's queries, taken from the gallery template itself, with what somebody picked put into them.

A picker's choices are looked up by its own query, as in the portal. `check` binds and runs every query over both kinds of
tables, once with all organizations, users and platforms, and once with two of these pickers narrowed: which two is the query's
turn. The time ranges alternate. The official table has to give what the ASIM tables give, row by row. `long` runs every
combination.
"""

import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

import bind
import content
import executor
import schema

PATH = content.SOLUTION / "Workbooks" / "NordPass.json"

# The choices of the picker `Tables`.
TABLES = ("asim", "official")
# Tabs that are about the tables themselves, so that the two can't agree.
ABOUT_TABLES = {"Cost"}


@dataclass
class Tile:
    """A query of the workbook, and how it is shown."""

    tab: str
    title: str
    query: str
    content: dict
    width: int

    @property
    def name(self):
        return f"{self.tab}: {self.title}"


@dataclass
class Workbook:
    """What the template has."""

    tabs: list = field(default_factory=list)
    tiles: list = field(default_factory=list)
    pickers: dict = field(default_factory=dict)
    # Parameters with a fixed text: the catalogue's lists, and text fields with their first value.
    texts: dict = field(default_factory=dict)


def load(path=PATH):
    """Reads the template."""
    workbook = Workbook()

    def walk(items, tab):
        for item in items:
            content = item["content"]
            if item["type"] == 9:
                for parameter in content["parameters"]:
                    if parameter["type"] == 1:
                        workbook.texts[parameter["name"]] = parameter["value"]
                    elif "query" in parameter:
                        workbook.pickers[parameter["name"]] = parameter["query"]
            elif item["type"] == 11:
                workbook.tabs = [{"id": link["subTarget"], "label": link["linkLabel"]} for link in content["links"]]
            elif item["type"] == 12:
                walk(content["items"], item["name"])
            elif item["type"] == 3:
                if "exportParameterName" in content:
                    workbook.texts[content["exportParameterName"]] = content["exportDefaultValue"]
                workbook.tiles.append(Tile(tab, content["title"], content["query"], content, int(item.get("customWidth", 100))))
            elif item["type"] == 1 and tab is not None and item["name"].endswith(" - about"):
                next(found for found in workbook.tabs if found["id"] == tab)["about"] = content["json"]

    walk(json.loads(path.read_text(encoding="utf-8"))["items"], None)
    return workbook


def fill(workbook, query, picks):
    """The query as the portal sends it. `picks` are parameters of this run; texts that aren't among them keep their own."""
    begin, end, grain = picks["TimeRange"]
    values = workbook.texts | {
        "TimeRange:startISO": f"{begin.isoformat()}Z",
        "TimeRange:endISO": f"{end.isoformat()}Z",
        "TimeRange:grain": grain,
    }
    for name, value in picks.items():
        if name in workbook.pickers:
            # `quote` and `delimiter` of the parameter; `selectAllValue` for all.
            chosen = ["*"] if value is None else value if isinstance(value, list) else [value]
            value = ",".join(f"'{choice}'" for choice in chosen)
        values[name] = value
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    texts |= {f"{name}:escapejson": json.dumps(value, ensure_ascii=False)[1:-1] for name, value in texts.items()}
    return re.sub(r"\{(\w+(:\w+)?)\}", lambda found: texts.get(found[1], found[0]), query)


def run(workspace, query, now):
    """Columns and rows."""
    return executor.answer(workspace.con, query, query_now=now)


def prepare(workspace):
    """Gives each row the size that Azure bills: about what its values take."""
    for table in workspace.schema:
        values = [name for name, kind in workspace.schema[table].items() if not name.startswith("_")]
        if "_BilledSize" in workspace.schema[table] and values:
            size = " + ".join(f"coalesce(length(CAST(\"{name}\" AS VARCHAR)), 0)" for name in values)
            workspace.con.execute(f'UPDATE "{table}" SET "_BilledSize" = {size}')


def ranges(workspace):
    """A week of all events in steps of six hours, and the last two days in hours."""
    first, last = workspace.con.execute(
        "SELECT min(event_time), max(event_time) FROM NordPassEventLogs_CL").fetchone()
    # The health rows are of now; the last event is of a moment before.
    health = workspace.con.execute("SELECT max(TimeGenerated) FROM NordPassConnectorHealth_CL").fetchone()[0]
    last = max(last, health) + timedelta(seconds=1)
    return [(first, last, "6h"), (last - timedelta(days=2), last, "1h")]


def choices(workbook, workspace, time):
    """Of each picker: all, and its second value (the first is the most frequent, and nearly the same as all)."""
    found = {}
    for name, query in workbook.pickers.items():
        picks = {"TimeRange": time, "Tables": "asim", **{other: None for other in workbook.pickers}}
        columns, rows = run(workspace, fill(workbook, query, picks), time[1])
        assert columns[:2] == ["value", "label"], columns
        found[name] = [None] + [row[0] for row in rows][1:2]
    return found


def combinations(workbook, workspace, long=False):
    """Combinations of picker values, with the time range that is its turn: every one, or as few as have each two values of
    two pickers together. Those are the ones in which an even number of pickers has something chosen."""
    times = ranges(workspace)
    found = choices(workbook, workspace, times[0])
    every = [values for values in itertools.product(*found.values()) if long or sum(value is not None for value in values) % 2 == 0]
    for number, values in enumerate(every):
        yield dict(zip(found, values)), times[number % 2 :] + times[: number % 2]


def check(workspace, work, node, long=False):
    """The problems of every query, in words."""
    workbook, problems = load(), []
    prepare(workspace)
    every = list(combinations(workbook, workspace, long))
    if len(every) != 2 ** (len(workbook.pickers) - (not long)):
        problems.append(f"the pickers have {len(every)} combinations: there has to be something to choose in each")
    filled, known = [], {}
    for number, (picked, times) in enumerate(every):
        for place, tile in enumerate(workbook.tiles):
            if not long and number not in (0, 1 + place % (len(every) - 1)):
                continue
            time = times[place % 2]
            results = []
            for tables in TABLES:
                query = fill(workbook, tile.query, picked | {"TimeRange": time, "Tables": tables})
                if query not in known:
                    filled.append((tile.name, query))
                    try:
                        known[query] = run(workspace, query, time[1])[1]
                    except Exception as error:  # the executor has many kinds
                        problems.append(f"{tile.name}, {tables}, {picked}: {error!r}"[:400])
                        known[query] = []
                    problems += [f"{tile.name}: {text}" for text in formulas(known[query])]
                results.append(known[query])
            if tile.tab not in ABOUT_TABLES and plain(results[0]) != plain(results[-1]):
                problems.append(f"{tile.name}, {picked}: the official table gives something else than the ASIM tables")
    for (name, _), bound in zip(filled, bind.bind([query for _, query in filled], work, node)):
        problems += [f"{name}: {error}" for error in bound["errors"]]
    problems += filters(workbook, workspace)
    problems += empty(workbook, workspace, known)
    print(f"the workbook: {len(workbook.tiles)} queries, {len(every)} combinations, {len(filled)} texts bound and run")
    return problems


def check_hostile(workspace, work, node):
    """The problems with names that could be code, in words."""
    prepare(workspace)
    return Hostile(load(), workspace).check(work, node)


def formulas(rows):
    """Cells that a spreadsheet would calculate."""
    return [f"a cell begins as a formula does: {cell[:40]!r}" for row in rows for cell in row if isinstance(cell, str) and cell[:1] in FORMULA]


class Hostile:
    """Names that could be code: as a choice, a chosen row, a typed text, and in rows that nobody chose."""

    def __init__(self, workbook, workspace):
        self.workbook, self.workspace = workbook, workspace
        self.time = ranges(workspace)[0]
        self.events = [json.loads(line) for line in (content.ROOT / "tests/fixtures/recorded/hostile-names.ndjson").read_text(encoding="utf-8").splitlines()]
        self.names = list(dict.fromkeys(event["organization_uuid"] for event in self.events))
        self.filled, self.problems = [], []

    def rows(self, name, query, tables="asim", **picked):
        """The rows of a filled query, as dictionaries."""
        picks = {other: None for other in self.workbook.pickers} | picked | {"TimeRange": self.time, "Tables": tables}
        query = fill(self.workbook, query, picks)
        self.filled.append((name, query))
        try:
            columns, rows = run(self.workspace, query, self.time[1])
        except Exception as error:  # the executor has many kinds
            self.problems.append(f"{name}, {tables}, {picked}: {error!r}"[:400])
            return []
        self.problems += [f"{name}, {picked}: {text}" for text in formulas(rows)]
        return [dict(zip(columns, row)) for row in rows]

    def tile(self, name, **picked):
        """The rows of a tile."""
        return self.rows(name, next(tile.query for tile in self.workbook.tiles if tile.name == name), **picked)

    def everything(self, turn=0, **picked):
        """All tiles but those about the tables, each over the kind of tables whose turn it is."""
        tiles = [tile for tile in self.workbook.tiles if tile.tab not in ABOUT_TABLES]
        return {tile.name: self.rows(tile.name, tile.query, TABLES[(place + turn) % 2], **picked) for place, tile in enumerate(tiles)}

    def same(self, what, found, wanted):
        if found != wanted:
            self.problems.append(f"{what}: {str(found)[:200]}, not {str(wanted)[:200]}")

    def chosen(self):
        """Every name can be chosen, and choosing it means it and nothing else. Returns the choices of organizations."""
        counted = {}
        for turn, (picker, query) in enumerate(self.workbook.pickers.items()):
            values = {row["label"]: row["value"] for row in self.rows(picker, query)}
            self.same(f"{picker}: choices that aren't a hash", [value for value in values.values() if not re.fullmatch("[0-9a-f]{64}", value)], [])
            counted[picker] = {name: values.get(cell(name)) for name in self.names}
            for place, (name, value) in enumerate(counted[picker].items()):
                has = {"Organization": lambda event: event["organization_uuid"] == name,
                       "User": lambda event: name in (event["user"]["email"], event["metadata"].get("msp", {}).get("user_email")),
                       "Platform": lambda event: event["metadata"].get("platform") == name}[picker]
                wanted = sum(map(has, self.events))
                tables = TABLES[(place + turn) % 2]
                found = sum(row["Count"] for row in self.tile("Overview: Organizations", tables=tables, **{picker: value}))
                self.same(f"{picker} {name!r}, {tables}", found, wanted)
        # Two names that are code together, in each picker.
        two = {picker: [values[name] for name in self.names[:2]] for picker, values in counted.items()}
        self.everything(**two)
        return counted["Organization"]

    def selected(self):
        """A row of a table shows the events of its kind, whatever that is called."""
        keys = {row["Event"]: row["Key"] for row in self.tile("Events: Events by kind")}
        for name in self.names:
            event = cell(f"{name}.{name}")
            found = self.tile("Events: Events", SelectedEvents=keys.get(event, event))
            self.same(f"chosen row {event!r}", [row["Event"] for row in found], [event])

    def typed(self, organizations):
        """A text is looked for as it is typed."""
        hostile = {"Organization": list(organizations.values())}
        everything = self.tile("Events: Events", **hostile)
        self.same("events of hostile names", len(everything), len(self.events))
        for name in self.names:
            wanted = {row["EventId"] for row in everything if any(name.lower() in row[place].lower() for place in ("Event", "User", "Details"))}
            self.same(f"text {name!r}", {row["EventId"] for row in self.tile("Events: Events", Text=name, **hostile)}, wanted)
            self.tile("Cost: In numbers", PricePerGB=name)

    def unseen(self):
        """Who looks at another organization sees the same with and without them."""
        rows = self.rows("Organization", self.workbook.pickers["Organization"])
        other = next(row["value"] for row in rows if row["label"] not in [cell(name) for name in self.names])
        before = self.everything(Organization=other)
        places = [(schema.EVENT_LOG, "organization_uuid")] + [(table, "json_extract_string(\"AdditionalFields\", '$.Organization')") for table in schema.ASIM]
        for table, organization in places:
            self.workspace.con.execute(f'DELETE FROM "{table}" WHERE list_contains(?, {organization})', [self.names])
        for name, rows in self.everything(Organization=other).items():
            self.same(f"{name}, beside hostile names", before[name], rows)

    def check(self, work, node):
        """The problems, in words. Afterwards the rows with these names are gone."""
        organizations = self.chosen()
        self.selected()
        self.typed(organizations)
        self.unseen()
        for (name, query), bound in zip(self.filled, bind.bind([query for _, query in self.filled], work, node)):
            self.problems += [f"{name}: {error}" for error in bound["errors"]]
        print(f"the workbook: {len(self.names)} hostile names, {len(self.filled)} texts bound and run")
        return self.problems


def cell(text):
    """As a table shows it."""
    return f"'{text}" if text[:1] in FORMULA else text


def empty(workbook, workspace, known):
    """Tiles that show nothing where nothing is left out: of the whole week, and everything in each picker. `known` has the rows of
    queries that were run."""
    picks = {"TimeRange": ranges(workspace)[0], "Tables": "asim", **{name: None for name in workbook.pickers}}
    end = picks["TimeRange"][1]

    def shows(tile):
        query = fill(workbook, tile.query, picks)
        return known[query] if query in known else run(workspace, query, end)[1]

    found = [tile.name for tile in workbook.tiles if not shows(tile)]
    return [f"{name}: never shows anything" for name in sorted(set(found) - NEVER)]


def filters(workbook, workspace):
    """Pickers narrow what is counted: the organizations add up to all, and one person or platform is less than all."""
    time, problems = ranges(workspace)[0], []
    tile = next(tile for tile in workbook.tiles if tile.name == "Overview: Organizations")
    everything = {name: None for name in workbook.pickers}

    def count(tables, **picked):
        query = fill(workbook, tile.query, everything | picked | {"TimeRange": time, "Tables": tables})
        columns, rows = run(workspace, query, time[1])
        return sum(row[columns.index("Count")] for row in rows)

    query = fill(workbook, workbook.pickers["Organization"], everything | {"TimeRange": time, "Tables": "asim"})
    organizations = [row[0] for row in run(workspace, query, time[1])[1]]
    for tables in TABLES:
        total = count(tables)
        parts = [count(tables, Organization=value) for value in organizations]
        if len(parts) < 2 or 0 in parts or sum(parts) != total:
            problems.append(f"{tables}: the organizations have {parts} events, and all have {total}")
        for name, values in choices(workbook, workspace, time).items():
            if not 0 < count(tables, **{name: values[-1]}) < total:
                problems.append(f"{tables}: the picker {name} doesn't narrow anything")
    return problems


# What a spreadsheet takes for the begin of a formula.
FORMULA = tuple("=+-@\t\r\n")

# What the demo can't show: the API has no gap there.
NEVER = {"Health: Times that NordPass no longer had"}


def plain(rows):
    """Rows without the raw details, which the two transforms write differently on purpose."""
    return [[value for value in row if not (isinstance(value, str) and value.startswith("{"))] for row in rows]


def without_gaps(rows, grain):
    """Rows of time, series and count, with a row of nothing at each step that has none: the portal's axis is time, too."""
    number, unit = int(grain[:-1]), {"s": "seconds", "h": "hours", "m": "minutes"}[grain[-1]]
    step, seen = timedelta(**{unit: number}), {row[0] for row in rows}
    at, rows = min(seen, default=None), list(rows)
    while at is not None and at < max(seen):
        at += step
        if at not in seen:
            rows.append((at, rows[0][1], 0))
    return rows


def preview(workspace):
    """Everything that the preview draws: tabs, and tiles with their results, for the ASIM tables and all organizations."""
    workbook = load()
    prepare(workspace)
    week = ranges(workspace)[0]
    health = workspace.con.execute("SELECT min(TimeGenerated), max(TimeGenerated) FROM NordPassConnectorHealth_CL").fetchone()
    tiles = []
    for tile in workbook.tiles:
        # The demo runs for seconds, so its health is looked at in seconds.
        time = (*health, "1s") if tile.tab == "Health" else week
        picks = {"TimeRange": time, "Tables": "asim", **{name: None for name in workbook.pickers}}
        columns, rows = run(workspace, fill(workbook, tile.query, picks), time[1])
        if tile.content["visualization"] in ("timechart", "barchart") and columns[2] in ("Count", "MB"):
            rows = without_gaps(rows, time[2])
        rows = [[value.isoformat() + "Z" if hasattr(value, "isoformat") else value for value in row] for row in rows]
        tiles.append({"tab": tile.tab, "title": tile.title, "width": tile.width, "content": tile.content,
                      "columns": columns, "rows": rows})
    return {"tabs": workbook.tabs, "tiles": tiles, "from": week[0].isoformat(), "to": week[1].isoformat()}

"""Each rule fires on its scenario with the right entities, once, and is silent in the quiet month."""

import json
import re
from datetime import timedelta

import duckdb
import duckdb_kql

import attacks
import content
import month
import scenarios
import schema
import tables

EVENTS = "NordPassEvents"
# How long Azure may take to show a row: longer than the frequency of the rules that watch the connector.
LATE = timedelta(minutes=17)
# How often a rule may speak in our own month of 500 people: once for 300, rounded up.
QUIET = 2
REFUSALS = (duckdb_kql.KqlError, duckdb.Error)


def entities(rule, row):
    """An alert's entities: type to values of the first identifier of each mapping."""
    found = {}
    for mapping in rule.data.get("entityMappings", []):
        value = row[mapping["fieldMappings"][0]["columnName"]]
        if value not in (None, ""):
            found.setdefault(mapping["entityType"], []).append(str(value))
    return {kind: sorted(values) for kind, values in found.items()}


def unnamed(rule, row):
    """What an alert's name would show as nothing: somebody reads it at night."""
    title = (rule.data.get("alertDetailsOverride") or {}).get("alertDisplayNameFormat", "")
    empty = [column for column in re.findall(r"{{(\w+)}}", title) if row[column] in (None, "")]
    return {f"{rule.name}: an alert's name has nothing for {column}" for column in empty}


def comparable(alerts):
    return sorted(json.dumps(alert, sort_keys=True) for alert in alerts)


class Unsupported(Exception):
    """A query that the executor can't run."""


class Runner:
    """Runs rules as the scheduler would."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.con = workspace.con
        self.executed = {}
        self.unnamed = set()
        self.fired = {}
        self.month = {}

    def events(self, source, organizations, oldest, now):
        """NordPassEvents for some organizations within a rule's period, from the kept result of the parser."""
        self.con.execute(f"CREATE OR REPLACE TABLE {EVENTS} AS SELECT * FROM {source} WHERE list_contains(?, Organization) "
                         "AND TimeGenerated > ? AND TimeGenerated <= ?", [organizations, oldest, now])

    def health(self, instance, oldest, now, late, earlier):
        """The health rows of one life within a rule's period, each shown so late; and the same rows hours before."""
        spells = "(VALUES (INTERVAL 0 HOUR), (INTERVAL 5 HOUR)) AS spells(ago)" if earlier else "(VALUES (INTERVAL 0 HOUR)) AS spells(ago)"
        names = [column[1] for column in self.con.execute("PRAGMA table_info('AllHealth')").fetchall()]
        moved = {"TimeGenerated": '"TimeGenerated" - ago', "_IngestionTime": '"TimeGenerated" - ago + ?'}
        columns = ", ".join(moved.get(name, f'"{name}"') + f' AS "{name}"' for name in names)
        self.con.execute(f"CREATE OR REPLACE TABLE {schema.HEALTH} AS SELECT * FROM (SELECT {columns} FROM AllHealth, {spells} WHERE Instance = ?) "
                         'WHERE "TimeGenerated" > ? AND "TimeGenerated" <= ?', [late, instance, oldest, now])

    def run(self, rule, now):
        """The alerts of one run."""
        self.executed[rule.name] = tables.substitute(rule.query)
        try:
            rows = self.workspace.query(rule.query, now)
        except REFUSALS as error:
            raise Unsupported(f"{rule.name}: the executor says: {error}") from error
        for row in rows:
            self.unnamed |= unnamed(rule, row)
        return [entities(rule, row) for row in rows]

    def others(self, scenario, now):
        """Watchlists, and rows of tables that aren't ours; `minutesAgo` stands for times."""
        self.workspace.watchlists(scenario.watchlists)
        for table in json.loads((content.SOLUTION / "tests/schema.json").read_text())["tables"]:
            self.con.execute(f"DELETE FROM {table}")
            path = self.workspace.work / f"{table}.ndjson"
            rows = scenario.tables.get(table, [])
            if rows:
                at = (now - timedelta(minutes=30)).isoformat() + "Z"
                path.write_text("".join(json.dumps({"TimeGenerated": at} | row) + "\n" for row in rows))
                self.workspace.insert(table, path)

    def tried(self, rule, scenario):
        """Problems of a rule on its scenario: as it happens, and when all of it comes late."""
        if scenario.instance:
            return self.health_scenario(rule, scenario)
        return self.scenario(rule, scenario, "Live") + self.scenario(rule, scenario, "Backfilled")

    def scenario(self, rule, scenario, source):
        """Problems of a rule on its scenario, over one arrangement of the times."""
        backfilled = source == "Backfilled"
        now = self.workspace.arrival + timedelta(minutes=2) if backfilled else scenario.now
        frequency = tables.period(rule.data["queryFrequency"])
        problems = []
        for run, expected in ((0, scenario.alerts), (1, [])):
            at = now + run * frequency
            self.others(scenario, at)
            self.events(source, scenario.organizations, at - tables.period(rule.data["queryPeriod"]), at)
            alerts = self.run(rule, at)
            if comparable(alerts) != comparable(expected):
                which = "the next run" if run else "the run"
                problems.append(f"{rule.name} ({source.lower()}): {which} said {alerts}, expected {expected}")
            if run == 0:
                self.fired[rule.name] = len(alerts)
        return problems

    def health_scenario(self, rule, scenario):
        """The same for a rule about the connector itself: rows that are there at once, and rows that Azure shows late."""
        return self.told(rule, scenario, timedelta()) + self.told(rule, scenario, LATE)

    def told(self, rule, scenario, late):
        """Says its alert once, and says it again where the same trouble was there hours ago in the same life."""
        last = self.con.execute("SELECT max(TimeGenerated) FROM AllHealth WHERE Instance = ?", [scenario.instance]).fetchone()[0]
        now = last + timedelta(minutes=scenario.after) + late
        frequency = tables.period(rule.data["queryFrequency"])
        problems = []
        for earlier in (False, True):
            for run, expected in ((0, scenario.alerts), (1, [])):
                at = now + run * frequency
                self.health(scenario.instance, at - tables.period(rule.data["queryPeriod"]), at, late, earlier and "State" in rule.query)
                alerts = self.run(rule, at)
                if comparable(alerts) != comparable(expected):
                    problems.append(f"{rule.name}: run {run}, {late} late, said {alerts}, expected {expected}")
                if run == 0:
                    self.fired[rule.name] = len(alerts)
        return problems

    def quiet(self, rule):
        """One pass over the month, all of which has just arrived."""
        now = self.workspace.arrival + timedelta(minutes=2)
        self.others(month.surroundings(), now)
        alerts = self.run(rule, now)
        self.month[rule.name] = len(alerts)
        return [f"{rule.name}: {len(alerts)} alerts in the quiet month, such as {alerts[0]}"] if len(alerts) > QUIET else []


def prepare(workspace):
    """Keeps the parser's result over both arrangements of the times."""
    workspace.con.execute(f"CREATE TABLE AllHealth AS SELECT * FROM {schema.HEALTH}")
    workspace.live()
    workspace.keep(EVENTS, "Live")
    workspace.backfilled()
    workspace.keep(EVENTS, "Backfilled")
    workspace.kept.add(EVENTS)


def check(workspace):
    """The problems, and the runner with what happened."""
    runner = Runner(workspace)
    problems = []
    for rule in filter(lambda rule: scenarios.has(rule.name), content.rules()):
        try:
            problems += runner.tried(rule, scenarios.read(rule.name))
        except Unsupported as error:
            problems.append(str(error))
    problems += sorted(runner.unnamed) + untried()
    if problems:
        return problems, runner
    arrival = workspace.arrival
    runner.events("Backfilled", [month.ORGANIZATION], arrival - timedelta(days=1), arrival + timedelta(days=1))
    month.health(runner)
    for rule in content.rules():
        problems += runner.quiet(rule)
    problems += untouched(runner)
    problems += whole(workspace)
    return problems, runner


def untried():
    """Rules that neither a scenario nor an attack of the frozen samples is about."""
    covered = {name for names in attacks.COVERAGE.values() for name in names}
    return [f"{rule.name}: no scenario, and no attack in coverage.json" for rule in content.rules()
            if not scenarios.has(rule.name) and rule.name not in covered | {"NordPassLoginOutage"}]


def whole(workspace):
    """Every event of the month became one event of the view: silence isn't for want of rows."""
    recorded = len((workspace.work / "month.ndjson").read_text(encoding="utf-8").splitlines())
    found = [workspace.con.execute(f"SELECT count(*) FROM {table} WHERE Organization = ?", [month.ORGANIZATION]).fetchone()[0]
             for table in ("Live", "Backfilled")]
    return [] if found == [recorded] * 2 else [f"the month has {recorded} events, the view {found}"]


def untouched(runner):
    """What was executed is the file's own text, but for the published table."""
    problems = []
    for rule in content.rules():
        if tables.restore(runner.executed[rule.name]) != content.query_in_file(rule):
            problems.append(f"{rule.name}: the executed text isn't the file's")
    return problems

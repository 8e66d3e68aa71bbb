"""Runs rules as Sentinel's scheduler does: again and again, each run seeing what has arrived by then.

A rule asks for what arrived since its last run, `ago(FREQUENCY)`. A coarser step runs it less often and asks for what
arrived within the step instead: the same question over fewer runs. Rules whose answer is a silence need their own step.
"""

import hashlib

from duckdb_kql import engine

import executor
import schema
import tables

EVENTS = "NordPassEvents"
# What a run sees: the rows of its period that have arrived.
ARRIVED = "WHERE TimeGenerated > getvariable('run_oldest') AND TimeGenerated <= getvariable('run_now')"


class Scheduler:
    """Rules over a workspace whose rows have their times of arrival."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.con = workspace.con
        self.translated = {}

    def keep(self):
        """Keeps the view's result, and shows of it, and of the health rows, what has arrived and is in the period."""
        self.keep_events()
        self.workspace.kept.add(EVENTS)
        self.keep_health()
        self.only([])

    def keep_events(self):
        """Keeps the view's result, also in a file: of the same rows and the same text it is the same next time."""
        path = self.workspace.work / "seen.db"
        text = "".join(self.workspace.functions(EVENTS))
        stamp = self.workspace.work / "seen.stamp"
        made = hashlib.sha256(text.encode()).hexdigest()
        if not stamp.exists() or stamp.read_text() != made:
            self.workspace.keep(EVENTS, "Seen")
            path.unlink(missing_ok=True)
            self.con.execute(f"ATTACH '{path}' AS kept; CREATE TABLE kept.Seen AS SELECT * FROM Seen; DETACH kept")
            stamp.write_text(made)
        else:
            self.con.execute(f"ATTACH '{path}' AS kept (READ_ONLY); CREATE TABLE Seen AS SELECT * FROM kept.Seen; DETACH kept")

    def keep_health(self):
        """Shows of the health rows what has arrived and is in the period."""
        self.con.execute("SET VARIABLE run_now = now()::TIMESTAMP; SET VARIABLE run_oldest = now()::TIMESTAMP")
        self.con.execute(f'ALTER TABLE "{schema.HEALTH}" RENAME TO AllHealth')
        self.con.execute(f"CREATE VIEW {schema.HEALTH} AS SELECT * FROM AllHealth {ARRIVED} AND _IngestionTime <= getvariable('run_now')")

    def only(self, organizations):
        """Shows the events of these organizations; of all if there are none."""
        source = "Seen"
        if organizations:
            source = "Narrow"
            self.con.execute("CREATE OR REPLACE TABLE Narrow AS SELECT * FROM Seen WHERE list_contains(?::VARCHAR[], Organization)", [organizations])
        self.con.execute(f"CREATE OR REPLACE VIEW {EVENTS} AS SELECT * FROM {source} {ARRIVED} AND IngestedAt <= getvariable('run_now')")

    def translate(self, rule, step, now):
        """The rule's query as SQL and its parameters, translated once for each step."""
        name = (rule.name, step)
        if name not in self.translated:
            text = rule.query
            if step is not None:
                text = text.replace(f"ago({rule.data['queryFrequency']})", f"ago({int(step.total_seconds())}s)")
            text = tables.substitute(text)
            self.translated[name] = executor.translate(text, engine.schema(self.con), now, self.workspace.functions(text))
        return self.translated[name]

    def run(self, rule, now, step=None, period=None):
        """The rows that a run of the rule gives."""
        sql, times, parameters = self.translate(rule, step, now)
        oldest = now - (period or tables.period(rule.data["queryPeriod"]))
        self.con.execute(f"SET VARIABLE run_now = TIMESTAMP '{now}'; SET VARIABLE run_oldest = TIMESTAMP '{oldest}'")
        names, rows = executor.answer_sql(self.con, sql, parameters and parameters | dict.fromkeys(times, now))
        return [dict(zip(names, row)) for row in rows]

    def over(self, rule, begin, end, step):
        """All rows of the runs from `begin` to `end`, each with its time. Without a step it is one run over all that time."""
        period = tables.period(rule.data["queryPeriod"]) + (end - begin if step is None else step)
        step, now = step or end - begin, begin
        while now < end:
            now += step
            for row in self.run(rule, now, step, period):
                yield now, row

"""Rows to tables, and queries over them.

The rows are what the ingestion simulator stored (`rows/TABLE.ndjson`). DuckDB holds them: JSON columns for dynamic,
TIMESTAMP in UTC for datetime, and `_IngestionTime` for what Kusto's `ingestion_time()` answers. A query runs at a stated
`now`, and sees what a scheduled rule sees: rows whose TimeGenerated is within its period.
"""

import json
import re
from datetime import timedelta
from pathlib import Path

import duckdb_kql

import content
import executor
import schema

SQL_TYPES = {"string": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "real": "DOUBLE", "bool": "BOOLEAN",
             "datetime": "TIMESTAMP", "dynamic": "JSON", "guid": "VARCHAR"}
SUBSTITUTIONS = json.loads(Path(__file__).with_name("substitutions.json").read_text())

WATCHLIST = "function _GetWatchlist(watchlistAlias:string) { WatchlistRows | where Alias == watchlistAlias | project-away Alias }"

# How long after it happened an event arrives, where the pipeline works as it should.
LATENCY = "60 SECONDS"


def substitute(query):
    """The text that is executed: the query, byte for byte, but for the published table."""
    for entry in SUBSTITUTIONS:
        query = query.replace(entry["from"], entry["to"])
    return query


def restore(executed):
    """The other way round."""
    for entry in SUBSTITUTIONS:
        executed = executed.replace(entry["to"], entry["from"])
    return executed


def period(text):
    """`47h` as a time span."""
    number, unit = re.fullmatch(r"(\d+)([mhd])", text).groups()
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[unit]: int(number)})


class Workspace:
    """The tables, and the functions over them."""

    def __init__(self, work, arrives=False):
        self.work = Path(work)
        # Whether the rows of the official table have their own times of arrival.
        self.arrives = arrives
        # Functions whose result is kept as a table of their name.
        self.kept = set()
        self.con = duckdb_kql.connect()
        self.con.execute("SET TimeZone = 'UTC'; SET threads = 2; SET preserve_insertion_order = false")
        self.schema = schema.tables(work)
        for table, columns in self.schema.items():
            self._load(table, columns)
        self._arrive()
        names = schema.watchlist_columns()
        declared = ", ".join(f'"{name}" VARCHAR' for name in ["Alias"] + names)
        self.con.execute(f"CREATE TABLE WatchlistRows ({declared})")

    def _load(self, table, columns):
        """All rows that were stored; a text that a row doesn't have is empty, as in Kusto."""
        typed = {name: SQL_TYPES[kind] for name, kind in columns.items()}
        declared = ", ".join(f'"{name}" {kind}' for name, kind in typed.items())
        self.con.execute(f'CREATE TABLE "{table}" ({declared}, "_IngestionTime" TIMESTAMP)')
        path = self.work / "rows" / f"{table}.ndjson"
        if path.exists():
            self.insert(table, path)

    def insert(self, table, path):
        """Adds rows of an NDJSON file."""
        typed = {name: SQL_TYPES[kind] for name, kind in self.schema[table].items()}
        spec = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in typed.items()) + "}"
        values = ", ".join(f"coalesce(\"{name}\", '')" if kind == "VARCHAR" else f'"{name}"' for name, kind in typed.items())
        source = f"read_json('{path}', format = 'newline_delimited', columns = {spec})"
        arrival = '"TimeGenerated"'
        if table == schema.EVENT_LOG and self.arrives:
            source = source.replace(f"columns = {spec}", f"columns = {spec[:-1]}, '_Arrival': 'TIMESTAMP'}}")
            arrival = '"_Arrival"'
        self.con.execute(f'INSERT INTO "{table}" SELECT {values}, {arrival} FROM {source}')

    def _arrive(self):
        """Notes for each event row when it happened; `live` and `backfilled` set the other times by it."""
        for table in schema.ASIM:
            self.con.execute(f'ALTER TABLE "{table}" ADD COLUMN "_Happened" TIMESTAMP')
            happened = "CAST(json_extract_string(\"AdditionalFields\", '$.OriginalTime') AS TIMESTAMP)"
            self.con.execute(f'UPDATE "{table}" SET "_Happened" = {happened}')
        self.con.execute(f'ALTER TABLE "{schema.EVENT_LOG}" ADD COLUMN "_Happened" TIMESTAMP')
        self.con.execute(f'UPDATE "{schema.EVENT_LOG}" SET "_Happened" = event_time')
        self.arrival = self.con.execute(f'SELECT max("TimeGenerated") FROM "{schema.EVENT_LOG}"').fetchone()[0]

    def without(self, organization):
        """Forgets an organization's rows: a comparison of few events says as much as one of many."""
        for table in schema.ASIM:
            self.con.execute(f"DELETE FROM \"{table}\" WHERE json_extract_string(\"AdditionalFields\", '$.Organization') = ?", [organization])
        self.con.execute(f'DELETE FROM "{schema.EVENT_LOG}" WHERE organization_uuid = ?', [organization])

    def live(self):
        """As if each event had arrived a minute after it happened: then Azure keeps its time."""
        for table in schema.ASIM + [schema.EVENT_LOG]:
            self.con.execute(
                f'UPDATE "{table}" SET "TimeGenerated" = "_Happened", "_IngestionTime" = "_Happened" + INTERVAL {LATENCY}')

    def backfilled(self):
        """As it really went: all of it arrived at once, long after it happened, and Azure replaced TimeGenerated."""
        for table in schema.ASIM + [schema.EVENT_LOG]:
            self.con.execute(f'UPDATE "{table}" SET "TimeGenerated" = ?, "_IngestionTime" = ?', [self.arrival] * 2)

    def functions(self, text):
        """The parsers (their own texts) and the watchlists, as far as a text names them: each costs reading it."""
        parsers, named, texts = {parser.name: parser for parser in content.parsers()}, [], [text]
        while texts:
            text = texts.pop()
            for name, parser in parsers.items():
                if name not in self.kept and name not in named and re.search(rf"\b{name}\b", text):
                    named.append(name)
                    texts.append(parser.query)
        declared = {name: f"function {parsers[name].data['FunctionName']}({parsers[name].data.get('FunctionParams', '')}) "
                          f"{{ {substitute(parsers[name].query)} }}" for name in named}
        return [WATCHLIST] + [declared[name] for name in reversed(named)]

    def watchlists(self, rows):
        """Replaces the watchlists' rows: alias to rows."""
        self.con.execute("DELETE FROM WatchlistRows")
        for alias, entries in rows.items():
            key = content.watchlists()[alias][0]["itemsSearchKey"]
            for entry in entries:
                entry = entry | {"Alias": alias, "SearchKey": entry[key]}
                names = ", ".join(f'"{name}"' for name in entry)
                self.con.execute(f"INSERT INTO WatchlistRows ({names}) VALUES ({', '.join('?' * len(entry))})", list(entry.values()))

    def keep(self, function, name):
        """Runs a function once, by its own text, and keeps its result as a table."""
        relation = duckdb_kql.query(self.con, function, query_now=self.arrival, functions=self.functions(function), allow_write=False)
        relation.create(name)

    def query(self, text, now):
        """Rows of a query, as dictionaries."""
        text = substitute(text)
        names, rows = executor.answer(self.con, text, query_now=now, functions=self.functions(text))
        return [dict(zip(names, row)) for row in rows]

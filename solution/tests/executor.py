"""The executor of KQL: a query becomes SQL, and DuckDB runs it.

Reading a query's text is most of the work, in Python. So the parser tries its quick mode first: where that finds no error,
its tree is the full mode's. And its trees are large and soon gone, so that the garbage collector looks for them less often.
"""

import gc

import duckdb_kql
import duckdb_kql.parser
from antlr4.atn.PredictionMode import PredictionMode

gc.set_threshold(200_000, 20, 100)


class Quick(duckdb_kql.parser.KqlParser):
    """The parser in the mode that looks at a rule without what stands around it."""

    def __init__(self, tokens):
        super().__init__(tokens)
        self._interp.predictionMode = PredictionMode.SLL


def two_stages(build, full=duckdb_kql.parser.KqlParser):
    """Parses in the quick mode, and in the full one where that finds an error."""

    def parse(text):
        duckdb_kql.parser.KqlParser = Quick
        try:
            result = build(text)
        finally:
            duckdb_kql.parser.KqlParser = full
        return result if result.ok else build(text)

    return parse


duckdb_kql.parser._build = two_stages(duckdb_kql.parser._build)


def answer(con, query, **options):
    """The columns and the rows of a query."""
    return fetch(duckdb_kql.execute(con, query, allow_write=False, **options))


def answer_sql(con, sql, parameters):
    """The columns and the rows of a query that has been translated."""
    return fetch(con.execute(sql, parameters) if parameters else con.execute(sql))


def fetch(cursor):
    """Executed once. A relation is bound when it is made and again when it is asked."""
    return [column[0] for column in cursor.description], cursor.fetchall()

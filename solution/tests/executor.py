"""The executor of KQL: a query becomes SQL, and DuckDB runs it.

Reading a query's text is most of the work, in Python. So the parser tries its quick mode first: where that finds no error,
its tree is the full mode's. And its trees are large and soon gone, so that the garbage collector looks for them less often.

Where KQL wants a text, the translator writes the value many times, for each type that it might have. Within each other
these grow large, and DuckDB binds them all. So what is a text whatever its arguments are is written once, and what is asked
whether it is empty is written as text without the forms of the types that never are.
"""

import gc

import duckdb_kql
import duckdb_kql.parser
import duckdb_kql.translate
from antlr4.atn.PredictionMode import PredictionMode
from duckdb_kql import engine, ir

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


# Translations by the query's text, the functions beside it, and the tables' columns.
TRANSLATED = {}
# Functions of KQL whose SQL gives VARCHAR for arguments of every type.
TEXTS = {"strcat", "tostring", "tolower", "toupper", "trim", "replace_regex", "replace_string", "hash_sha256", "substring"}
# Functions that give one of these of their arguments.
CHOICES = {"iff": slice(1, None), "iif": slice(1, None), "coalesce": slice(None)}


def is_text(node):
    """Whether an expression is a text for sure."""
    match node:
        case ir.Literal(kind="string"):
            return True
        case ir.FunctionCall(name="extract", args=args):
            # A fourth argument is another type.
            return len(args) == 3
        case ir.FunctionCall(name=name, args=args):
            return name in TEXTS or name in CHOICES and all(map(is_text, args[CHOICES[name]]))
    return False


def written_once(tostring=duckdb_kql.translate.render_kql_tostring):
    """`tostring` of the translator, but for what is a text already."""
    return lambda node: f"coalesce({duckdb_kql.translate.render_expr(node)}, '')" if is_text(node) else tostring(node)


def emptiness(compared):
    """`isempty` and `isnotempty` of the translator, which has the argument twice in them."""

    def render(node):
        if len(node.args) != 1:
            return None
        argument = node.args[0]
        if duckdb_kql.translate._is_dynamic_expr(argument):
            text = duckdb_kql.translate.render_kql_tostring(argument)
        else:
            text = sql = duckdb_kql.translate.render_expr(argument)
            if isinstance(argument, ir.ColumnRef):
                text = f"CASE typeof({sql}) WHEN 'JSON' THEN {sql} ->> '$' ELSE CAST({sql} AS VARCHAR) END"
        return f"(coalesce(CAST({text} AS VARCHAR), '') {compared} '')"

    return render


duckdb_kql.translate.render_kql_tostring = written_once()
duckdb_kql.translate._SPECIAL_FORMS |= {"isempty": emptiness("="), "isnotempty": emptiness("<>")}


def translate(query, schema, query_now, functions):
    """The SQL of a query, the parameters that are the time of the run, and all parameters."""
    made = duckdb_kql.to_sql(query, schema=schema, query_now=query_now, functions=functions, allow_write=False)
    return str(made), [name for name, value in made.parameters.items() if value == query_now], made.parameters


def answer(con, query, query_now=None, functions=()):
    """The columns and the rows of a query. A text is translated once for all times: runs of a rule differ in nothing else."""
    schema = engine.schema(con)
    key = (query, tuple(functions), *((table, *columns) for table, columns in schema.items()))
    if key not in TRANSLATED:
        TRANSLATED[key] = translate(query, schema, query_now, list(functions))
    sql, times, parameters = TRANSLATED[key]
    return answer_sql(con, sql, parameters and parameters | dict.fromkeys(times, query_now))


def answer_sql(con, sql, parameters):
    """The columns and the rows of a query that has been translated."""
    return fetch(con.execute(sql, parameters) if parameters else con.execute(sql))


def fetch(cursor):
    """Executed once. A relation is bound when it is made and again when it is asked."""
    return [column[0] for column in cursor.description], cursor.fetchall()

// Binds queries with Microsoft's own parser. stdin: {tables, functions, queries}; stdout: for each query its errors and
// the columns of its result. NODE_PATH says where the parser is.
const bridge = "@kusto/language-service-next/";
require(bridge + "bridge.min.js");
require(bridge + "Kusto.Language.Bridge.min.js");

const { Language } = globalThis.Kusto;
const { TableSymbol, FunctionSymbol, DatabaseSymbol } = Language.Symbols;
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));

const list = (items) => Array.from({ length: items ? items.Count : 0 }, (_, i) => items.getItem(i));
const quoted = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : `['${name}']`);
const tables = Object.entries(input.tables).map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `${quoted(column)}:${type}`);
  return new TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
});
const functions = input.functions.map(([name, parameters, body]) => new FunctionSymbol.$ctor16(name, parameters, body, null));
// Closed: an unknown table is an error.
const database = new DatabaseSymbol.$ctor1("workspace", [...tables, ...functions], false);
const globals = Language.GlobalState.Default.WithDatabase(database);

const bound = input.queries.map((query) => {
  const code = Language.KustoCode.ParseAndAnalyze(query, globals);
  const errors = list(code.GetDiagnostics()).filter((found) => found.Severity === "Error").map((found) => {
    const line = query.slice(0, found.Start).split("\n").length;
    return `line ${line}: ${found.Message}`;
  });
  const columns = list(code.ResultType && code.ResultType.Columns).map((column) => [column.Name, column.Type.Name]);
  return { errors, columns: Object.fromEntries(columns) };
});
process.stdout.write(JSON.stringify(bound));

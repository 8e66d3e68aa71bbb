"""The schemas that queries are bound against.

Ours come from the catalogue (`columns.json`, which `cargo xtask` writes from `crates/env/src/catalogue/columns.rs`); the ASIM
tables' from the live list of September 2025 (`tests/fixtures/asim/live-columns.json`); the others, with their source,
from `schema.json`.
"""

import json
from pathlib import Path

import content

ASIM = ["ASimAuditEventLogs", "ASimAuthenticationEventLogs", "ASimUserManagementActivityLogs"]
EVENT_LOG = "NordPassEventLogs_CL"
HEALTH = "NordPassConnectorHealth_CL"
SYSTEM = {"TenantId": "string", "SourceSystem": "string", "Type": "string", "_BilledSize": "real", "_IsBillable": "string"}


def tables(work):
    """Table to column to type."""
    live = json.loads((content.ROOT / "tests/fixtures/asim/live-columns.json").read_text())
    ours = json.loads((Path(work) / "columns.json").read_text())
    others = json.loads((content.SOLUTION / "tests/schema.json").read_text())["tables"]
    found = {name: live[name] | SYSTEM for name in ASIM}
    found |= {name: ours[name] | SYSTEM for name in (EVENT_LOG, HEALTH)}
    return found | {name: table["columns"] | SYSTEM for name, table in others.items()}


def watchlist_columns(empty=False):
    """The columns of all watchlists: `_GetWatchlist` is declared with the sum of them. Its columns come from its rows, so an
    empty watchlist has only those that Sentinel adds to each."""
    columns = {"_DTItemId": None, "LastUpdatedTimeUTC": None, "SearchKey": None}
    if empty:
        return list(columns)
    for _, rows in content.watchlists().values():
        columns |= dict.fromkeys(rows[0].keys() if rows else [])
    return list(columns)


def functions(empty=False):
    """Name, parameters and body of the functions that queries may call."""
    columns = ", ".join(f"{name}:string" for name in watchlist_columns(empty))
    found = [("_GetWatchlist", "(watchlistAlias:string)", "{ datatable(" + columns + ")[] }")]
    for parser in content.parsers():
        found.append((parser.data["FunctionName"], f"({parser.data.get('FunctionParams', '')})", "{ " + parser.query + " }"))
    return found

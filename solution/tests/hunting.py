"""Every hunting query runs and finds something among all events that were recorded."""

from datetime import timedelta

import content
import rules


def check(runner):
    """Over the scenarios, the month, and every known pair. Ben's sign-ins in Entra ID come from one address only."""
    workspace = runner.workspace
    workspace.con.execute(f"CREATE OR REPLACE TABLE {rules.EVENTS} AS SELECT * FROM Backfilled")
    signin = {"TimeGenerated": workspace.arrival, "UserPrincipalName": "Ben.Okafor@example.com", "IPAddress": "198.51.100.21", "ResultType": "0"}
    names = ", ".join(f'"{name}"' for name in signin)
    workspace.con.execute(f"INSERT INTO SigninLogs ({names}) VALUES (?, ?, ?, ?)", list(signin.values()))
    problems = []
    for query in content.hunting_queries():
        try:
            rows = workspace.query(query.query, workspace.arrival + timedelta(minutes=2))
        except rules.REFUSALS as error:
            problems.append(f"{query.name}: the executor says: {error}")
            continue
        if not rows or not any(rules.entities(query, row) for row in rows):
            problems.append(f"{query.name}: {len(rows)} rows, none with an entity")
        print(f"  {query.name}: {len(rows)} rows")
    return problems

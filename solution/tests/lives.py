"""The rules about the connector, by what happens to hosts and their names: `python lives.py --work FOLDER` runs it alone.

A life is one start of the program on one host. Each story says which lives there were, in minutes before and after the
moment that it is about, and which of them a rule has to tell.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import content
import scheduler
import schema
import tables

NOON = datetime(2026, 10, 20, 12)
EVERY, LATE = timedelta(minutes=1), timedelta(minutes=1)
LONG, ON = -1200, 600


class Life:
    """From when to when a run wrote rows, and what they say."""

    def __init__(self, instance, begin, end, **says):
        self.instance, self.begin, self.end, self.says = instance, begin, end, says


# What happened, the lives, and which of them ConnectorSilent tells.
SILENT = {
    "a host dies": ([Life("a", LONG, 0)], {0}),
    "a restart": ([Life("a", LONG, 0), Life("a", 2, ON)], set()),
    "a host of a unique name dies beside another": ([Life("a", LONG, 0), Life("b", LONG, ON)], {0}),
    "one of two hosts of one name dies": ([Life("a", LONG, 0), Life("a", LONG, ON)], {0}),
    "one of two hosts of one name dies while the other restarts": ([Life("a", LONG, 0), Life("a", LONG, 1), Life("a", 3, ON)], {0, 1}),
    "two hosts of one name restart": ([Life("a", LONG, 0), Life("a", LONG, 1), Life("a", 3, ON), Life("a", 4, ON)], set()),
    "a moved host": ([Life("a", LONG, 0), Life("a", 12, ON)], set()),
    "a moved host that begins before the other ends": ([Life("a", LONG, 0), Life("a", -4, ON)], set()),
    "a moved host of another name": ([Life("a", LONG, 0), Life("new", 5, ON)], set()),
    "a renamed instance": ([Life("a", LONG, 0), Life("berlin", 1, ON)], set()),
    "a host dies while another restarts": ([Life("a", LONG, 0), Life("b", LONG, 1), Life("b", 2, ON)], {0}),
    "a program that starts again and again": ([Life("a", LONG, 0), Life("a", 2, 4), Life("a", 6, 8), Life("a", 10, ON)], set()),
    "a program that gives up": ([Life("a", LONG, 0), Life("a", 2, 4)], {0, 1}),
}
# The same for the rules that read what rows say.
REFUSED, BEHIND = {"TokenState": "refused"}, {"LagSeconds": 7200}
BLIND = {
    "one of two hosts of one name is refused": ([Life("a", LONG, ON), Life("a", 0, ON, **REFUSED)], 1),
    "a moved host is refused": ([Life("a", LONG, 0), Life("a", 2, ON, **REFUSED)], 1),
    "a renamed instance is refused as before": ([Life("a", 0, 20, **REFUSED), Life("berlin", 22, ON, **REFUSED)], 2),
}
LAGS = {
    "one of two hosts of one name is behind": ([Life("a", LONG, ON), Life("a", 0, ON, **BEHIND)], 1),
    "a moved host catches up in ten minutes": ([Life("a", LONG, 0), Life("a", 2, 12, **BEHIND), Life("a", 13, ON)], 0),
}


class Lives:
    """A workspace with the rows of one story at a time."""

    def __init__(self, work):
        (Path(work) / "rows").mkdir()
        self.scheduler = scheduler.Scheduler(tables.Workspace(work))
        self.con = self.scheduler.con
        self.scheduler.keep_health()
        self.rules = {rule.name: rule for rule in content.rules()}

    def told(self, name, lives):
        """The rows of a rule's runs, each quarter of an hour from before the moment until three hours later."""
        self.con.execute("DELETE FROM AllHealth")
        for number, life in enumerate(lives):
            says = {"TokenState": "valid", "LagSeconds": 5, "Gaps": 0} | life.says
            self.con.execute(
                "INSERT INTO AllHealth (TimeGenerated, Component, Instance, RunId, TokenState, LagSeconds, Gaps, Reason, _IngestionTime) "
                "SELECT time, 'nordpass', ?, ?, ?, ?, ?, '', time + INTERVAL 1 MINUTE FROM "
                f"generate_series(TIMESTAMP '{NOON + timedelta(minutes=life.begin)}', TIMESTAMP '{NOON + timedelta(minutes=life.end)}', INTERVAL 1 MINUTE) AS times(time)",
                [life.instance, str(number), *says.values()])
        rows = []
        for minutes in range(7, 188, 15):
            rows += self.scheduler.run(self.rules[name], NOON + timedelta(minutes=minutes))
        return rows


def check(work):
    """The problems, in words."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(Path(work) / "columns.json", folder)
        lives, problems = Lives(folder), []
        for what, (story, wanted) in SILENT.items():
            found = [int(row["RunId"]) for row in lives.told("NordPassConnectorSilent", story)]
            if sorted(found) != sorted(wanted):
                problems.append(f"NordPassConnectorSilent: where {what}, it tells {sorted(found)} instead of {sorted(wanted)}")
        for name, stories in (("NordPassConnectorBlind", BLIND), ("NordPassConnectorBehind", LAGS)):
            for what, (story, wanted) in stories.items():
                found = lives.told(name, story)
                if len(found) != wanted:
                    problems.append(f"{name}: where {what}, it tells {len(found)} times instead of {wanted}")
        return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    found = check(parser.parse_args().work)
    print("\n".join(found) or "each life is told as it was")
    sys.exit(bool(found))

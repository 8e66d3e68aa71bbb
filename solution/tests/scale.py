"""What a run of each rule costs over many rows: `python scale.py --work FOLDER --rows N [--record]`.

FOLDER is that of a month of `samples.py`. Its organization is copied until there are so many rows within two weeks, which is what
the longest period reads. Shown is processor time, since the machine has other things to do; the executor isn't Azure's engine,
so the figures say which rules are dear, not what they take there.

A rule is run on the view's result. What the view takes for the same rows is measured on the month itself, and said for each million.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import duckdb

import content
import results
import samples

# What a copy changes: names of organizations and events. People are told apart by organization.
COPY = ("SELECT * EXCLUDE (copy) REPLACE (CASE WHEN copy = 0 THEN Organization ELSE md5(Organization || copy) END AS Organization, EventId || copy AS EventId) "
        "FROM Seen, range({copies}) AS copies(copy)")


def used():
    times = resource.getrusage(resource.RUSAGE_SELF)
    return times.ru_utime + times.ru_stime


class Scale:
    """Many rows, and one run of a rule over them."""

    def __init__(self, made, rows):
        self.scheduler, self.con = made, made.con
        last = self.con.execute("SELECT max(IngestedAt) FROM Seen").fetchone()[0]
        self.con.execute("DELETE FROM Seen WHERE IngestedAt <= ? - INTERVAL 14 DAY", [last])
        once = self.con.execute("SELECT count(*) FROM Seen").fetchone()[0]
        self.copies = max(1, round(rows / once))
        self.con.execute("CREATE TABLE Many AS " + COPY.format(copies=self.copies))
        self.con.execute("ALTER TABLE Seen RENAME TO Once")
        self.con.execute("ALTER TABLE Many RENAME TO Seen")
        self.scheduler.only([])
        self.rows, self.now = once * self.copies, last

    def run(self, rule):
        """Seconds of processor time, rows told."""
        self.scheduler.translate(rule, None, self.now)
        before = used()
        told = self.scheduler.run(rule, self.now)
        return used() - before, len(told)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="6GB", help="what the executor may take; the rest goes to a file")
    parser.add_argument("--only", help="these rules alone, separated by commas")
    parser.add_argument("--record", action="store_true", help="keep the numbers in results.json")
    arguments = parser.parse_args()
    arguments.mode, arguments.program, arguments.seed, arguments.style = "month", "", 1, None
    made, _ = samples.load(arguments)
    made.con.execute(f"SET memory_limit = '{arguments.memory}'; SET temp_directory = '{Path(arguments.work) / 'spilled'}'")
    scale = Scale(made, arguments.rows)
    print(f"{scale.rows} rows of {scale.copies} organizations, {used():.1f} s", flush=True)
    costs = {}
    for rule in content.rules():
        if "Health" in rule.query or (arguments.only and rule.name not in arguments.only.split(",")):
            continue
        try:
            seconds, told = scale.run(rule)
        except duckdb.Error as error:
            seconds, told = None, str(error)[:100]
        costs[rule.name] = seconds and round(seconds, 2)
        print(f"{seconds if seconds is None else round(seconds, 2):>8} s  {rule.name}: {told}", flush=True)
    if arguments.record:
        results.record_scale(scale.rows, costs)
    print(json.dumps({"below a second": sum(cost is not None and cost < 1 for cost in costs.values()), "of": len(costs)}))


if __name__ == "__main__":
    sys.exit(main())

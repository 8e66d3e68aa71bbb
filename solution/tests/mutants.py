"""Mutants of every rule: each changes one thing of a query, and a frozen sample has to notice.

    python mutants.py --work FOLDER --program FILE [--only RULE,…] [--record]

FOLDER is that of `samples.py attacks`. A mutant is killed if the verdict on a sample of the rule's attacks changes (seen, named in part,
missed; a twin quiet or taken for the attack), if it speaks about another number of organizations or people, or if the
executor refuses it. What lives is named, with the reason in `equivalent.json` where there is one.
"""

import argparse
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import duckdb_kql

import attacks
import content
import recording
import results
import samples

EQUIVALENT = json.loads(Path(__file__).with_name("equivalent.json").read_text())
NUMBER = re.compile(r"(?<=[<>] )(\d+)\b|(?<=[<>]= )(\d+)\b|(?<=tolong\()(\d+)(?=\))")
SPAN = re.compile(r"(?<=[-+] )(\d+)([mhd])\b")
TURNED = {"==": "!=", "!=": "==", ">=": "<", "<=": ">", ">": "<=", "<": ">="}
COMPARED = re.compile(r" (==|!=|>=|<=|>|<) ")
LISTED = re.compile(r'(?<=[(\[ ])"[a-z_]+\.[a-z0-9_]+"(, ?)?')


def changed(rule, before, after):
    return replace(rule, data=rule.data | {"query": before + after})


def mutants(rule):
    """(what was changed, the rule changed so)."""
    query = rule.query
    yield from dropped(rule, query)
    for found in NUMBER.finditer(query):
        number = int(found[0])
        for other in (number * 1000 + 999, 0 if number else None):
            if other is not None:
                yield f"{where(query, found)}: {other} for {number}", changed(rule, query[:found.start()], str(other) + query[found.end():])
    for found in SPAN.finditer(query):
        for other in ("0s", f"{int(found[1]) * 50}{found[2]}"):
            yield f"{where(query, found)}: {other} for {found[0]}", changed(rule, query[:found.start()], other + query[found.end():])
    for found in COMPARED.finditer(query):
        if "IngestedAt" in line(query, found) and "ago(" in line(query, found):
            continue
        yield f"{where(query, found)}: {TURNED[found[1]]} for {found[1]}", changed(rule, query[:found.start(1)], TURNED[found[1]] + query[found.end(1):])
    for found in LISTED.finditer(query):
        yield f"{where(query, found)}: without {found[0].strip(', ')}", changed(rule, query[:found.start()], '"none.none"' + (found[1] or "") + query[found.end():])


def dropped(rule, query):
    """Without a condition, and without a join that leaves rows out."""
    lines = query.split("\n")
    for number, text in enumerate(lines):
        if re.match(r"\s*\| (where (?!IngestedAt > ago)|join kind=leftanti)", text):
            rest = lines[:number] + lines[number + 1:]
            # A condition that goes on in the next line goes with it.
            while number < len(rest) and re.match(r"\s+(or|and) ", rest[number]):
                del rest[number]
            # What ends a statement ends it still.
            if text.rstrip().endswith(";"):
                rest[number - 1] += ";"
            yield f"line {number + 1}: without `{text.strip()[:60]}`", replace(rule, data=rule.data | {"query": "\n".join(rest)})


def line(query, found):
    begin = query.rfind("\n", 0, found.start()) + 1
    end = query.find("\n", found.start())
    return query[begin:end if end >= 0 else len(query)]


def where(query, found):
    return f"line {query.count(chr(10), 0, found.start()) + 1}, {found.start() - query.rfind(chr(10), 0, found.start())}"


class Judge:
    """What a rule says on the samples of its attacks."""

    def __init__(self, scheduler, descriptors):
        self.scheduler, self.descriptors = scheduler, descriptors

    def samples(self, rule):
        return [sample for sample in self.descriptors if rule.name in attacks.COVERAGE[sample["attack"]]]

    def narrow(self, mine):
        """Only these samples' events, so that a run is short."""
        con = self.scheduler.con
        if not getattr(self, "whole", None):
            con.execute("ALTER TABLE Seen RENAME TO Whole")
            self.whole = True
        con.execute("CREATE OR REPLACE TABLE Seen AS SELECT * FROM Whole WHERE list_contains(?::VARCHAR[], Organization)", [[sample["organization"] for sample in mine]])
        self.scheduler.only([])

    def said(self, rule, mine):
        """The verdicts, and how much was said of whom: what a mutant has to change to be noticed."""
        found = attacks.Attacks(self.scheduler, mine)
        found.quiet = True
        self.scheduler.translated.clear()
        found.run([rule], None)
        verdicts = [found.judge(sample)[0] for sample in mine]
        people = [sorted((str(row.get("Severity", "")), str(row.get("Actor", "")), str(row.get("Target", ""))) for _, _, row in found.alerts.get(sample["id"], [])) for sample in mine]
        return verdicts, people


def measure(judge, rule):
    """(killed, equivalent, living ones)."""
    mine = judge.samples(rule)
    judge.narrow(mine)
    right = judge.said(rule, mine)
    killed, equivalent, living = 0, 0, []
    reasons = EQUIVALENT.get(rule.name, {})
    for what, mutant in mutants(rule):
        try:
            noticed = judge.said(mutant, mine) != right
        except (duckdb_kql.KqlError, duckdb.Error, KeyError):
            noticed = True
        if noticed:
            killed += 1
        elif any(key in what for key in reasons):
            equivalent += 1
        else:
            living.append(what)
    return killed, equivalent, living


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--only", help="these rules alone, separated by commas")
    parser.add_argument("--record", action="store_true", help="keep the numbers in results.json")
    arguments = parser.parse_args()
    arguments.mode, arguments.seed, arguments.style = "attacks", 1, None
    judge = Judge(*samples.load(arguments))
    names = arguments.only.split(",") if arguments.only else [rule.name for rule in content.rules()]
    for rule in content.rules():
        if rule.name not in names or not judge.samples(rule):
            continue
        killed, equivalent, living = measure(judge, rule)
        print(f"{time.process_time():7.1f} s  {rule.name}: {killed} killed, {equivalent} equivalent, {len(living)} live", flush=True)
        for what in living:
            print(f"           {what}", flush=True)
        if arguments.record:
            results.record_mutants(rule, killed, equivalent, len(living))


if __name__ == "__main__":
    sys.exit(main())

"""The solution's tests; `cargo xtask test solution` runs them. Exits with 1 and says each problem."""

import argparse
import concurrent.futures
import multiprocessing
import resource
import sys
import time

import asim_parsers
import bind
import fields
import hunting
import identity
import lives
import parity
import recording
import report
import rules
import sigma_rules
import tables
import values


# The executor can make one query's SQL explode; better its error than a machine without memory.
MEMORY = 6 << 30


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="the folder with the rows")
    parser.add_argument("--node", required=True, help="the node_modules with the KQL parser")
    parser.add_argument("mode", choices=["check", "write"], help="compare the generated files, or write them")
    arguments = parser.parse_args()
    problems = []

    def step(name, found):
        print(f"{time.process_time():6.1f} s  {name}: {len(found)} problems", flush=True)
        problems.extend(found)

    write = arguments.mode == "write"
    step("generated parsers", asim_parsers.check(write))
    step("field rules", fields.check())
    step("frozen samples", recording.frozen())
    step("binding", bind.check(arguments.work, arguments.node))
    # The parsers need nothing of the rest: they use the second core.
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    parsers = pool.submit(parity.parsers, arguments.work)
    step("view", parity.events(arguments.work))
    step("entries of watchlists", identity.check(arguments.work))
    step("lives of connectors", lives.check(arguments.work))
    step("values in the workbook", values.check(arguments.work))
    workspace = tables.Workspace(arguments.work)
    rules.prepare(workspace)
    found, runner = rules.check(workspace)
    step("rules", found)
    step("Sigma", sigma_rules.check(workspace, arguments.work, arguments.node))
    if not found:
        step("hunting queries", hunting.check(runner))
        step("report", report.check(runner, write))
    step("parsers", parsers.result())
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

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


def timed(check, *arguments):
    """What a check finds, and how many seconds of processor time it took in this process."""
    began = time.process_time()
    return check(*arguments), time.process_time() - began


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="the folder with the rows")
    parser.add_argument("--node", required=True, help="the node_modules with the KQL parser")
    parser.add_argument("mode", choices=["check", "write"], help="compare the generated files, or write them")
    arguments = parser.parse_args()
    problems = []

    def step(name, result):
        found, seconds = result
        print(f"{seconds:6.1f} s  {name}: {len(found)} problems", flush=True)
        problems.extend(found)

    write = arguments.mode == "write"
    work, node = arguments.work, arguments.node
    # What needs nothing of the rules uses the second core.
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        beside = {
            "parsers": pool.submit(timed, parity.parsers, work),
            "entries of watchlists": pool.submit(timed, identity.check, work),
            "lives of connectors": pool.submit(timed, lives.check, work),
            "values in the workbook": pool.submit(timed, values.check, work),
            "view": pool.submit(timed, parity.events, work),
        }
        step("generated parsers", timed(asim_parsers.check, write))
        step("field rules", timed(fields.check))
        step("frozen samples", timed(recording.frozen))
        step("binding", timed(bind.check, work, node))
        workspace = tables.Workspace(work)
        rules.prepare(workspace)
        (found, runner), seconds = timed(rules.check, workspace)
        step("rules", (found, seconds))
        step("Sigma", timed(sigma_rules.check, workspace, work, node))
        if not found:
            step("hunting queries", timed(hunting.check, runner))
            step("report", timed(report.check, runner, write))
        for name, result in beside.items():
            step(name, result.result())
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{sum(who.ru_utime + who.ru_stime for who in used):6.1f} s  of processor time in all")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

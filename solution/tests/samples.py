"""The rules on the frozen samples; `cargo xtask test solution` runs a part, `cargo xtask solution --long` all of it.

    python samples.py --work FOLDER --program FILE attacks [--seed N]
    python samples.py --work FOLDER --program FILE month --tenant small [--seed N]
    python samples.py --work FOLDER --program FILE cases
"""

import argparse
import json
import pickle
import sys
import time
from datetime import timedelta
from pathlib import Path

import attacks
import benign
import cases
import content
import recording
import results
import scheduler
import tables


def load(arguments):
    """The scheduler over the rows, and the descriptors."""
    work = Path(arguments.work)
    kept = work / "descriptors.pickle"
    if not kept.exists():
        recorded = recording.Recording(work, arguments.program)
        if arguments.mode == "attacks":
            descriptors = []
            for descriptor, events in recording.attack_samples(arguments.seed):
                if arguments.style not in (None, descriptor["style"]):
                    continue
                descriptors.append(descriptor)
                recorded.add(events)
        elif arguments.mode == "cases":
            descriptors = []
            for case, _, events in cases.samples():
                descriptors.append(case)
                recorded.add(events)
        else:
            descriptors, events = recording.month(arguments.tenant, arguments.seed)
            recorded.add(events)
        recorded.rows()
        kept.write_bytes(pickle.dumps(descriptors))
    workspace = tables.Workspace(work, arrives=True)
    made = scheduler.Scheduler(workspace)
    made.keep()
    return made, pickle.loads(kept.read_bytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tenant", default="small")
    parser.add_argument("--hours", type=int, default=24, help="hours between two runs of a rule")
    parser.add_argument("--once", action="store_true", help="one run over all the time: the events' own times decide, so it says nearly the same, sooner")
    parser.add_argument("--only", help="these rules alone, separated by commas")
    parser.add_argument("--style", help="the attacks of this style alone, such as confirmed")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--record", action="store_true", help="keep the numbers in results.json, of which the tables are made")
    parser.add_argument("mode", choices=["attacks", "month", "cases"])
    arguments = parser.parse_args()
    made, descriptors = load(arguments)
    print(f"{time.process_time():6.1f} s  loaded", flush=True)
    rules = content.rules()
    if arguments.only:
        rules = [rule for rule in rules if rule.name in arguments.only.split(",")]
    step = None if arguments.once else timedelta(hours=arguments.hours)
    if arguments.mode == "attacks":
        found = attacks.Attacks(made, descriptors)
        found.run(rules, step)
        print(attacks.table(found))
        if arguments.record:
            results.record_attacks(found, arguments.seed, rules, arguments.style)
        if arguments.details:
            names = {rule.name for rule in rules}
            for sample in descriptors:
                if not names & set(attacks.COVERAGE[sample["attack"]]):
                    continue
                verdict, why = found.judge(sample)
                if verdict in ("missed", "part", "false"):
                    print(verdict, sample["id"], sample["expected"]["observable"], sample["behaviour"], sample["lateness"],
                          {k: v for k, v in sample["shapes"].items()} if sample["style"] in ("drawn", "swept") else sample["style"], why)
    elif arguments.mode == "cases":
        found = cases.Cases(made, descriptors)
        found.run(rules, step)
        print(found.report())
        if arguments.record:
            results.record_cases(found, rules)
    else:
        month = benign.Month(made, descriptors)
        month.run(rules, step)
        print(month.report(arguments.details))
        if arguments.record:
            results.record_month(month, rules, None if arguments.once else arguments.hours)
    print(f"{time.process_time():6.1f} s  done", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""`python3 -m generator`: list, write or verify the samples."""

import argparse
import hashlib
import sys

from . import clock, freeze, output
from .attacks import ATTACKS
from .attacks.registry import plans
from .event import encode
from .months import TENANTS, Month


def main():
    parser = argparse.ArgumentParser(prog="generator", description="Attacks and benign months for NordPass detections.")
    parser.add_argument("--anchor", default=clock.DEFAULT_ANCHOR, help="the date all times are relative to (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the attacks, with the number of their variants and twins")
    made = commands.add_parser("attacks", help="write the attacks' samples")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--only", action="append", metavar="ATTACK", help="only this attack; may be repeated")
    made.add_argument("--out", required=True, metavar="FOLDER")
    made = commands.add_parser("month", help="write a benign month, or stream it as NDJSON")
    made.add_argument("--tenant", choices=TENANTS, default="medium")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--style", choices=("plain", "drawn", "confirmed"), help="the metadata (default: by the seed)")
    made.add_argument("--out", metavar="FOLDER", help="without it, events go to standard output, with `arrival` in Unix seconds")
    made = commands.add_parser("freeze", help="verify manifest.json")
    made.add_argument("--quick", action="store_true", help="leave the months of the large tenant out")
    made.add_argument("--write", action="store_true", help="write manifest.json anew instead")
    arguments = parser.parse_args()
    anchor = clock.midnight(arguments.anchor)

    if arguments.command == "list":
        for known in ATTACKS.values():
            kinds = [kind for _, kind, _, _ in plans(known, 1)]
            print(f"{known.id:28} {kinds.count('attack'):3} variants {kinds.count('twin'):3} twins  {known.severity:7} {known.meaning}")
    elif arguments.command == "attacks":
        unknown = set(arguments.only or ()) - ATTACKS.keys()
        if unknown:
            parser.error(f"no attack is called {sorted(unknown)[0]}; `list` tells their names")
        output.write_attacks(arguments.out, arguments.seed, anchor, arguments.only)
    elif arguments.command == "month":
        month = Month(arguments.tenant, arguments.seed, anchor, arguments.style)
        if arguments.out:
            output.write_month(arguments.out, month)
        else:
            for delay, event in month.stream():
                sys.stdout.write(f'{{"arrival":{event["timestamp"] + delay},"event":{encode(event)}}}\n')
    elif arguments.write:
        freeze.write(_say)
        print(f"manifest.json: {hashlib.sha256(freeze.MANIFEST.read_bytes()).hexdigest()}")
    else:
        found = freeze.differences(_say, arguments.quick)
        for name in found:
            print(f"differs: {name}")
        print(f"manifest.json: {hashlib.sha256(freeze.MANIFEST.read_bytes()).hexdigest()}")
        return 1 if found else 0
    return 0


def _say(name):
    print(name, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)

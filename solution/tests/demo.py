"""Checks the workbook and the connector pages on the demo's rows, or writes what the preview draws.

    python demo.py --work FOLDER --node FOLDER check        every query, and the connector pages
    python demo.py --work FOLDER --node FOLDER long         the same for every combination of picker values
    python demo.py --work FOLDER --node FOLDER hostile      names that could be code
    python demo.py --work FOLDER --node FOLDER preview      writes FOLDER/preview.json
"""

import argparse
import json
import sys
from pathlib import Path

import connectors
import tables
import workbook


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="the folder with the rows")
    parser.add_argument("--node", required=True, help="the node_modules with the KQL parser")
    parser.add_argument("mode", choices=["check", "long", "hostile", "preview"])
    arguments = parser.parse_args()
    workspace = tables.Workspace(arguments.work)
    if arguments.mode == "preview":
        text = json.dumps(workbook.preview(workspace), ensure_ascii=False)
        (Path(arguments.work) / "preview.json").write_text(text, encoding="utf-8")
        return 0
    if arguments.mode == "hostile":
        problems = workbook.check_hostile(workspace, arguments.work, arguments.node)
    else:
        problems = workbook.check(workspace, arguments.work, arguments.node, arguments.mode == "long")
        problems += connectors.check(workspace, arguments.work, arguments.node)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

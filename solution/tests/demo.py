"""Checks the workbook and the connector pages on the demo's rows, or writes what the preview draws.

    python demo.py --work FOLDER --node FOLDER check [--part N --parts N]
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
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("mode", choices=["check", "preview"])
    arguments = parser.parse_args()
    workspace = tables.Workspace(arguments.work)
    if arguments.mode == "preview":
        text = json.dumps(workbook.preview(workspace), ensure_ascii=False)
        (Path(arguments.work) / "preview.json").write_text(text, encoding="utf-8")
        return 0
    problems = workbook.check(workspace, arguments.work, arguments.node, arguments.part, arguments.parts)
    if arguments.part == 0:
        problems += connectors.check(workspace, arguments.work, arguments.node)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

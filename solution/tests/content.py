"""The solution's content, as it stands in its files. Each is read once, so nobody may change it."""

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = ROOT / "solution"
SCENARIOS = ROOT / "tests" / "fixtures" / "scenarios"
RECORDED = ROOT / "tests" / "fixtures" / "recorded"


@dataclass
class Content:
    """A rule, a hunting query or a parser."""

    path: Path
    text: str
    data: dict

    @property
    def name(self):
        return self.path.stem

    @property
    def query(self):
        return self.data["FunctionQuery"] if "FunctionQuery" in self.data else self.data["query"]


@functools.cache
def _folder(name):
    files = sorted((SOLUTION / name).glob("*.yaml"))
    texts = [(path, path.read_text(encoding="utf-8")) for path in files]
    return tuple(Content(path, text, yaml.safe_load(text)) for path, text in texts)


def rules():
    return list(_folder("Analytic Rules"))


def hunting_queries():
    return list(_folder("Hunting Queries"))


def parsers():
    return list(_folder("Parsers"))


@functools.cache
def watchlists():
    """Alias to (metadata, rows) of each watchlist."""
    import csv
    import json

    lists = {}
    for path in sorted((SOLUTION / "Watchlists").glob("*.json")):
        metadata = json.loads(path.read_text(encoding="utf-8"))
        with open(path.with_suffix(".csv"), encoding="utf-8", newline="") as file:
            lists[metadata["alias"]] = (metadata, list(csv.DictReader(file)))
    return lists


def query_in_file(content):
    """The query's lines as they stand in the file, read without a YAML parser."""
    key = "FunctionQuery: |" if "FunctionQuery" in content.data else "query: |"
    lines = content.text.split("\n")
    begin = lines.index(key) + 1
    end = next((i for i in range(begin, len(lines)) if lines[i] and not lines[i].startswith(" ")), len(lines))
    return "\n".join(line[2:] for line in lines[begin:end]).rstrip("\n") + "\n"

"""The solution's YAML as one JSON object, for `cargo xtask package`: rules, hunting queries, parsers and watchlists."""

import json
import sys

import content


def items(found):
    return [{"file": item.path.name, "data": item.data, "query": item.query} for item in found]


def main():
    watchlists = []
    for metadata, _ in content.watchlists().values():
        path = content.SOLUTION / "Watchlists" / metadata["source"]
        watchlists.append(metadata | {"rawContent": path.read_text(encoding="utf-8")})
    everything = {"rules": items(content.rules()), "hunting": items(content.hunting_queries()),
                  "parsers": items(content.parsers()), "watchlists": watchlists}
    json.dump(everything, sys.stdout, default=str)


if __name__ == "__main__":
    main()

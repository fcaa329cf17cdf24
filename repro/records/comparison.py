"""`diff`: in what two runs differ."""

import argparse
from typing import Any

from pymongo.database import Database

from repro.errors import run_id
from repro.records.document import config_of, differing, document
from repro.records.summary import columns
from repro.store.source import Run


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("diff", help="show the differences of two runs: settings, provenance, data, scores")
    parser.add_argument("first", type=run_id, metavar="RUN")
    parser.add_argument("second", type=run_id, metavar="RUN")


def run(database: Database, options: argparse.Namespace) -> None:
    """Print the differences."""
    first, second = (document(database, run_id) for run_id in (options.first, options.second))
    names = f"run {first['_id']}", f"run {second['_id']}"
    found = differences(first, second)
    if not found:
        print(f"{names[0]} and {names[1]} have the same settings, provenance, data and scores")
    for title, pairs in found.items():
        rows = [{title: key, names[0]: str(a), names[1]: str(b)} for key, (a, b) in pairs.items()]
        print("\n".join(columns(rows, (title, *dict.fromkeys(names)))), end="\n\n")


def differences(first: Run, second: Run) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return part -> key -> (value of the first, of the second); parts in which nothing differs are left out."""
    parts = {}
    for title, of in PARTS.items():
        if pairs := differing(of(first), of(second)):
            parts[title] = pairs
    return parts


def _provenance(run: Run) -> dict[str, Any]:
    about = run["info"].get("provenance") or {}
    return {**{key: value for key, value in about.items() if key != "versions"}, **(about.get("versions") or {})}


def _data(run: Run) -> dict[str, Any]:
    return {key: value for key, value in (run["info"].get("data") or {}).items() if key in ("name", "sha256", "images")}


def _scores(run: Run) -> dict[str, Any]:
    result = run.get("result")
    return {key: round(value, 4) for key, value in result.items()} if isinstance(result, dict) else {}


PARTS = {"setting": config_of, "provenance": _provenance, "data": _data, "score": _scores}

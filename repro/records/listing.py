"""`list`: one line per run, newest last."""

import argparse
import json

from pymongo.database import Database

from repro.records.filters import add_filters, chosen, given
from repro.records.summary import columns, summaries
from repro.store.foreign import foreign_runs

SHOWN = ("run", "status", "command", "method", "data", "scale", "seed", "started", "minutes", "scores")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "list", help="list runs, newest last, with their main test metric per protocol and label %%"
    )
    add_filters(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, one object per run")


def run(database: Database, options: argparse.Namespace) -> None:
    """Print the runs."""
    rows = chosen(summaries(database), **given(options))
    if options.json:
        print(json.dumps([{**row, "started": row["started"] and row["started"].isoformat()} for row in rows], indent=1))
        return
    print("\n".join(columns(rows, SHOWN)) if rows else "no runs")
    if foreign := foreign_runs(database):
        print(f"not listed: {foreign}")

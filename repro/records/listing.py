"""`list`: one line per run, newest last."""

import argparse
import json

from pymongo.database import Database

from repro.records.filters import add_filters, chosen, given
from repro.records.summary import DEAD, columns, status_of, summaries
from repro.store.foreign import OURS, foreign_runs

ENDED_EARLY = ("FAILED", "INTERRUPTED", DEAD)

SHOWN = ("run", "status", "command", "method", "data", "scale", "seed", "started", "minutes", "scores")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "list", help="list runs, newest last, with their main test metric per protocol and label %%"
    )
    add_filters(parser)
    parser.add_argument(
        "--all", action="store_true", help="also list failed and interrupted runs that a completed run repeats"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object per run")


def run(database: Database, options: argparse.Namespace) -> None:
    """Print the runs."""
    rows, folded = chosen(summaries(database), **given(options)), set[int]()
    if not (options.all or options.json or options.status):
        folded = repeated(database)
        rows = [row for row in rows if row["run"] not in folded]
    if options.json:
        print(json.dumps([{**row, "started": row["started"] and row["started"].isoformat()} for row in rows], indent=1))
        return
    print("\n".join(columns(rows, SHOWN)) if rows else "no runs")
    if folded:
        print(f"not listed: {len(folded)} failed or interrupted runs that a completed run repeats; --all lists them")
    if foreign := foreign_runs(database):
        print(f"not listed: {foreign}")


def repeated(database: Database) -> set[int]:
    """Return the ids of failed, interrupted and dead runs of which a completed run has the same config."""
    runs = list(database.runs.find(OURS, {"status": 1, "info.cell": 1, "heartbeat": 1, "info.runs_folder": 1}))
    cells = {(run.get("info") or {}).get("cell") for run in runs if run["status"] == "COMPLETED"} - {None}
    again = [run for run in runs if (run.get("info") or {}).get("cell") in cells]
    return {run["_id"] for run in again if status_of(database, run) in ENDED_EARLY}

"""`watch`: the runs that go on now, and how far each is."""

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from repro.errors import positive
from repro.records.summary import columns, is_ours, status_of, summary
from repro.store.foreign import OURS
from repro.store.source import LEFT_OUT, Run

SHOWN = ("run", "status", "command", "method", "data", "seed", "minutes", "at", "latest", "seconds since")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("watch", help="show the running runs and how far they are, until Ctrl-C")
    parser.add_argument("--every", type=positive, default=5.0, metavar="SECONDS", help="how often (default: 5)")
    parser.add_argument("--once", action="store_true", help="show them once")


def run(database: Database, options: argparse.Namespace) -> None:
    """Print the running runs, again and again."""
    while True:
        if sys.stdout.isatty() and not options.once:
            print("\x1b[2J\x1b[H", end="")
        rows = list(running(database))
        print("\n".join(columns(rows, SHOWN)) if rows else "no run is running", flush=True)
        if options.once:
            return
        time.sleep(options.every)


def running(database: Database) -> Iterator[dict[str, Any]]:
    """Yield what is known of every run on record as RUNNING: a summary, `at`, `latest`, and `seconds since` a sign."""
    for run in database.runs.find({**OURS, "status": "RUNNING"}, LEFT_OUT).sort("_id", 1):
        if is_ours(run):
            since = datetime.now(UTC) - run["heartbeat"].replace(tzinfo=UTC)
            row = summary(run, status_of(database, run))
            yield {**row, **_progress(database, run), "seconds since": round(since.total_seconds())}


def _progress(database: Database, run: Run) -> dict[str, str]:
    """Return how far a run is, by the metric that got a point last; metrics arrive every ten seconds."""
    last = {"name": 1, "steps": {"$slice": -1}, "values": {"$slice": -1}, "timestamps": {"$slice": -1}}
    series = [one for one in database.metrics.find({"run_id": run["_id"]}, last) if one["timestamps"]]
    if not series:
        return {"at": "the beginning"}
    newest = max(series, key=lambda one: (one["timestamps"][0], one["name"] == "pretrain/loss"))
    latest = f"{newest['name']} {newest['values'][0]:.4g}"
    if newest["name"].startswith("pretrain/") or newest["name"].startswith("partners/"):
        return {"at": f"epoch {newest['steps'][0]:g} of {run['config']['pretrain']['epochs']}", "latest": latest}
    return {"at": "evaluation", "latest": latest}

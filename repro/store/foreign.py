"""Sacred runs of other experiments in the same database: counted, and otherwise left alone.

Sacred numbers runs from 1 in each collection of runs, but keeps the metrics and files of all of them together.
"""

from collections import Counter
from typing import Any

from pymongo.database import Database

EXPERIMENT = "additional_positive"
"""The name of the kit's experiment in Sacred."""

OURS: dict[str, Any] = {"$or": [{"experiment.name": EXPERIMENT}, {"info.cell": {"$exists": True}}]}
"""Query for the kit's own runs: their experiment's name, or the identity of their cell, is on record from the start."""

NOT_OURS: dict[str, Any] = {"experiment.name": {"$ne": EXPERIMENT}, "info.cell": {"$exists": False}}

SHOWN = 5
"""Other experiments that are named, the largest first."""


def foreign_runs(database: Database) -> str:
    """Return a phrase that counts the runs of other experiments by their names; empty if there are none."""
    counts: Counter[str] = Counter()
    for run in database.runs.find(NOT_OURS, {"experiment.name": 1}):
        about = run.get("experiment")
        counts[str(about.get("name", "no name") if isinstance(about, dict) else "no name")] += 1
    if not counts:
        return ""
    named = [f"{name}: {count}" for name, count in counts.most_common(SHOWN)]
    more = [f"{len(counts) - SHOWN} more"] if len(counts) > SHOWN else []
    runs = "1 run is" if counts.total() == 1 else f"{counts.total()} runs are"
    return f"{runs} of other experiments ({', '.join(named + more)}): never checked, drawn or exported"


def highest_id(database: Database) -> int:
    """Return the highest run id that anything in the database knows, 0 if nothing does.

    Metrics and files outlive a run whose document was deleted by hand, and are under the ids of other experiments' runs
    where those have a collection of their own. Ids that are words do not count.
    """
    known = (
        (database.runs, "_id"),
        (database.metrics, "run_id"),
        (database.fs.files, "metadata.run_id"),
    )
    found = 0
    for collection, field in known:
        newest = collection.find_one({field: {"$gt": found}}, {field: 1}, sort=[(field, -1)])
        if newest is not None:
            value = newest.get("metadata", newest).get(field.rpartition(".")[2])
            found = max(found, int(value))
    return found

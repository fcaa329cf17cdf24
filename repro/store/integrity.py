"""Is a stored run whole? What was counted while it ran is held against what the database has."""

import hashlib
from typing import Any

from gridfs import GridFS
from gridfs.errors import CorruptGridFile, NoFile
from pymongo.database import Database


def problems_of(database: Database, run: dict[str, Any]) -> list[str]:
    """Return what is wrong with a stored run, one phrase each; an empty list means it is whole.

    Args:
        database: the run database.
        run: the run's document.
    """
    if run["status"] != "COMPLETED":
        return [f"status is {run['status']}"]
    expected = run.get("info", {}).get("expected")
    if expected is None:
        return ["it says not what it should hold"]
    return [*_metric_problems(database, run["_id"], expected), *_artifact_problems(database, run, expected)]


def _metric_problems(database: Database, run_id: int, expected: dict[str, Any]) -> list[str]:
    stored: dict[str, int] = {}
    problems = []
    for series in database.metrics.find({"run_id": run_id}):
        lengths = {len(series[key]) for key in ("steps", "values", "timestamps")}
        if len(lengths) != 1:
            problems.append(f"metric {series['name']} has steps, values and timestamps of different lengths")
        stored[series["name"]] = stored.get(series["name"], 0) + min(lengths)
    for name in sorted(expected["metrics"].keys() | stored.keys()):
        want, have = expected["metrics"].get(name, 0), stored.get(name, 0)
        if want != have:
            problems.append(f"metric {name} has {have} of {want} points")
    return problems


def _artifact_problems(database: Database, run: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    stored = {artifact["name"]: artifact["file_id"] for artifact in run["artifacts"]}
    problems = []
    for name in sorted(expected["artifacts"].keys() | stored.keys()):
        if name not in stored:
            problems.append(f"artifact {name} is missing")
        elif name not in expected["artifacts"]:
            problems.append(f"artifact {name} was not made by the run")
        else:
            try:
                content = GridFS(database).get(stored[name]).read()
            except (NoFile, CorruptGridFile):
                problems.append(f"artifact {name} cannot be read")
                continue
            if hashlib.sha256(content).hexdigest() != expected["artifacts"][name]:
                problems.append(f"artifact {name} is altered")
    return problems

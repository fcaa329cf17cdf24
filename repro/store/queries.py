"""Questions to the run database."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gridfs import GridFS
from gridfs.errors import CorruptGridFile, NoFile
from pymongo import ASCENDING
from pymongo.database import Database

from repro.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd

ENCODER = "encoder.safetensors"
"""Name of the artifact that holds a run's pretrained encoder."""

# Captured output and host details are long, and no question here needs them.
LEFT_OUT = {"captured_out": 0, "host": 0, "experiment": 0}


def find_runs(database: Database, **equal: Any) -> list[dict[str, Any]]:
    """Return run documents, by ascending id, whose (dotted) fields equal the values given.

    A dot in a field's name is written as two underscores: `info__cell="..."`.
    """
    query = {key.replace("__", "."): value for key, value in equal.items()}
    return list(database.runs.find(query, LEFT_OUT).sort("_id", ASCENDING))


def metric_points(database: Database, run_ids: Iterable[int], prefix: str = "") -> "pd.DataFrame":
    """Return the points of metrics whose name begins with `prefix`.

    Returns:
        One row per point, columns run_id, name, step, value; ordered by run, name and position.
    """
    import pandas as pd  # it takes a second, and only figures ask for points

    query: dict[str, Any] = {"run_id": {"$in": list(run_ids)}}
    columns: dict[str, list[Any]] = defaultdict(list)
    # Names are matched here: a prefix may hold characters that a pattern would read as its own.
    for series in database.metrics.find(query).sort([("run_id", 1), ("name", 1), ("_id", 1)]):
        if series["name"].startswith(prefix):
            columns["run_id"] += [series["run_id"]] * len(series["steps"])
            columns["name"] += [series["name"]] * len(series["steps"])
            columns["step"] += series["steps"]
            columns["value"] += series["values"]
    return pd.DataFrame(columns, columns=["run_id", "name", "step", "value"])


def read_artifact(database: Database, run: dict[str, Any], name: str) -> bytes:
    """Return the bytes of a run's artifact.

    Raises:
        StorageError: the run has no such artifact, or it cannot be read whole.
    """
    for artifact in run["artifacts"]:
        if artifact["name"] == name:
            try:
                return GridFS(database).get(artifact["file_id"]).read()
            except (NoFile, CorruptGridFile):
                raise StorageError(f"artifact {name} of run {run['_id']} cannot be read from the database") from None
    raise StorageError(f"run {run['_id']} has no artifact {name}")

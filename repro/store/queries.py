"""Queries of the stored runs."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING
from pymongo.database import Database

from repro.errors import StorageError
from repro.store.foreign import OURS
from repro.store.optional import kind_of
from repro.store.source import LEFT_OUT, Run, RunSource, source_of

if TYPE_CHECKING:
    import pandas as pd

ENCODER = "encoder.safetensors"
"""Name of the artifact that holds a run's pretrained encoder."""

NO_ENCODER = "stored no encoder; name a finished `train` or `pretrain` run of a method that pretrains"
"""What is wrong with a run whose encoder is asked for but not there, and what to do."""


def find_runs(database: Database, **equal: Any) -> list[Run]:
    """Return the kit's own run documents, by ascending id, whose (dotted) fields equal the values given.

    A dot in a field's name is written as two underscores: `info__cell="..."`.
    """
    query = {key.replace("__", "."): value for key, value in equal.items()}
    return list(database.runs.find({**OURS, **query}, LEFT_OUT).sort("_id", ASCENDING))


def metric_points(
    runs: Database | RunSource, run_ids: Iterable[int], prefix: str | tuple[str, ...] = ""
) -> "pd.DataFrame":
    """Return the points of metrics whose name begins with `prefix`, or with one of several.

    Args:
        runs: a run database, or another source of runs.
        run_ids: of which runs.
        prefix: of the names; several as a tuple.

    Returns:
        One row per point, columns run_id, name, step, value; ordered by run, name and position.
    """
    import pandas as pd  # it takes a second, and only figures ask for points

    columns: dict[str, list[Any]] = defaultdict(list)
    for run_id, members in source_of(runs).series(run_ids):
        for series in members:
            if series["name"].startswith(prefix):
                columns["run_id"] += [run_id] * len(series["steps"])
                columns["name"] += [series["name"]] * len(series["steps"])
                columns["step"] += series["steps"]
                columns["value"] += series["values"]
    return pd.DataFrame(columns, columns=["run_id", "name", "step", "value"])


def read_artifact(runs: Database | RunSource, run: Run, name: str) -> bytes:
    """Return the bytes of a run's artifact.

    Raises:
        StorageError: the run has no such artifact, it cannot be read whole, or it was left out of an archive.
    """
    source = source_of(runs)
    for artifact in run["artifacts"]:
        if artifact["name"] == name:
            content = source.read(artifact["file_id"])
            if content is not None:
                return content
            held = source.contents([artifact["file_id"]]).get(artifact["file_id"])
            kind = kind_of(name)
            if held is not None and held.left_out and kind is not None:
                raise StorageError(
                    f"run {run['_id']} is here without its {kind}: {name} was left out when the run was archived. "
                    f"Import an archive that was exported without --no-{kind}"
                )
            raise StorageError(f"artifact {name} of run {run['_id']} cannot be read from {source.name}")
    raise StorageError(f"run {run['_id']} has no artifact {name}")

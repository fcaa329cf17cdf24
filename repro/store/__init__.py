"""The run database: Sacred's documents in MongoDB, or in an embedded server that speaks its protocol.

Collections: `runs`, `metrics`, and GridFS (`fs.files`, `fs.chunks`) for artifacts and sources. An archive holds the
same in one file. Nothing here imports the training code, so records can be read where it is not installed.
"""

from repro.store.archive import open_archive
from repro.store.connect import open_database, runs_folder
from repro.store.foreign import foreign_runs
from repro.store.integrity import Finding, examine, problems_of
from repro.store.queries import ENCODER, NO_ENCODER, find_runs, metric_points, read_artifact
from repro.store.source import RunSource, source_of

__all__ = [
    "ENCODER",
    "NO_ENCODER",
    "Finding",
    "RunSource",
    "examine",
    "find_runs",
    "foreign_runs",
    "metric_points",
    "open_archive",
    "open_database",
    "problems_of",
    "read_artifact",
    "runs_folder",
    "source_of",
]

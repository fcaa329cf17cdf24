"""The run database: Sacred's documents in MongoDB, or in an embedded server that speaks its protocol.

Collections: `runs`, `metrics`, and GridFS (`fs.files`, `fs.chunks`) for artifacts and sources. Nothing here
imports the training code, so records can be read where it is not installed.
"""

from repro.store.connect import open_database, runs_folder
from repro.store.integrity import problems_of
from repro.store.queries import ENCODER, find_runs, metric_points, read_artifact

__all__ = ["ENCODER", "find_runs", "metric_points", "open_database", "problems_of", "read_artifact", "runs_folder"]

"""Number of parallel runs on this machine."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo.database import Database

from repro import machine
from repro.reproduce.engines.gpu_sharing import Limit
from repro.reproduce.study.cells import Cell
from repro.store import find_runs

Jobs = int | Callable[[], int]
"""How many at once: a number, or what tells it while they run."""


def jobs_for(cells: Sequence[Cell]) -> Jobs:
    """Return how many of the cells to run at once, each in a process of its own."""
    return _jobs([cell.config for cell in cells])


def jobs_for_runs(database: Database, run_ids: Sequence[int]) -> Jobs:
    """Return how many stored runs to execute again at once."""
    return _jobs([run["config"] for run in find_runs(database, _id={"$in": list(run_ids)})])


def _jobs(configs: Sequence[Mapping[str, Any]]) -> Jobs:
    """Return how many of them keep the cores that are free to us busy, or a GPU."""
    cores = machine.cores()
    if len(configs) > 1 and machine.gpu() and any(config["device"] != "cpu" for config in configs):
        return Limit(cores)
    threads = max((config.get("threads", 1) for config in configs), default=1)
    return max(1, min(len(configs), cores // threads))

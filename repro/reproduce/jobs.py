"""How many runs go side by side on this machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.database import Database

from repro import machine
from repro.reproduce.plan import Cell
from repro.store import find_runs


def jobs_for(cells: Sequence[Cell]) -> int:
    """Return how many of the cells to run at once, each in a process of its own."""
    return _jobs([cell.config for cell in cells])


def jobs_for_runs(database: Database, run_ids: Sequence[int]) -> int:
    """Return how many stored runs to execute again at once."""
    return _jobs([run["config"] for run in find_runs(database, _id={"$in": list(run_ids)})])


def _jobs(configs: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of them keep the cores that are free to us busy; on a GPU one, which has it for itself."""
    if machine.gpu() and any(config["device"] != "cpu" for config in configs):
        return 1
    threads = max((config.get("threads", 1) for config in configs), default=1)
    return max(1, min(len(configs), machine.cores() // threads))

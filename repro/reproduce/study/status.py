"""Status of the cells of a study, from the run database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import DESCENDING
from pymongo.database import Database

from repro.reproduce.study.cells import Cell
from repro.store import find_runs, problems_of
from repro.store.liveness import alive

STATES = ("done", "running", "stopped", "damaged", "failed", "missing")
"""From best to worst; of several runs of a cell the best counts. Stopped: by a person, or with its machine; it goes on
from its last checkpoint, where that is at hand."""


@dataclass(frozen=True)
class Standing:
    """Where one cell stands.

    Args:
        state: one of `STATES`.
        run: the run that says so; None where there is none.
        reason: why it failed, one line; empty for other states.
    """

    state: str
    run: int | None = None
    reason: str = ""


def standings(database: Database, cells: Sequence[Cell]) -> list[Standing]:
    """Return where each cell stands: a small question to the database for each, and one for all that are not done.

    "done" is what a run was found to be when it had been stored and read back; `whole_runs` reads it again.
    """
    wanted = {"status": 1, "heartbeat": 1, "info.cell": 1, "info.runs_folder": 1, "fail_trace": {"$slice": -1}}
    best: dict[str, Standing] = {}
    keys = [cell.key for cell in cells]
    # One by one, each is found by the index alone; of a cell that is done the other runs are not even read.
    for key in keys:
        run = database.runs.find_one({"info.cell": key, "status": "COMPLETED"}, wanted, sort=[("_id", DESCENDING)])
        if run is not None:
            best[key] = _standing(database, run)
    open_cells = [key for key in keys if key not in best]
    if open_cells:
        for run in database.runs.find({"info.cell": {"$in": open_cells}}, wanted).sort("_id", DESCENDING):
            key, found = run["info"]["cell"], _standing(database, run)
            if key not in best or STATES.index(found.state) < STATES.index(best[key].state):
                best[key] = found
    return [best.get(key, Standing("missing")) for key in keys]


def whole_runs(database: Database, cell: Cell) -> Iterator[dict[str, Any]]:
    """Yield the runs of a cell that are finished and, read back now, whole; the newest first."""
    runs = find_runs(database, info__cell=cell.key, status="COMPLETED")
    return (run for run in reversed(runs) if not problems_of(database, run))


def _standing(database: Database, run: dict[str, Any]) -> Standing:
    match run["status"]:
        case "COMPLETED":
            state = "done"
        case "RUNNING":
            state = "running" if alive(database, run) else "stopped"
        case "INTERRUPTED":
            state = "stopped"
        case "INCOMPLETE" | "IMPORTING":
            state = "damaged"
        case _:
            trace = " ".join("".join(run.get("fail_trace") or ["no reason is on record"]).split())
            return Standing("failed", run["_id"], trace)
    return Standing(state, run["_id"])

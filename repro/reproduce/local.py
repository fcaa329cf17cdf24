"""The local engine: the missing cells of a study, one after the other, in this process."""

import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from pymongo.database import Database

from repro.configs.resolve import resolve
from repro.errors import InputError, StorageError
from repro.experiment import execute
from repro.reproduce.plan import Cell
from repro.reproduce.standing import standings, whole_run
from repro.store.delivery import deliver_left_over

log = logging.getLogger("repro.reproduce")

SECONDS_BETWEEN_LOOKS = 5.0
"""How often cells that another process runs are looked at."""


@dataclass(frozen=True)
class Failure:
    """A cell that did not get a whole run, and why."""

    cell: Cell
    reason: str


def run_missing(database: Database, cells: Sequence[Cell]) -> list[Failure]:
    """Run every cell that has no whole run yet; return those that failed, the others notwithstanding.

    Cells that another process runs are waited for, and taken over if it dies. Ctrl-C stops; the next call goes on from
    the last checkpoint of the cell that was running.

    Args:
        database: the run database.
        cells: a cell's origin comes before it.
    """
    failures: dict[str, Failure] = {}
    left, waiting = list(enumerate(cells, start=1)), False
    while left:
        busy = []
        for number, cell in left:
            title = f"cell {number} of {len(cells)}: {cell.title}"
            if standings(database, [cell])[0].state == "running":
                busy.append((number, cell))
                continue
            failure = attempt(database, cell, title)
            if failure is not None:
                failures[cell.key] = failure
        if busy and len(busy) == len(left):
            if not waiting:
                log.info("another process runs the last %d cells; waiting for it", len(busy))
            waiting = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
        left = busy
    return list(failures.values())


def wait_for_others(database: Database, cell: Cell) -> None:
    """Return when no living process runs a cell."""
    while standings(database, [cell])[0].state == "running":
        time.sleep(SECONDS_BETWEEN_LOOKS)


def attempt(database: Database, cell: Cell, title: str) -> Failure | None:
    """Give a cell a whole run, unless it has one; return why that was not possible, or None.

    Args:
        database: the run database.
        cell: what to run.
        title: what the log calls it.
    """
    try:
        deliver_left_over(database)
        if whole_run(database, cell) is not None:
            log.info("%s: is there already", title)
            return None
        updates = dict(cell.updates)
        if cell.origin is not None:
            updates["evaluate.pretraining"] = whole_run(database, cell.origin)
            if updates["evaluate.pretraining"] is None:
                return Failure(cell, f"it needs the encoder of a cell that has no whole run: {cell.origin.command}")
        log.info("%s", title)
        execute(database, cell.task, resolve(cell.named, updates), list(cell.named))
    except (InputError, StorageError) as error:
        return Failure(cell, str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(cell, f"{type(error).__name__}: {error}")
    return None

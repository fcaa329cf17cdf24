"""The local engine: the missing cells of a study, one after the other in this process, past outages of the database."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pymongo.database import Database
from pymongo.errors import ConnectionFailure

from repro.configs.resolve import resolve
from repro.errors import InputError, StorageError, UndeliveredError
from repro.experiment import content_of, execute
from repro.procedure import images_of
from repro.reproduce.plan import Cell
from repro.reproduce.standing import standings, whole_run
from repro.store.connect import revive
from repro.store.delivery import deliver_left_over

log = logging.getLogger("repro.reproduce")

SECONDS_BETWEEN_LOOKS = 5.0
"""How often cells that another process runs, and a database that does not answer, are looked at."""

Result = TypeVar("Result")


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
            if is_running(database, cell):
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


def is_running(database: Database, cell: Cell) -> bool:
    """Whether a living process runs a cell."""
    return patiently(database, lambda: standings(database, [cell])[0].state == "running")


def patiently(database: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns. It is begun again after every outage of the database, once that answers again."""
    while True:
        try:
            return work()
        except ConnectionFailure as error:
            log.warning("the run database does not answer (%s); waiting for it", type(error).__name__)
        _wait_for(database)


def attempt(database: Database, cell: Cell, title: str) -> Failure | None:
    """Give a cell a whole run, unless it has one; return why that was not possible, or None.

    An outage of the database is waited out. The cell then goes on from its last checkpoint; if it had ended, its
    record is delivered.

    Args:
        database: the run database.
        cell: what to run.
        title: what the log calls it.
    """
    try:
        try:
            return patiently(database, lambda: _attempt(database, cell, title))
        except UndeliveredError as error:
            log.warning("%s", error)
            _wait_for(database)
            return patiently(database, lambda: _attempt(database, cell, title))
    except (InputError, StorageError) as error:
        return Failure(cell, str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(cell, f"{type(error).__name__}: {error}")


def _attempt(database: Database, cell: Cell, title: str) -> Failure | None:
    deliver_left_over(database)
    if _has_run(database, cell):
        log.info("%s: is there already", title)
        return None
    updates = dict(cell.updates)
    if cell.origin is not None:
        updates["evaluate.pretraining"] = whole_run(database, cell.origin)
        if updates["evaluate.pretraining"] is None:
            return Failure(cell, f"it needs the encoder of a cell that has no whole run: {cell.origin.command}")
    log.info("%s", title)
    execute(database, cell.task, resolve(cell.named, updates), list(cell.named))
    return None


def _has_run(database: Database, cell: Cell) -> bool:
    """Whether a cell has a whole run, and that of the images as they are now, as far as they are to be had."""
    run_id = whole_run(database, cell)
    if run_id is None:
        return False
    run = database.runs.find_one({"_id": run_id}, {"info.images": 1})
    assert run is not None
    try:
        now = content_of(images_of(cell.config))
    except InputError:
        return True
    if run["info"].get("images", now) == now:
        return True
    log.info("run %d is of other images than are there now", run_id)
    return False


def _wait_for(database: Database) -> None:
    while True:
        revive()
        try:
            database.client.admin.command("ping")
        except ConnectionFailure:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        else:
            return

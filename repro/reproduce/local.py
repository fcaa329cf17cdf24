"""The local engine: the missing cells of a study, one after the other in this process, past outages of the database."""

import contextlib
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from pymongo.database import Database

from repro.configs.resolve import resolve
from repro.errors import BusyError, InputError, StorageError, UndeliveredError
from repro.experiment import execute
from repro.pretrain.checkpoint import Checkpoint
from repro.procedure import checkpoint_folder
from repro.reproduce.done import done_by
from repro.reproduce.patience import is_running, patiently, pause, wait_for
from repro.reproduce.plan import Cell
from repro.store.delivery import deliver_left_over

log = logging.getLogger("repro.reproduce")


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
            try:
                failure = attempt(database, cell, title)
            except BusyError:  # another process was quicker
                busy.append((number, cell))
                continue
            if failure is not None:
                failures[cell.key] = failure
        if busy and len(busy) == len(left):
            if not waiting:
                log.info("another process runs the last %d cells; waiting for it", len(busy))
            waiting = True
            pause()
        left = busy
    return list(failures.values())


def attempt(database: Database, cell: Cell, title: str) -> Failure | None:
    """Give a cell a whole run, unless it has one; return why that was not possible, or None.

    An outage of the database is waited out. The cell then goes on from its last checkpoint; if it had ended, its
    record is delivered.

    Args:
        database: the run database.
        cell: what to run.
        title: what the log calls it.

    Raises:
        BusyError: another process runs it now.
    """
    try:
        try:
            return patiently(database, lambda: _attempt(database, cell, title))
        except UndeliveredError as error:
            log.warning("%s", error)
            wait_for(database)
            return patiently(database, lambda: _attempt(database, cell, title))
    except BusyError:
        raise
    except (InputError, StorageError) as error:
        return Failure(cell, str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(cell, f"{type(error).__name__}: {error}")


def _attempt(database: Database, cell: Cell, title: str) -> Failure | None:
    deliver_left_over(database)
    if done_by(database, cell) is not None:
        log.info("%s: is there already", title)
        _tidy(cell)
        return None
    updates = dict(cell.updates)
    if cell.origin is not None:
        updates["evaluate.pretraining"] = done_by(database, cell.origin)
        if updates["evaluate.pretraining"] is None:
            return Failure(cell, f"it needs the encoder of a cell that has no whole run: {cell.origin.command}")
    log.info("%s", title)
    execute(database, cell.task, resolve(cell.named, updates), list(cell.named))
    return None


def _tidy(cell: Cell) -> None:
    """Remove the checkpoint of a finished run: its process may have ended before it was known to be stored whole."""
    checkpoint = Checkpoint(checkpoint_folder(cell.config))
    if checkpoint.exists:
        with contextlib.suppress(BusyError), checkpoint.owned():
            checkpoint.delete()

"""The local engine: the missing cells of a study, one after the other in this process, past outages of the database."""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pymongo.database import Database
from pymongo.errors import PyMongoError

from repro.configs.resolve import resolve
from repro.errors import BusyError, InputError, StorageError, UndeliveredError
from repro.experiment import content_of, execute
from repro.pretrain.checkpoint import Checkpoint
from repro.procedure import checkpoint_folder, images_of
from repro.reproduce.plan import Cell
from repro.reproduce.standing import standings, whole_runs
from repro.store.connect import outage_of, revive, runs_folder_id
from repro.store.delivery import deliver_left_over

log = logging.getLogger("repro.reproduce")

SECONDS_BETWEEN_LOOKS = 5.0
"""How often cells that another process runs, and a database that does not do its work, are looked at."""

SECONDS_OF_DOUBT = 20.0
"""How long a run elsewhere whose last sign of life is old is watched for a new one: after an outage of the database its
signs arrive a little later than that answers again. [us]"""

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
            time.sleep(SECONDS_BETWEEN_LOOKS)
        left = busy
    return list(failures.values())


def is_running(database: Database, cell: Cell) -> bool:
    """Whether a living process runs a cell."""

    def asked() -> bool:
        standing = standings(database, [cell])[0]
        if standing.state != "stopped":
            return standing.state == "running"
        elsewhere = {"_id": standing.run, "status": "RUNNING", "info.runs_folder": {"$ne": runs_folder_id()}}
        before = database.runs.find_one(elsewhere, {"heartbeat": 1})
        if before is None:
            return False
        log.info("run %d gave no sign of life for long; watching it for %g s", before["_id"], SECONDS_OF_DOUBT)
        time.sleep(SECONDS_OF_DOUBT)
        return database.runs.find_one(elsewhere, {"heartbeat": 1}) != before

    return patiently(database, asked)


def patiently(database: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns. It is begun again after every outage of the database, once that answers again."""
    while True:
        try:
            return work()
        except PyMongoError as error:
            if (outage := outage_of(error)) is None:
                raise
            log.warning("the run database does not do its work (%s); waiting for it", outage)
        _wait_for(database)


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
            _wait_for(database)
            return patiently(database, lambda: _attempt(database, cell, title))
    except BusyError:
        raise
    except (InputError, StorageError) as error:
        return Failure(cell, str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(cell, f"{type(error).__name__}: {error}")


def done_by(database: Database, cell: Cell) -> int | None:
    """Return the newest whole run of a cell, of the images as they are now; None if there is none.

    Where the images are not to be had, any whole run will do. A cell that judges an encoder is done only if that was
    pretrained on the images as they are now.
    """
    now = _images(cell)
    for run in whole_runs(database, cell):
        if now not in (None, run["info"].get("images", now)):
            log.info("run %d is of other images than are there now", run["_id"])
        elif cell.origin is not None and not _has_origin(database, cell.origin, run):
            log.info("run %d judges an encoder of other images than are there now", run["_id"])
        else:
            return run["_id"]
    return None


def _has_origin(database: Database, origin: Cell, run: dict) -> bool:
    now = _images(origin)
    there = database.runs.find_one({"_id": run["config"]["evaluate"]["pretraining"]}, {"info.images": 1})
    return now is None or there is None or there["info"].get("images", now) == now


def _images(cell: Cell) -> str | None:
    """Return which images a cell is of; None where they are not to be had."""
    try:
        return content_of(images_of(cell.config))
    except InputError:
        return None


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


def _wait_for(database: Database) -> None:
    while True:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        revive()
        try:
            database.client.admin.command("ping")
        except PyMongoError as error:
            if outage_of(error) is None:
                raise
        else:
            return

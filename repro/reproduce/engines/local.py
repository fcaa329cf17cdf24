"""The local engine: the missing cells of a study on this machine, several at once, past outages of the database."""

import contextlib
import functools
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pymongo.database import Database

from repro.configs.resolve import resolve
from repro.errors import BusyError, InputError, StorageError, UndeliveredError, UnreachedError
from repro.execution.resources import checkpoint_folder
from repro.reproduce.engines import waiting
from repro.reproduce.engines.job_count import Jobs
from repro.reproduce.engines.pool import Here, Pool, Workers
from repro.reproduce.engines.progress_board import Board
from repro.reproduce.engines.waiting import is_running, patiently, pause, wait_for
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.completed import done_by
from repro.store import open_database
from repro.store.delivery import deliver_left_over
from repro.store.liveness import close_earlier

log = logging.getLogger("repro.reproduce")

DEATHS = 3
"""How often a cell whose process dies is begun, in all."""


@dataclass(frozen=True)
class Failure:
    """A cell that did not get a whole run, and why."""

    cell: Cell
    reason: str


def run_missing(database: Database, cells: Sequence[Cell], jobs: Jobs = 1) -> list[Failure]:
    """Run every cell that has no whole run yet; return those that failed, the others notwithstanding.

    Cells that another process runs are left to it, and taken over if it dies. A cell whose own process dies is begun
    again, and goes on from its last checkpoint. Ctrl-C stops; the next call goes on likewise.

    Args:
        database: the run database.
        cells: a cell's origin comes before it.
        jobs: how many at once, each in a process of its own, or what tells it; 1: one after the other in this process.
    """
    board = Board("cells", len(cells), shown=jobs != 1)
    work = functools.partial(_attempted, database) if jobs == 1 else _attempt_apart
    with Here() if jobs == 1 else Pool(jobs, board) as workers:
        study = _Study(database, cells, workers, board, work)
        try:
            while study.left:
                study.begin()
                study.hear()
        except KeyboardInterrupt:
            if jobs != 1:  # else the cell itself has said so
                log.warning("stopped; the same command resumes from the last checkpoints")
            raise
    return list(study.failures.values())


class _Study:
    """The cells that are not settled yet, who works at them, and what failed."""

    def __init__(
        self,
        database: Database,
        cells: Sequence[Cell],
        workers: Workers,
        board: Board,
        work: Callable[[Cell, str], str | None],
    ) -> None:
        self.left = {cell.key: (cell, f"cell {number} of {len(cells)}") for number, cell in enumerate(cells, start=1)}
        self.failures: dict[str, Failure] = {}
        self._database, self._workers, self._board, self._work = database, workers, board, work
        self._deaths: Counter[str] = Counter()
        self._elsewhere: dict[str, float] = {}
        self._told = False

    def begin(self) -> None:
        """Begin the first of those cells that nobody runs and that wait for no other, as many as there is room for."""
        for key, (cell, number) in list(self.left.items()):
            if not self._workers.room():
                return
            if key in self._workers.running or (cell.origin is not None and cell.origin.key in self.left):
                continue
            if time.monotonic() < self._elsewhere.get(key, 0.0) + waiting.SECONDS_BETWEEN_LOOKS:
                continue
            if is_running(self._database, cell):
                self._elsewhere[key] = time.monotonic()
                continue
            if self._is_there(cell):
                log.info("%s: %s: already done, skipped", number, cell.title)
                _tidy(cell)
                self._settle(key, worked=False)
            else:
                self._workers.start(key, number, self._work, cell, f"{number}: {cell.title}")

    def hear(self) -> None:
        """Wait until cells have ended, or until it is time to look at those that others run."""
        if self.left and not self._workers.running:
            if not self._told:
                log.info("another process runs the last %d cells; waiting for it", len(self.left))
            self._told = True
            pause()
        for end in self._workers.ended(waiting.SECONDS_BETWEEN_LOOKS):
            cell, number = self.left[end.key]
            reason = end.outcome
            if end.death:
                self._deaths[end.key] += 1
                if self._deaths[end.key] < DEATHS:
                    log.warning("%s: its process ended (%s); the cell is begun again", number, end.death)
                    continue
                reason = f"its process ended {DEATHS} times, at last with {end.death}"
            if reason is None:  # another process was quicker
                self._elsewhere[end.key] = time.monotonic()
                continue
            if reason:
                self.failures[end.key] = Failure(cell, reason)
            self._settle(end.key, worked=True)

    def _settle(self, key: str, worked: bool) -> None:
        del self.left[key]
        self._board.settle(worked)

    def _is_there(self, cell: Cell) -> bool:
        with contextlib.suppress(InputError, StorageError, OSError):  # whoever runs it will say why
            return patiently(self._database, lambda: _done(self._database, cell)) is not None
        return False


def _attempt_apart(cell: Cell, title: str) -> str | None:
    """Give a cell a whole run, in a process of its own; return as `_attempted`."""
    while True:
        try:
            with open_database() as database:
                return _attempted(database, cell, title)
        except UnreachedError as error:
            log.warning("%s; trying again", error)
            pause()
        except (InputError, StorageError) as error:
            return str(error)


def _attempted(database: Database, cell: Cell, title: str) -> str | None:
    """Give a cell a whole run; return why that was not possible, "" if it was, None if another process runs it."""
    try:
        failure = attempt(database, cell, title)
    except BusyError:
        return None
    return "" if failure is None else failure.reason


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
    if _done(database, cell) is not None:
        log.info("%s: already done, skipped", title)
        _tidy(cell)
        return None
    updates = dict(cell.updates)
    if cell.origin is not None:
        updates["evaluate.pretraining"] = done_by(database, cell.origin)
        if updates["evaluate.pretraining"] is None:
            return Failure(cell, f"it needs the encoder of a cell that has no whole run: {cell.origin.command}")
    from repro.execution.experiment import (
        execute,  # torch takes seconds to import, and whoever waits for others needs none
    )

    log.info("%s", title)
    config = resolve(cell.named, updates)
    # Whether it is done is asked again at the last moment: seconds pass until then.
    execute(database, cell.task, config, list(cell.named), superseded=lambda: done_by(database, cell) is not None)
    return None


def _done(database: Database, cell: Cell) -> int | None:
    """Return as `done_by`; what killed processes left open of the cell is closed, which the last may not have done."""
    run_id = done_by(database, cell)
    if run_id is not None:
        close_earlier(database, run_id)
    return run_id


def _tidy(cell: Cell) -> None:
    """Remove the checkpoint of a finished run: its process may have ended before it was known to be stored whole."""
    if (folder := checkpoint_folder(cell.config)).exists():
        from repro.pretrain.checkpoint import Checkpoint  # torch takes seconds to import

        checkpoint = Checkpoint(folder)
        with contextlib.suppress(BusyError), checkpoint.owned():
            checkpoint.delete()

"""The local engine: the missing cells of a study, one after the other, in this process."""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from pymongo.database import Database

from repro.errors import InputError, StorageError
from repro.experiment import execute
from repro.reproduce.plan import Cell, standing

log = logging.getLogger("repro.reproduce")


@dataclass(frozen=True)
class Failure:
    """A cell that did not get a whole run, and why."""

    cell: Cell
    reason: str


def run_missing(database: Database, cells: Sequence[Cell]) -> list[Failure]:
    """Run every cell that has no whole run yet; return those that failed, the others notwithstanding.

    Ctrl-C stops; the next call goes on from the last checkpoint of the cell that was running.
    """
    failures = []
    for number, cell in enumerate(cells, start=1):
        title = f"cell {number} of {len(cells)}: {' '.join(cell.named)} seed={cell.updates['seed']}"
        try:
            if standing(database, cell) == "done":
                log.info("%s: is there already", title)
                continue
            log.info("%s", title)
            execute(database, cell.task, cell.config, list(cell.named))
        except (InputError, StorageError) as error:
            failures.append(Failure(cell, str(error)))
        except Exception as error:
            traceback.print_exc()
            failures.append(Failure(cell, f"{type(error).__name__}: {error}"))
    return failures

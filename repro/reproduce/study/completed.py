"""Whether a cell is done: a complete run on the present images exists."""

import logging
from typing import Any

from pymongo.database import Database

from repro.errors import InputError
from repro.execution.resources import content_of, images_of
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.status import whole_runs

log = logging.getLogger("repro.reproduce")


def done_by(database: Database, cell: Cell) -> int | None:
    """Return the newest whole run of a cell, of the images as they are now; None if there is none.

    Where the images are not to be had, any whole run will do. A cell that judges an encoder is done only if that was
    pretrained on the images as they are now.
    """
    now = _images(cell)
    for run in whole_runs(database, cell):
        if now not in (None, run["info"].get("images", now)):
            log.info("run %d is of other images than the present ones", run["_id"])
        elif cell.origin is not None and not _has_origin(database, cell.origin, run):
            log.info("run %d evaluates an encoder of other images than the present ones", run["_id"])
        else:
            return run["_id"]
    return None


def _has_origin(database: Database, origin: Cell, run: dict[str, Any]) -> bool:
    now = _images(origin)
    there = database.runs.find_one({"_id": run["config"]["evaluate"]["pretraining"]}, {"info.images": 1})
    return now is None or there is None or there["info"].get("images", now) == now


def _images(cell: Cell) -> str | None:
    """Return which images a cell is of; None where they are not to be had."""
    try:
        return content_of(images_of(cell.config))
    except InputError:
        return None

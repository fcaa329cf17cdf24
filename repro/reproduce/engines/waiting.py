"""Waiting and retrying: for a database that does not answer, and for cells that another process runs."""

import itertools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.database import Database
from pymongo.errors import PyMongoError

from repro.reproduce.study.cells import Cell
from repro.reproduce.study.status import standings
from repro.store.connect import outage_of, revive, runs_folder_id

log = logging.getLogger("repro.reproduce")

SECONDS_BETWEEN_LOOKS = 5.0
"""How often what is waited for is looked at."""

LOOKS_BETWEEN_WORDS = 12
"""Once a minute it is said that one still waits."""

SECONDS_OF_DOUBT = 20.0
"""How long a run elsewhere whose last sign of life is old is watched for a new one: after an outage of the database its
signs arrive a little later than that answers again. [us]"""

Result = TypeVar("Result")


def pause() -> None:
    """Wait until it is time to look again."""
    time.sleep(SECONDS_BETWEEN_LOOKS)


def patiently(database: Database, work: Callable[[], Result]) -> Result:
    """Return what `work` returns. It is begun again after every outage of the database, once that answers again."""
    while True:
        try:
            return work()
        except PyMongoError as error:
            if (outage := outage_of(error)) is None:
                raise
            log.warning("the run database does not work (%s); waiting for it", outage)
        wait_for(database)


def wait_for(database: Database) -> None:
    """Return when the database answers. One that answered, but could not do its work, is given a pause."""
    for look in itertools.count(1):
        pause()
        if look % LOOKS_BETWEEN_WORDS == 0:
            log.warning("still waiting for the run database; see its log")
        revive()
        try:
            database.client.admin.command("ping")
        except PyMongoError as error:
            if outage_of(error) is None:
                raise
        else:
            return


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
        log.info("run %d has not reported for long; watching it for %g s", before["_id"], SECONDS_OF_DOUBT)
        time.sleep(SECONDS_OF_DOUBT)
        return database.runs.find_one(elsewhere, {"heartbeat": 1}) != before

    return patiently(database, asked)

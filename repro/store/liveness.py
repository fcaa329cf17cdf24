"""Is a run whose record says RUNNING still alive?"""

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from repro.locks import lock
from repro.store.connect import identity, runs_folder_id
from repro.store.delivery import spool_folder

DEAD_AFTER = timedelta(minutes=3)
"""A run elsewhere that gave no sign of life for so long is dead [us]; a living one gives one every ten seconds."""


def alive(database: Database, run: dict[str, Any]) -> bool:
    """Return whether the process of a run that is on record as RUNNING still lives.

    Of a run in our own runs folder its journal tells, whose lock ends with the process and outlasts a database outage;
    of others only the heartbeat does.

    Args:
        database: the run database.
        run: at least `_id`, `heartbeat` and `info.runs_folder` of the run's document.
    """
    if run.get("info", {}).get("runs_folder") != runs_folder_id():
        return datetime.now(UTC) - run["heartbeat"].replace(tzinfo=UTC) < DEAD_AFTER
    file = spool_folder() / f"{run['_id']}-{identity(database)}" / "owner.lock"
    try:
        with file.open("r+") as owner:
            lock(owner, file, shared=True, wait=False)  # several may look at once
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def close_earlier(database: Database, run_id: int) -> None:
    """Close the records of earlier attempts at a finished run's cell whose processes are dead.

    Args:
        database: the run database.
        run_id: the finished run.
    """
    run = database.runs.find_one({"_id": run_id}, {"info.cell": 1})
    assert run is not None
    earlier = {"_id": {"$lt": run_id}, "status": "RUNNING", "info.cell": run["info"]["cell"]}
    dead = [each["_id"] for each in database.runs.find(earlier) if not alive(database, each)]
    closed = {"status": "INTERRUPTED", "info.continued_by": run_id}
    database.runs.update_many({"_id": {"$in": dead}, "status": "RUNNING"}, {"$set": closed})

"""The run database: whether it answers, what is in it, and who else uses it."""

from collections.abc import Iterator

from repro.doctor.finding import Finding, failing, note
from repro.errors import InputError, StorageError
from repro.store import foreign_runs, open_database
from repro.store.address import named_address, naming
from repro.store.connect import runs_folder
from repro.store.delivery import left_over, spool_folder
from repro.store.foreign import OURS
from repro.store.liveness import alive

TITLE = "runs"

NEEDED = {"heartbeat": 1, "info.runs_folder": 1}


def findings() -> Iterator[Finding]:
    """Yield whether the run database answers, its runs, and records that wait to be delivered."""
    try:
        place = f"embedded, in {runs_folder() / 'db'}" if named_address() is None else f"that of {naming()}"
        with open_database(writes=False) as database:
            ours = database.runs.count_documents(OURS)
            yield Finding(f"the run database ({place}) answers: {ours} runs of this kit")
            if foreign := foreign_runs(database):
                yield Finding(foreign)
            running = list(database.runs.find({"$and": [OURS, {"status": "RUNNING"}]}, NEEDED))
            if dead := sorted(run["_id"] for run in running if "heartbeat" in run and not alive(database, run)):
                listed = ", ".join(map(str, dead[:10]))
                yield note(f"runs that were cut off: {listed}", "The same command resumes from their checkpoints")
    except (InputError, StorageError) as error:
        yield failing(str(error), "")
        return
    if damaged := sorted(folder.name for folder in spool_folder().glob("*.damaged")):
        yield note(f"damaged records in {spool_folder()}: {', '.join(damaged)}", "Look at them, then delete them")
    if waiting := left_over():
        yield note(
            f"records of {len(waiting)} ended runs wait in {spool_folder()}", "The next run writes them to the database"
        )

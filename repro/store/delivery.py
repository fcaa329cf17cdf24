"""Delivery of a journal to the database: in order, and each entry exactly once."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gridfs import GridFS
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from repro.store.connect import NOT_ALLOWED, identity, revive, runs_folder
from repro.store.journal import HIDDEN, Entry, Journal

log = logging.getLogger("repro.store")

RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Waits between tries during an outage; the last one repeats."""

PIECE = 255 * 1024
"""Bytes of a file that are sent at a time: GridFS stores them as one document."""


def apply(database: Database, entry: Entry, folder: Path, moved: Callable[[], None] = lambda: None) -> None:
    """Do what one journal entry says; doing it again changes nothing. `moved` is called with every piece of a file.

    Kinds of entry:
        run     {run, doc}                                  the run document, made once
        set     {run, fields}                               fields of the run document
        points  {run, metric, name, start, steps, values, timestamps}   metric points from position `start` on
        sources {run, files: [{file, name, sha256}]}        the sources, and their mention in the run document
        file    {run, file, name, list, filename, sha256}   a file, and its mention in a list of the run document;
                                                            an artifact also has {metadata, content_type}
    """
    match entry["kind"]:
        case "run":
            database.runs.update_one({"_id": entry["run"]}, {"$setOnInsert": entry["doc"]}, upsert=True)
            if not _is_there(database, entry["run"], entry["doc"].get("start_time")):
                raise ValueError(f"another run {entry['run']} is in the run database; was it restored from a backup?")
        case "set":
            database.runs.update_one({"_id": entry["run"]}, {"$set": entry["fields"]})
        case "points":
            _push_points(database, entry)
        case "sources":
            _put_sources(database, entry, folder, moved)
        case "file":
            _put_file(database, entry, folder, moved)


def _is_there(database: Database, run_id: int, start: datetime | None) -> bool:
    """Whether the run under an id is the one that began then, to the millisecond that a database keeps."""
    found = database.runs.find_one({"_id": run_id}, {"start_time": 1}) or {}
    stored = found.get("start_time")
    if start is None or stored is None:
        return start is stored
    return abs(stored.replace(tzinfo=UTC) - start.replace(tzinfo=UTC)) < timedelta(seconds=0.01)


def _push_points(database: Database, entry: Entry) -> None:
    empty = {
        "run_id": entry["run"],
        "name": entry["name"],
        "steps": [],
        "values": [],
        "timestamps": [],
        "count": 0,
    }
    database.metrics.update_one({"_id": entry["metric"]}, {"$setOnInsert": empty}, upsert=True)
    series = ("steps", "values", "timestamps")
    # The position makes it exactly once: a second try no longer finds the series this short.
    database.metrics.update_one(
        {"_id": entry["metric"], "count": entry["start"]},
        {"$push": {key: {"$each": entry[key]} for key in series}, "$inc": {"count": len(entry["steps"])}},
    )


def _put_sources(database: Database, entry: Entry, folder: Path, moved: Callable[[], None]) -> None:
    """Put sources that the database does not have, and list all where the run document lists none."""
    named = {"filename": {"$in": [file["name"] for file in entry["files"]]}, "metadata.sha256": {"$exists": True}}
    found = database.fs.files.find(named, {"filename": 1, "metadata.sha256": 1})
    there = {(file["filename"], file["metadata"]["sha256"]): file["_id"] for file in found}
    missing = [file for file in entry["files"] if (file["name"], file["sha256"]) not in there]
    _put(database, [{"run": entry["run"], "filename": file["name"], **file} for file in missing], folder, moved)
    listed = [[file["name"], there.get((file["name"], file["sha256"]), file["file"])] for file in entry["files"]]
    unlisted = {"_id": entry["run"], "experiment.sources": {"$size": 0}}
    database.runs.update_one(unlisted, {"$set": {"experiment.sources": listed}})


def _put_file(database: Database, entry: Entry, folder: Path, moved: Callable[[], None]) -> None:
    """Put an artifact or a resource that the database does not have, and mention it in the run document."""
    if not GridFS(database).exists(entry["file"]):
        _put(database, [entry], folder, moved)
    item: Any = [entry["name"], entry["file"]]
    if entry["list"] == "artifacts":
        item = {"name": entry["name"], "file_id": entry["file"]}
    database.runs.update_one({"_id": entry["run"], entry["list"]: {"$ne": item}}, {"$push": {entry["list"]: item}})


def _put(database: Database, entries: Sequence[Entry], folder: Path, moved: Callable[[], None]) -> None:
    """Put the content of files that the journal keeps."""
    left = {"files_id": {"$in": [entry["file"] for entry in entries]}}
    database.fs.chunks.delete_many(left)  # by a try that broke off
    for entry in entries:
        metadata = {**entry.get("metadata", {}), "sha256": entry["sha256"], "run_id": entry["run"]}
        kind = {"content_type": entry["content_type"]} if "content_type" in entry else {}
        new = {"_id": entry["file"], "filename": entry["filename"], "metadata": metadata, **kind}
        with (
            (folder / "files" / entry["sha256"]).open("rb") as content,
            GridFS(database).new_file(**new) as stored,
        ):
            while piece := content.read(PIECE):
                stored.write(piece)
                moved()


class Courier:
    """Delivers one journal from a thread of its own, through outages of any length."""

    def __init__(self, journal: Journal, database: Database) -> None:
        self._journal, self._database = journal, database
        self._offset = self._pieces = 0
        self._wake, self._closing, self._given_up = threading.Event(), threading.Event(), threading.Event()
        self.outage = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    def finish(self, patience: float) -> bool:
        """Wait until all is delivered, or `patience` seconds passed without progress. Return whether all is."""
        self._closing.set()
        self._wake.set()
        seen, since = (-1, -1), time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since < patience:
            if (self._offset, self._pieces) != seen:
                seen, since = (self._offset, self._pieces), time.monotonic()
            self._thread.join(0.05)
        self._given_up.set()
        self._wake.set()
        self._thread.join()  # no answer is waited for longer than SILENCE_MS
        return self._offset == self._journal.length

    def _run(self) -> None:
        tries = 0
        while not self._given_up.is_set():
            self._wake.clear()  # before the look at `closing`, or a last wake is lost
            closing = self._closing.is_set()
            try:
                for entry, after in self._journal.entries(self._offset):
                    apply(self._database, entry, self._journal.folder, self._moved)
                    self._offset, tries = after, 0
                    if self._given_up.is_set():
                        return
            except Exception as error:  # whatever it is, the record must not be taken for delivered
                self._note_outage(error)
                revive()
                (self._given_up if closing else self._closing).wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
                continue
            self._note_recovery()
            if closing:
                return
            self._wake.wait()

    def _moved(self) -> None:
        self._pieces += 1
        if self._given_up.is_set():
            raise TimeoutError("nobody waits for it any longer")

    def _note_outage(self, error: Exception) -> None:
        if not self.outage:
            # Only the kind of error: a driver's text can quote the address it was given.
            log.warning(
                "the run database does not answer (%s); the run continues, its record waits in %s",
                type(error).__name__, self._journal.folder,
            )  # fmt: skip
        self.outage = True

    def _note_recovery(self) -> None:
        if self.outage:
            log.warning("the run database answers again; waiting records have been written to it")
        self.outage = False


def spool_folder() -> Path:
    """Return the folder that holds the journals of runs not yet delivered."""
    return runs_folder() / "spool"


def left_over() -> list[Path]:
    """Return the journals that wait to be delivered: those that no living process owns."""
    left = []
    for folder in sorted(spool_folder().glob("*")):
        if folder.suffix != ".damaged" and not folder.name.startswith(HIDDEN):
            with contextlib.suppress(BlockingIOError, FileNotFoundError):  # its run goes on; it is gone
                Journal(folder).close(delete=False)
                left.append(folder)
    return left


def deliver_left_over(database: Database) -> list[int]:
    """Deliver the journals that ended processes left for this database; return their run ids, ascending.

    A journal that another process owns stays where it is, and one that belongs to another database, with a warning.
    A damaged one is put aside as `*.damaged`: it must not stand in the way of the others.
    """
    delivered = []
    for folder in sorted(spool_folder().glob("*")):
        if folder.suffix == ".damaged" or folder.name.startswith(HIDDEN):
            continue
        if not folder.name.endswith(identity(database)):
            log.warning("%s holds a run's record for another database address; open that one to deliver it", folder)
            continue
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # its run goes on; somebody else was quicker
            run = _deliver(database, folder)
            delivered += [] if run is None else [run]
    return sorted(delivered)


def _deliver(database: Database, folder: Path) -> int | None:
    """Deliver one journal that was left; return its run's id, or None if it is empty or damaged."""
    journal, run = Journal(folder), None
    try:
        for entry, _ in journal.entries():
            apply(database, entry, folder)
            run = entry["run"]
    except PyMongoError as error:
        journal.close(delete=False)
        if isinstance(error, OperationFailure) and error.code in NOT_ALLOWED:
            log.warning(
                "%s holds a run's record that this user may not deliver; it waits for one who may write", folder
            )
            return None
        raise
    except Exception as error:  # zeros after a power cut, a lost file: nothing that a later try would mend
        journal.close(delete=False)
        folder.rename(folder.with_name(folder.name + ".damaged"))
        log.warning("%s is damaged (%s: %s); it is put aside as *.damaged", folder, type(error).__name__, error)
        return None
    journal.close(delete=True)
    return run

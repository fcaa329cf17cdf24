"""Durable Sacred observer: it writes to a local journal, and a thread writes that to MongoDB.

The documents are those of Sacred's own MongoObserver, so Omniboard reads them.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from bson import ObjectId, json_util
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from sacred.observers import RunObserver
from sacred.serializer import flatten

from repro.errors import BusyError, StorageError, UndeliveredError
from repro.store.connect import identity
from repro.store.delivery import Courier, spool_folder
from repro.store.foreign import highest_id
from repro.store.integrity import RECORDED, examine, record_sha256
from repro.store.journal import Entry, Journal
from repro.store.liveness import alive

log = logging.getLogger("repro.store")

PATIENCE_SECONDS = 60.0
"""How long a finished run waits for an absent database before it leaves its record in the spool."""

CAPTURED_OUT_LIMIT = 1_000_000
"""Characters of captured output kept, from the end: the run document may not pass 16 MB."""


POINTS_PER_DOCUMENT = 200_000
"""Points of a metric that one document holds [us]: at about 426,000 it would pass 16 MB."""

MISSING = object()

TYPES = MimeTypes(filenames=())


class DurableObserver(RunObserver):
    """Records one run in `database`. No outage of it stops the run or loses any of its record.

    Args:
        database: the run database.
        info: what the run's `info` holds from its first moment.
        superseded: asked once the run is there to be seen: whether another process has completed the same meanwhile.
        patience: seconds that `finish` waits for an absent database.
    """

    def __init__(
        self,
        database: Database,
        info: dict[str, Any] | None = None,
        superseded: Callable[[], bool] = lambda: False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._database, self._info, self._superseded, self._patience = database, info or {}, superseded, patience
        self._journal: Journal
        self._forget()

    def _forget(self) -> None:
        """Be as new: an observer may record one run after the other."""
        self.run_id: int | None = None
        self._courier: Courier | None = None
        self._metrics: dict[str, tuple[ObjectId, int]] = {}
        self._sent: dict[str, Any] = {}
        self._sources: dict[str, str] = {}
        self._completed = self._unwritten = self._finished = False

    def started_event(
        self,
        ex_info: dict,
        command: str,
        host_info: dict,
        start_time: datetime,
        config: dict,
        meta_info: dict,
        _id: Any,
    ) -> int:
        """Reserve the run's id in the database and open its journal. The database must be there now.

        A run before, of which nobody said `finish`, is finished first.

        Raises:
            BusyError: another process was quicker to run the same cell; nothing is left of this run.
            StorageError: the run before could not be stored whole, as `finish` says it; this one is not begun.
        """
        if not self._finished:
            self.finish()
        self._forget()
        doc = {
            "experiment": {**ex_info, "sources": []},
            "format": "MongoObserver-0.7.0",
            "command": command,
            "host": dict(host_info),
            "start_time": start_time,
            "config": flatten(config),
            "meta": flatten(meta_info),
            "status": "RUNNING",
            "resources": [],
            "artifacts": [],
            "captured_out": "",
            "info": flatten(self._info),
            "heartbeat": start_time,
        }
        self.run_id = _reserve(self._database, doc)
        journal = None
        try:
            if (rival := _rival(self._database, self.run_id)) is not None:
                raise BusyError(f"run {rival} has the same config and is running elsewhere; wait for it or stop it")
            if self._superseded():
                raise BusyError("another process has completed the same config meanwhile")
            self._journal = journal = Journal.begin(spool_folder() / f"{self.run_id}-{identity(self._database)}")
            self._append({"kind": "run", "doc": doc})
            self._sent = {key: doc[key] for key in RECORDED if key in doc}
            self._keep_sources(Path(ex_info["base_dir"]), [str(name) for name, _ in ex_info["sources"]])
        except BaseException:  # also Ctrl-C: a run that was never begun does not stay on record as running
            if journal is not None:
                journal.close(delete=True)
            with contextlib.suppress(PyMongoError):
                self._database.runs.delete_one({"_id": self.run_id})
            self._forget()
            raise
        self._courier = Courier(self._journal, self._database)
        return self.run_id

    def heartbeat_event(self, info: dict, captured_out: str, beat_time: datetime, result: Any) -> None:
        """Record that the run lives, and what is new in `info` and the output."""
        try:
            fields = {
                "info": flatten(info),
                "result": flatten(result),
                "captured_out": captured_out[-CAPTURED_OUT_LIMIT:],
            }
        except RuntimeError:
            return  # info changed under our hands; the next beat has it
        new = {key: value for key, value in fields.items() if self._sent.get(key, MISSING) != value}
        self._set({**new, "heartbeat": beat_time})

    def output(self, text: str) -> None:
        """Record all that the run has written; for what came after the last heartbeat of a run that broke off."""
        if self.run_id is not None:
            self._set({"captured_out": text[-CAPTURED_OUT_LIMIT:]})

    def log_metrics(self, metrics_by_name: dict[str, dict], info: dict) -> None:
        """Record new points of metrics."""
        entries = []
        for name, points in metrics_by_name.items():
            left = _plain(points)
            while left["steps"]:
                metric, start = self._metrics.get(name, (None, POINTS_PER_DOCUMENT))
                if metric is None or start == POINTS_PER_DOCUMENT:
                    metric, start = ObjectId(), 0
                    info.setdefault("metrics", []).append({"name": name, "id": str(metric)})
                room = POINTS_PER_DOCUMENT - start
                now = {key: column[:room] for key, column in left.items()}
                left = {key: column[room:] for key, column in left.items()}
                entries.append({"kind": "points", "metric": metric, "name": name, "start": start, **now})
                self._metrics[name] = (metric, start + len(now["steps"]))
        self._append(*entries)

    def artifact_event(self, name: str, filename: str, metadata: Any = None, content_type: Any = None) -> None:
        """Record a file that the run made.

        Args:
            name, filename: what to call it, and where it is.
            metadata: a dictionary to keep with it.
            content_type: a MIME type; None: what its name says.
        """
        kept = json_util.loads(json_util.dumps(metadata or {}, default=repr))
        told = {"metadata": kept, "content_type": content_type or _content_type(name)}
        self._file("artifacts", name, Path(filename), f"artifact://runs/{self.run_id}/{name}", **told)

    def resource_event(self, filename: str) -> None:
        """Record a file that the run read."""
        self._file("resources", filename, Path(filename), filename)

    def completed_event(self, stop_time: datetime, result: Any) -> None:
        """Record that the run ended well. It is the journal's last entry: COMPLETED means all before it is there."""
        self._end({"status": "COMPLETED", "stop_time": stop_time, "result": flatten(result)})

    def interrupted_event(self, interrupt_time: datetime, status: str) -> None:
        """Record that the run was stopped."""
        self._end({"status": status, "stop_time": interrupt_time})

    def failed_event(self, fail_time: datetime, fail_trace: list[str]) -> None:
        """Record that the run broke, and where."""
        self._end({"status": "FAILED", "stop_time": fail_time, "fail_trace": fail_trace})

    def finish(self) -> None:
        """Wait for delivery and read the run back. Call it once the run has ended, well or not.

        Raises:
            UndeliveredError: the database did not take the record, which waits in the spool; or it cannot be read back.
            StorageError: it reads back damaged (its status becomes INCOMPLETE).
        """
        if self._courier is None or self._finished:
            return  # no run was begun, or it is done
        self._finished = True
        self._append()  # what waited for room on a full disk
        if self._courier.outage:
            log.warning("waiting up to %g s for the run database", self._patience)
        delivered = self._courier.finish(self._patience)
        self._journal.close(delete=delivered and not self._unwritten)
        if self._unwritten:
            raise StorageError(
                f"run {self.run_id}: the disk is full, so the end of its record could not be written to "
                f"{self._journal.folder}. Free some space and type the same command again: it continues from its "
                "last checkpoint"
            )
        if not delivered:
            raise UndeliveredError(
                f"run {self.run_id} is finished but the run database did not take all of its record. Nothing is lost: "
                f"it waits in {self._journal.folder} and the next command that opens the database delivers it"
            )
        try:
            problems = self._read_back()
        except PyMongoError as error:
            raise UndeliveredError(
                f"run {self.run_id} was delivered, but could not be read back ({type(error).__name__}); "
                "`python -m repro.db check` says whether it is whole"
            ) from None
        if problems:
            raise StorageError(f"run {self.run_id} reads back damaged and is marked INCOMPLETE: {'; '.join(problems)}")

    def _read_back(self) -> list[str]:
        """Return what is wrong with a run that ended well, and mark it; nothing for others."""
        if not self._completed:
            return []
        run = self._database.runs.find_one({"_id": self.run_id})
        found = list(examine(self._database, [run] if run else [], details=True))
        problems = found[0].problems if found else ["it is not in the database"]
        if problems:
            told = {"status": "INCOMPLETE", "fail_trace": [f"it reads back damaged: {why}\n" for why in problems]}
            self._database.runs.update_one({"_id": self.run_id}, {"$set": told})
        return problems

    def _end(self, fields: Entry) -> None:
        self._completed = fields["status"] == "COMPLETED"
        self._set(fields)

    def _set(self, fields: Entry) -> None:
        """Set fields of the run's document; once it has ended well, with the hashes of what else is in it."""
        self._sent |= fields
        if self._completed and isinstance(expected := self._sent.get("info", {}).get("expected"), dict):
            hashes = record_sha256(self._sent, self._sources)
            fields = {**fields, "info": {**self._sent["info"], "expected": {**expected, "record": hashes}}}
        self._append({"kind": "set", "fields": fields})

    def _keep_sources(self, folder: Path, names: Sequence[str]) -> None:
        """Record the sources, hundreds of small files, in one entry."""
        for name in names:
            sha256 = self._kept(folder / name, sync=False)
            self._sources |= {} if sha256 is None else {name: sha256}
        self._journal.sync_files()
        files = [{"file": ObjectId(), "name": name, "sha256": sha256} for name, sha256 in self._sources.items()]
        self._append({"kind": "sources", "files": files})

    def _file(self, into: str, name: str, path: Path, filename: str, **told: Any) -> None:
        if (sha256 := self._kept(path)) is not None:
            entry = {"kind": "file", "file": ObjectId(), "list": into, "name": name, "filename": filename}
            self._append({**entry, "sha256": sha256, **told})

    def _kept(self, path: Path, sync: bool = True) -> str | None:
        """Copy a file into the journal and return its SHA-256; None if it cannot be: the run becomes INCOMPLETE."""
        try:
            return self._journal.keep_file(path, sync)
        except OSError as error:
            log.error("cannot keep %s for the run's record: %s", path, error.strerror)
            return None

    def _append(self, *entries: Entry) -> None:
        if self.run_id is None:
            return  # the run was not begun, which Sacred reports all the same
        try:
            self._journal.append(*({"run": self.run_id, **entry} for entry in entries))
            self._unwritten = False
        except OSError as error:
            self._unwritten = True
            # Sacred would drop us for good; the entries wait in memory for the next call.
            log.error(
                "cannot write the run's journal in %s: %s. Free some space",
                self._journal.folder,
                error.strerror,
            )
        if self._courier is not None:
            self._courier.wake()


def _reserve(database: Database, doc: dict[str, Any]) -> int:
    """Insert the run document under an id above all that the database knows, and return the id."""
    while True:
        run_id = highest_id(database) + 1
        try:
            database.runs.insert_one({"_id": run_id, **doc})
        except DuplicateKeyError:
            continue  # another process was quicker
        return run_id


def _rival(database: Database, run_id: int) -> int | None:
    """Return the run of the same cell that began before this one and lives; None if there is none.

    Of two that begin at once the one with the lower id sees none, and goes on.
    """
    run = database.runs.find_one({"_id": run_id}, {"info.cell": 1})
    assert run is not None
    if (cell := run["info"].get("cell")) is None:
        return None
    earlier = {"info.cell": cell, "status": "RUNNING", "_id": {"$lt": run_id}}
    return next((other["_id"] for other in database.runs.find(earlier) if alive(database, other)), None)


def _content_type(name: str) -> str:
    """Return a file's MIME type by its name, the same on every machine."""
    return TYPES.guess_type(name)[0] or "application/octet-stream"


def _plain(points: dict[str, list]) -> dict[str, list]:
    return {
        "steps": [float(s) if isinstance(s, float) else int(s) for s in points["steps"]],
        "values": [float(v) for v in points["values"]],
        "timestamps": list(points["timestamps"]),
    }

"""Where stored runs are read from: a run database (here), or an archive (`repro.store.archive`)."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from pymongo import ASCENDING
from pymongo.database import Database

from repro.store.foreign import OURS

Run = dict[str, Any]
"""A run's document, as Sacred stores it."""

Series = dict[str, Any]
"""A metric's document, as Sacred stores it: run_id, name, steps, values, timestamps."""

LEFT_OUT = {"captured_out": 0, "host": 0, "experiment": 0}
"""Captured output, host details and the list of sources are long, and no question to many runs needs them."""

RUNS_AT_ONCE = 50
"""Runs whose metrics are asked for in one query."""

BYTES_AT_ONCE = 32_000_000
"""Files are asked for together up to this size."""


@dataclass(frozen=True)
class Content:
    """What a source holds of a file.

    Args:
        sha256: of its content; None where it cannot be read whole.
        left_out: whether the content was left out when the run was archived; `sha256` is then what it was.
    """

    sha256: str | None
    left_out: bool = False


class RunSource(Protocol):
    """A place that holds stored runs."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    def runs(self) -> list[Run]:
        """Return the run documents by ascending id, without the fields LEFT_OUT."""

    def details(self, run_ids: Iterable[int]) -> Iterator[tuple[int, Run]]:
        """Yield (run id, the fields LEFT_OUT of its document) for every run that is there."""

    def series(self, run_ids: Iterable[int]) -> Iterator[tuple[int, list[Series]]]:
        """Yield (run id, its metrics by name and id) for every run, by ascending id; an empty list where it has none.

        No more than one run's metrics need be in memory.
        """

    def contents(self, file_ids: Iterable[Any]) -> dict[Any, Content]:
        """Return what is held of each of these files; those that are not there at all are not in the result."""

    def read(self, file_id: Any) -> bytes | None:
        """Return the content of a file; None where it cannot be read whole."""


class DatabaseSource:
    """A run database as a source of runs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: dict[Any, Content] = {}

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"the run database '{self.database.name}'"

    def runs(self) -> list[Run]:
        """Return the kit's own run documents by ascending id, without the fields LEFT_OUT."""
        return list(self.database.runs.find(OURS, LEFT_OUT).sort("_id", ASCENDING))

    def details(self, run_ids: Iterable[int]) -> Iterator[tuple[int, Run]]:
        """Yield (run id, the fields LEFT_OUT of its document) for every run that is there; one query for all."""
        for run in self.database.runs.find({"_id": {"$in": list(run_ids)}}, dict.fromkeys(LEFT_OUT, 1)):
            yield run.pop("_id"), run

    def series(self, run_ids: Iterable[int]) -> Iterator[tuple[int, list[Series]]]:
        """Yield (run id, its metrics by name and id) for every run, by ascending id; two queries for many runs.

        A run's metrics are those that its document lists. Others under its id are of another experiment, whose runs are
        in a collection of their own, or of a run that was deleted by hand.
        """
        waiting = sorted(set(run_ids))
        batches = [waiting[start : start + RUNS_AT_ONCE] for start in range(0, len(waiting), RUNS_AT_ONCE)]
        with ThreadPoolExecutor(1) as reader:  # the server finds the next batch while this one is looked at
            coming = [reader.submit(self._metrics_of, batch) for batch in batches[:1]]
            for number, batch in enumerate(batches):
                found = coming.pop().result()
                coming = [reader.submit(self._metrics_of, later) for later in batches[number + 1 : number + 2]]
                by_run = {run_id: list(members) for run_id, members in groupby(found, key=itemgetter("run_id"))}
                for run_id in batch:
                    members = by_run.pop(run_id, [])
                    yield run_id, sorted(members, key=lambda series: (str(series.get("name")), str(series["_id"])))

    def _metrics_of(self, run_ids: Sequence[int]) -> list[Series]:
        listed = self.listed(run_ids)
        # The index gives this order. More of it would make the server sort, in memory that it limits.
        found = self.database.metrics.find({"run_id": {"$in": run_ids}}).sort("run_id", ASCENDING)
        return [one for one in found if (own := listed.get(one["run_id"])) is None or str(one["_id"]) in own]

    def listed(self, run_ids: Sequence[int]) -> dict[int, set[str]]:
        """Return run id -> the ids of the metrics that its document lists; runs that list none at all are left out."""
        found = {}
        for run in self.database.runs.find({"_id": {"$in": list(run_ids)}}, {"info.metrics": 1}):
            info = run.get("info")
            metrics = info.get("metrics") if isinstance(info, dict) else None
            if isinstance(metrics, list):
                found[run["_id"]] = {str(one.get("id")) for one in metrics if isinstance(one, dict)}
        return found

    def contents(self, file_ids: Iterable[Any]) -> dict[Any, Content]:
        """Return what is held of each of these files; each is read once, and small ones many in a query."""
        wanted = set(file_ids)
        new = list(wanted - self._known.keys())
        files = list(self.database.fs.files.find({"_id": {"$in": new}}).sort("_id", ASCENDING)) if new else []
        batch: list[dict[str, Any]] = []
        for file in files:
            if "left_out" in file:
                self._known[file["_id"]] = Content(file["left_out"], left_out=True)
                continue
            if batch and sum(waiting["length"] for waiting in batch) + file["length"] > BYTES_AT_ONCE:
                self._known |= self._hashed(batch)
                batch = []
            batch.append(file)
        self._known |= self._hashed(batch)
        return {file_id: self._known[file_id] for file_id in wanted if file_id in self._known}

    def read(self, file_id: Any) -> bytes | None:
        """Return the content of a file; None where it cannot be read whole."""
        file = self.database.fs.files.find_one({"_id": file_id})
        if file is None or "left_out" in file:
            return None
        content = b"".join(data for _, data in self.pieces([file]))
        return content if len(content) == file["length"] else None

    def pieces(self, files: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, bytes]]:
        """Yield (file id, next piece of its content) for documents of files; a file ends where a piece is missing.

        Files stand one after the other, in the order of their ids.
        """
        query = {"files_id": {"$in": [file["_id"] for file in files]}}
        following = {file["_id"]: 0 for file in files}
        for chunk in self.database.fs.chunks.find(query).sort([("files_id", ASCENDING), ("n", ASCENDING)]):
            if chunk["n"] == following[chunk["files_id"]]:
                following[chunk["files_id"]] += 1
                yield chunk["files_id"], chunk["data"]

    def _hashed(self, files: Sequence[dict[str, Any]]) -> dict[Any, Content]:
        hashes = {file["_id"]: hashlib.sha256() for file in files}
        lengths = dict.fromkeys(hashes, 0)
        if files:
            for file_id, data in self.pieces(files):
                hashes[file_id].update(data)
                lengths[file_id] += len(data)
        return {
            file["_id"]: Content(hashes[file["_id"]].hexdigest() if lengths[file["_id"]] == file["length"] else None)
            for file in files
        }


def source_of(runs: Database | RunSource) -> RunSource:
    """Return what is given as a source of runs: a run database, or what is one already."""
    return DatabaseSource(runs) if isinstance(runs, Database) else runs

"""Take the runs of an archive into a run database: each exactly once, however often it is tried."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, ReplaceOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from repro.errors import InputError
from repro.progress import Progress
from repro.store.archive import Archive
from repro.store.documents import mentions, text_of
from repro.store.foreign import highest_id
from repro.store.source import DatabaseSource, Run

IMPORTING = "IMPORTING"
"""Status of a run that is not yet here with all it holds. It keeps the id, so that no new run gets it meanwhile."""


@dataclass(frozen=True)
class Imported:
    """What an import did: ids of the runs it brought, of those that got what they lacked, and of the others."""

    new: list[int]
    completed: list[int]
    there: list[int]


def import_runs(database: Database, archive: Archive) -> Imported:
    """Bring the runs of an archive into a run database, under the ids that they have.

    Raises:
        InputError: an id is taken by another run; nothing was written.
    """
    source = DatabaseSource(database)
    standing = {run_id: _standing(database, source, archive, run_id) for run_id in archive.run_ids}
    if taken := [run_id for run_id, word in standing.items() if word == "taken"]:
        free = 1 + highest_id(database)
        raise InputError(
            f"{_named(taken)} of {archive.name}: {source.name} has other runs with these ids. Nothing was imported. "
            "Set REPRO_RUNS (or the database name in REPRO_MONGO_URI) to an empty run database and import there; then "
            f"run `python -m repro.db export --first-id {free} new.zip` there, and import new.zip here"
        )
    _index(database)
    todo = [run_id for run_id, word in standing.items() if word != "there"]
    with Progress("importing", max(1, len(todo)), "run") as progress:
        # From the highest id down: a run that is begun meanwhile is numbered above all of them.
        for run_id in reversed(todo):
            _bring(database, archive, run_id, standing[run_id])
            progress.advance()
    by_word = {word: [i for i in archive.run_ids if standing[i] == word] for word in ("new", "lighter", "there")}
    return Imported(by_word["new"], by_word["lighter"], by_word["there"])


def _standing(database: Database, source: DatabaseSource, archive: Archive, run_id: int) -> str:
    """Return how the database stands to a run: "new", "there", "lighter" (there without some artifacts) or "taken".

    A run whose import was broken off is new.
    """
    run = archive.run(run_id)
    ((_, series),) = archive.series([run_id])
    here = database.runs.find_one({"_id": run_id})
    begun = False
    if here is not None and here["status"] == IMPORTING:
        begun, here = True, {**here, "status": run["status"]}
    if here is not None and _sha256([here]) != archive.sha256(run_id, "run.json"):
        return "taken"
    file_ids = {file_id for _, _, file_id in mentions(run)} & archive.files.keys()
    contents, lighter = source.contents(file_ids), False
    for file in database.fs.files.find({"_id": {"$in": list(file_ids)}}):
        file_ids.remove(file["_id"])
        entry, left_out = archive.files[file["_id"]], file.pop("left_out", None)
        if text_of(file) != text_of(entry["file"]) or contents[file["_id"]].sha256 != entry["sha256"]:
            return "taken"
        lighter |= left_out is not None and archive.holds(file["_id"])
    if here is None or begun:
        # Metrics that are here already must be left of a try that broke off.
        own = {(one["_id"], run_id) for one in series}
        query = {"$or": [{"run_id": run_id}, {"_id": {"$in": [one["_id"] for one in series]}}]}
        stored_ids = {(one["_id"], one["run_id"]) for one in database.metrics.find(query, {"run_id": 1})}
        return "new" if stored_ids <= own else "taken"
    ((_, stored),) = source.series([run_id])
    if file_ids or _sha256(stored) != archive.sha256(run_id, "metrics.jsonl"):
        return "taken"
    return "lighter" if lighter else "there"


def _bring(database: Database, archive: Archive, run_id: int, word: str) -> None:
    """Write a run so that it looks finished only when all of it is there: its files, its metrics, and then itself."""
    run = archive.run(run_id)
    if word == "new":
        _keep_id(database, run)
    for file_id in {file_id for _, _, file_id in mentions(run)} & archive.files.keys():
        _bring_file(database, archive, file_id)
    if word == "new":
        ((_, series),) = archive.series([run_id])
        if series:
            database.metrics.bulk_write([ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in series])
        database.runs.replace_one({"_id": run_id, "status": IMPORTING}, run)


def _keep_id(database: Database, run: Run) -> None:
    try:
        database.runs.insert_one({**run, "status": IMPORTING})
    except DuplicateKeyError:
        if database.runs.find_one({"_id": run["_id"], "status": IMPORTING}) is None:
            raise InputError(f"run {run['_id']} was begun here meanwhile; the runs above it are imported") from None


def _bring_file(database: Database, archive: Archive, file_id: Any) -> None:
    here, entry = database.fs.files.find_one({"_id": file_id}), archive.files[file_id]
    if here is not None and not ("left_out" in here and archive.holds(file_id)):
        return
    file = {**entry["file"], **({"left_out": entry["sha256"]} if entry["left_out"] else {})}
    if archive.holds(file_id):
        # Piece by piece under its own number: what a try that broke off has left is only written again.
        for n, piece in enumerate(archive.content(file_id, file["chunkSize"])):
            place = {"files_id": file_id, "n": n}
            database.fs.chunks.update_one(place, {"$set": {"data": piece}}, upsert=True)
    database.fs.files.replace_one({"_id": file_id}, file, upsert=True)


def _index(database: Database) -> None:
    """Make the indexes that GridFS makes when it first writes."""
    database.fs.files.create_index([("filename", ASCENDING), ("uploadDate", ASCENDING)])
    database.fs.chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)


def _sha256(documents: Iterable[dict[str, Any]]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(text_of(document))
    return digest.hexdigest()


def _named(run_ids: list[int]) -> str:
    listed = ", ".join(map(str, run_ids[:20])) + (f" and {len(run_ids) - 20} more" if len(run_ids) > 20 else "")
    return f"run {listed}" if len(run_ids) == 1 else f"runs {listed}"

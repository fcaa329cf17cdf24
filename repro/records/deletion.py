"""`delete`: runs that nobody needs, with their metrics and files."""

import argparse
from collections.abc import Sequence

from pymongo.database import Database

from repro.configs.identity import ORIGINS
from repro.errors import InputError, run_id
from repro.records.document import document
from repro.records.summary import status_of, summary
from repro.store.documents import mentions
from repro.store.source import Run


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("delete", help="delete runs with their metrics and files, after confirmation")
    parser.add_argument("runs", type=run_id, nargs="+", metavar="RUN", help="run ids")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(database: Database, options: argparse.Namespace) -> None:
    """Ask, and delete."""
    runs = deletable(database, options.runs)
    for each in runs:
        print("{run}: {status}, {command} {method} {data} seed {seed}".format_map(summary(each)))
    if not options.yes and not _agreed(f"delete {len(runs)} runs permanently? [y/N] "):
        print("nothing was deleted")
        return
    for each in runs:
        delete(database, each)
    print(f"{len(runs)} runs deleted")


def deletable(database: Database, run_ids: Sequence[int]) -> list[Run]:
    """Return the documents of runs that may be deleted.

    Raises:
        InputError: one is not there, runs now, or is what another run builds on. Nothing may be deleted then.
    """
    runs = [document(database, run_id) for run_id in dict.fromkeys(run_ids)]
    for run in runs:
        if status_of(database, run) == "RUNNING":
            raise InputError(f"run {run['_id']} is running; stop it first")
        uses = {"$or": [{f"config.{key}": run["_id"]} for key in ORIGINS], "_id": {"$nin": list(run_ids)}}
        if (user := database.runs.find_one(uses, {"_id": 1})) is not None:
            raise InputError(f"run {user['_id']} builds on run {run['_id']}; delete both, or neither")
    return runs


def delete(database: Database, run: Run) -> None:
    """Delete a run: its document first, so that what is left after a power cut belongs to no run (`check` names it).

    Files that another run mentions, as runs share their sources, stay.
    """
    database.runs.delete_one({"_id": run["_id"]})
    database.metrics.delete_many({"run_id": run["_id"]})
    for file_id in {file_id for _, _, file_id in mentions(run)}:
        shared = [{"artifacts.file_id": file_id}]
        shared += [{place: {"$elemMatch": {"$elemMatch": {"$eq": file_id}}}} for place in LISTS]
        if database.runs.find_one({"$or": shared}, {"_id": 1}) is None:
            database.fs.files.delete_one({"_id": file_id})
            database.fs.chunks.delete_many({"files_id": file_id})


LISTS = ("resources", "experiment.sources")
"""Where a run's document lists files as [name, id]."""


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        raise InputError("nobody can confirm here; add --yes to delete without confirmation") from None

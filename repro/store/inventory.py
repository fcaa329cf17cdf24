"""What lies in a run database beside whole runs, and what a person should know of it. Nothing here changes anything."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from repro.store.documents import mentions
from repro.store.importing import IMPORTING
from repro.store.source import DatabaseSource, Run

NEEDED = {"status": 1, "artifacts": 1, "resources": 1, "experiment.sources": 1}


def repeated(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a sentence for every cell of which several of the given whole runs are; figures draw the newest."""
    cells = defaultdict(list)
    for run in runs:
        cells[run.get("info", {}).get("cell")].append(run["_id"])
    for cell, run_ids in cells.items():
        if cell is not None and len(run_ids) > 1:
            yield f"{_runs(run_ids)} are whole runs of the same cell, {cell}; figures draw the newest"


def strays(source: DatabaseSource) -> Iterator[str]:
    """Yield a sentence for all that no run mentions, or that is mentioned and not there, or mentioned twice.

    Artifacts are judged with their runs (`integrity`); here are the sources and resources.
    """
    database = source.database
    runs = list(database.runs.find({}, NEEDED).sort("_id", ASCENDING))
    known = {run["_id"] for run in runs}
    if broken_off := sorted(run["_id"] for run in runs if run["status"] == IMPORTING):
        yield f"the import of {_runs(broken_off)} was broken off; type the same import again"
    for run_id in sorted(set(database.metrics.distinct("run_id")) - known, key=str):
        yield f"{database.metrics.count_documents({'run_id': run_id})} metrics are of run {run_id}, which is not there"
    yield from _stray_files(database, runs)
    yield from _mentioned_twice(runs)
    yield from _unreadable(source, runs)


def _stray_files(database: Database, runs: list[Run]) -> Iterator[str]:
    mentioned = {file_id for run in runs for _, _, file_id in mentions(run)}
    # A file of a run that goes on is stored a moment before the run mentions it.
    going_on = {run["_id"] for run in runs if run["status"] == "RUNNING"}
    there = {file["_id"]: file for file in database.fs.files.find({}, {"filename": 1, "metadata": 1})}
    for file_id, file in there.items():
        if file_id not in mentioned and file.get("metadata", {}).get("run_id") not in going_on:
            yield f"file {file_id} ({file.get('filename')}) is mentioned by no run"
    if not going_on:
        for file_id in sorted(set(database.fs.chunks.distinct("files_id")) - there.keys(), key=str):
            yield f"pieces of a file {file_id} are there without the file"


def _mentioned_twice(runs: list[Run]) -> Iterator[str]:
    """Sources are stored once for all runs that share them; nothing else may be shared."""
    owners: dict[Any, list[str]] = defaultdict(list)
    sources = {file_id for run in runs for kind, _, file_id in mentions(run) if kind == "sources"}
    for run in runs:
        for kind, name, file_id in mentions(run):
            if kind != "sources":
                owners[file_id].append(f"{name} of run {run['_id']}")
    for file_id, places in owners.items():
        if len(places) + (file_id in sources) > 1:
            yield f"file {file_id} is mentioned twice: as {' and '.join(places + ['a source'] * (file_id in sources))}"


def _unreadable(source: DatabaseSource, runs: list[Run]) -> Iterator[str]:
    named = {file_id: (kind, name) for run in runs for kind, name, file_id in mentions(run) if kind != "artifacts"}
    users = Counter(file_id for run in runs for _, _, file_id in mentions(run))
    contents = source.contents(named)
    recorded = {
        file["_id"]: file.get("metadata", {}).get("sha256")
        for file in source.database.fs.files.find({"_id": {"$in": list(named)}}, {"metadata": 1})
    }
    for file_id, (kind, name) in named.items():
        content = contents.get(file_id)
        title = f"{kind.removesuffix('s')} {name}, which {users[file_id]} runs mention,"
        if content is None or content.sha256 is None:
            yield f"{title} cannot be read"
        elif recorded[file_id] not in (None, content.sha256):
            yield f"{title} is altered"


def _runs(run_ids: list[int]) -> str:
    return f"run {run_ids[0]}" if len(run_ids) == 1 else f"runs {', '.join(map(str, run_ids))}"
